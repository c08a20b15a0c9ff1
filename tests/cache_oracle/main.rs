//! The cache's policy against another implementation, the crate `http-cache-semantics`: whether a response may be stored,
//! how old it is, and whether it may be used for a certain request at a certain time.
//!
//! The crate knows less of the grammar than we do. So each case is a model of what is said ([`Case`]), written for us in
//! any form that the grammar has, and for the crate in the plainest, where what it does not know is translated. What is
//! left are differences of judgement: each must be one of [`JUSTIFIED`], and each of those must be needed.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod case;
mod written;

use case::{Case, has};
use fastrand::Rng;
use http::Request;
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use std::time::Duration;
use thrust::{
    cache::{
        Reason,
        policy::{self, Asked, Freshness, Use},
    },
    message::{Headers, cache_control::RequestControl},
};

const ROUNDS: usize = 40_000;

/// Statuses that the crate understands.
const THEY_KNOW: [u16; 14] = [200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501];

/// What only one of the two allows; ages are in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Difference {
    WeStore,
    TheyStore(Reason),
    WeUse { age: u64 },
    TheyUse { age: u64 },
}

use Difference::{TheyStore, TheyUse, WeStore, WeUse};

type Rule = fn(&Case, Difference) -> bool;

/// The rule by which we are right, with its section of RFC 9111, and to which differences it applies.
const JUSTIFIED: [(&str, Rule); 14] = [
    (
        "no heuristic freshness: what says nothing of its lifetime is not kept (§4.2.2: MAY)",
        |case, difference| difference == TheyStore(Reason::NoLifetime) && case.lifetime().is_none(),
    ),
    (
        "stale on arrival and without a validator it is of no use (§3: nothing must be stored)",
        |case, difference| {
            difference == TheyStore(Reason::Stale) && case.is_never_fresh() && !case.has_validator()
        },
    ),
    (
        "what answers a cookie and must be validated is the visitor's unless it is public (§3)",
        |case, difference| {
            let theirs = case.cookie && !case.is_declared_public();
            difference == TheyStore(Reason::Cookie) && case.is_never_fresh() && theirs
        },
    ),
    (
        "what sets a cookie is stored only if Cache-Control says that it is for all (§7.3)",
        |case, difference| {
            difference == TheyStore(Reason::SetCookie) && case.set_cookie && !case.is_declared_public()
        },
    ),
    (
        "no failure of the worker's is stored, though 501 is cacheable (§3: nothing must be)",
        |case, difference| difference == TheyStore(Reason::Status) && case.status == 501,
    ),
    (
        "any final and whole response that is explicitly fresh, or public, is stored (§3)",
        |case, difference| {
            let whole = (200..500).contains(&case.status) && !matches!(case.status, 206 | 304);
            let explicit = case.lifetime().is_some() || case.says("public") || case.status == 451;
            difference == WeStore && !THEY_KNOW.contains(&case.status) && whole && explicit
        },
    ),
    (
        "Cache-Control's s-maxage or public declare that what sets a cookie is for all (§5.2.2)",
        |case, difference| {
            let declared = case.is_declared_public() && !case.says("public");
            matches!(difference, WeUse { .. }) && case.set_cookie && declared
        },
    ),
    ("proxy-revalidate forbids what is stale, not what is fresh (§5.2.2.8)", |case, difference| {
        match difference {
            WeUse { age } => case.says("proxy-revalidate") && case.lifetime() > Some(age),
            _ => false,
        }
    }),
    ("proxy-revalidate forbids what is stale, whatever max-stale says (§5.2.2.8)", |case, difference| {
        case.only_they_use_stale(difference) && case.says("proxy-revalidate")
    }),
    ("s-maxage implies proxy-revalidate (§5.2.2.10)", |case, difference| {
        case.only_they_use_stale(difference) && case.says("s-maxage")
    }),
    (
        "no-cache forbids every use without validation, whatever max-stale says (§5.2.2.4)",
        |case, difference| {
            matches!(difference, TheyUse { .. }) && case.says("no-cache") && has(&case.later, "max-stale")
        },
    ),
    (
        "what has no lifetime is validated each time, whatever max-stale says (§4.2.4: may be served, not must)",
        |case, difference| case.only_they_use_stale(difference) && case.lifetime().is_none(),
    ),
    ("max-stale includes the last second that it names (§5.2.1.2)", |case, difference| {
        let last = case.wanted("max-stale").map(|more| case.lifetime().unwrap_or(0) + more);
        matches!(difference, WeUse { age } if last == Some(age))
    }),
    ("min-fresh=0 still wants what is not stale, whatever max-stale says (§5.2.1.3)", |case, difference| {
        case.only_they_use_stale(difference) && case.wanted("min-fresh") == Some(0)
    }),
];

#[test]
fn every_difference_is_justified() {
    let mut random = Rng::with_seed(9111);
    let (mut decided, mut stored, mut used, mut refused) = ([0; JUSTIFIED.len()], 0, 0, 0);
    for _ in 0..ROUNDS {
        let case = Case::random(&mut random);
        let compared = Compared::new(&case, &mut random);
        stored += usize::from(compared.ours.is_ok());
        used += compared.agreed_to_use;
        refused += compared.agreed_to_validate;
        for &difference in &compared.differences {
            let applies: Vec<_> =
                (0..JUSTIFIED.len()).filter(|&at| (JUSTIFIED[at].1)(&case, difference)).collect();
            assert!(
                !applies.is_empty(),
                "{difference:?}: {case:#?}\n{:#?}\n{:?}",
                compared.shown,
                compared.ours
            );
            if let [rule] = applies[..] {
                decided[rule] += 1;
            }
        }
    }
    for ((rule, _), times) in JUSTIFIED.iter().zip(decided) {
        assert!(times > 0, "never decides: {rule}");
    }
    let enough = stored > ROUNDS / 4 && used > ROUNDS / 4 && refused > ROUNDS / 4;
    assert!(enough, "too few to learn from: {stored} stored, {used} used, {refused} validated");
}

/// What both say of a case.
struct Compared {
    ours: Result<Freshness, Reason>,
    differences: Vec<Difference>,
    agreed_to_use: usize,
    agreed_to_validate: usize,
    /// What both were given, for the report.
    shown: String,
}

impl Compared {
    fn new(case: &Case, random: &mut Rng) -> Self {
        let (asked, response, later) = (case.asked(), case.wild_response(random), case.wild_later(random));
        let ours = policy::freshness(
            &Asked { target: case.target(), headers: &asked, sent: case.sent(), answered: case::answered() },
            case.status.try_into().unwrap(),
            &response,
            &["/assets/".to_owned()],
        );
        let (differences, shown) = (Vec::new(), format!("{asked:?}\n{response:?}\n{later:?}"));
        let mut compared = Self { ours, differences, agreed_to_use: 0, agreed_to_validate: 0, shown };
        match (ours, theirs(case, case.status).is_storable()) {
            (Err(_), false) => {}
            (Err(reason), true) => compared.differences.push(TheyStore(reason)),
            (Ok(freshness), is_storable) => {
                if !is_storable {
                    compared.differences.push(WeStore);
                }
                compared.uses(case, &freshness, &RequestControl::of(&later), random);
            }
        }
        compared
    }

    fn uses(&mut self, case: &Case, freshness: &Freshness, control: &RequestControl, random: &mut Rng) {
        // Once stored, the status makes no difference.
        let theirs = theirs(case, 200);
        let later = plain_request(case, case.plain_later());
        for resident in case.telling_times(random) {
            let now = case::answered() + Duration::from_secs(resident);
            let age = freshness.initial_age + Duration::from_secs(resident);
            assert_eq!(age, theirs.age(now), "another age: {case:#?}\n{}", self.shown);
            let we_use = freshness.use_for(control, age) == Use::Fresh;
            let they_use = matches!(theirs.before_request(&later, now), BeforeRequest::Fresh(_));
            let age = age.as_secs();
            match (we_use, they_use) {
                (true, true) => self.agreed_to_use += 1,
                (false, false) => self.agreed_to_validate += 1,
                (true, false) => self.differences.push(WeUse { age }),
                (false, true) => self.differences.push(TheyUse { age }),
            }
        }
    }
}

fn plain_request(case: &Case, headers: Headers) -> Request<()> {
    let mut request = Request::get(format!("http://a{}", case.target())).body(()).unwrap();
    *request.headers_mut() = headers.into();
    request
}

fn theirs(case: &Case, status: u16) -> CachePolicy {
    let request = plain_request(case, case.asked());
    let mut response = http::Response::new(());
    *response.status_mut() = status.try_into().unwrap();
    *response.headers_mut() = case.plain_response().into();
    // No heuristics, neither of dates nor of `immutable`
    let none = Duration::ZERO;
    let options = CacheOptions {
        shared: true,
        cache_heuristic: 0.0,
        immutable_min_time_to_live: none,
        ..Default::default()
    };
    CachePolicy::new_options(&request, &response, case::answered(), options)
}
