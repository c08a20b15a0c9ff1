use super::{super::testing::*, *};

#[test]
fn what_may_be_done_with_it_when_it_is_stale() {
    let second = Duration::from_secs;
    let plain = Freshness {
        lifetime: second(60),
        max_stale_allowed: true,
        always_validate: false,
        ..Freshness::NONE
    };
    let grace = Freshness { while_revalidate: second(9), if_error: second(8), ..plain };
    let strict = Freshness { max_stale_allowed: false, ..plain };
    for (section, response, expected) in [
        ("RFC 9111 §5.2.1.2", "max-age=60", plain),
        ("RFC 9111 §5.2.2.2", "max-age=60, must-revalidate", strict),
        ("RFC 9111 §5.2.2.8", "max-age=60, proxy-revalidate", strict),
        ("RFC 9111 §5.2.2.10", "s-maxage=60", strict),
        ("RFC 9111 §5.2.2.4", "max-age=60, no-cache", Freshness { always_validate: true, ..plain }),
        ("RFC 5861 §3, §4", "max-age=60, stale-while-revalidate=9, stale-if-error=8", grace),
        ("RFC 5861 §3", "max-age=60, stale-while-revalidate=x, stale-if-error", plain),
        (
            "RFC 9111 §5.2.2.10",
            "s-maxage=60, stale-while-revalidate=9, stale-if-error=8",
            Freshness { max_stale_allowed: false, ..grace },
        ),
        (
            "RFC 9111 §5.2.2.2",
            "max-age=60, must-revalidate, stale-while-revalidate=9, stale-if-error=8",
            strict,
        ),
        (
            "RFC 9111 §5.2.2.8",
            "max-age=60, proxy-revalidate, stale-while-revalidate=9, stale-if-error=8",
            strict,
        ),
    ] {
        let response = format!("etag: a | cache-control: {response}");
        assert_eq!(judge("/", "", 200, &response), Ok(expected), "{section}: {response}");
    }
}

/// The response's Cache-Control, the request's, an age, and what is done.
#[test]
fn what_clients_want_of_freshness_is_heeded() {
    use Use::{Fresh, Validate, WhileRevalidate};
    const PLAIN: &str = "max-age=60";
    const GRACE: &str = "max-age=60, stale-while-revalidate=30";
    for (section, response, request, age, expected) in [
        ("RFC 9111 §4.2", PLAIN, "", 0, Fresh),
        ("RFC 9111 §4.2", PLAIN, "", 59, Fresh),
        ("RFC 9111 §4.2", PLAIN, "", 60, Validate),
        ("RFC 9111 §5.2.1.1", PLAIN, "max-age=30", 30, Fresh),
        ("RFC 9111 §5.2.1.1", PLAIN, "max-age=30", 31, Validate),
        ("RFC 9111 §5.2.1.1", PLAIN, "max-age=0", 1, Validate),
        ("RFC 9111 §5.2.1.1", PLAIN, "max-age=90", 60, Validate),
        ("RFC 9111 §5.2.1.1", PLAIN, "max-age=90, max-stale=30", 90, Fresh),
        ("RFC 9111 §5.2.1.1", PLAIN, "max-age=90, max-stale=40", 91, Validate),
        ("RFC 9111 §5.2.1.3", PLAIN, "min-fresh=10", 50, Fresh),
        ("RFC 9111 §5.2.1.3", PLAIN, "min-fresh=10", 51, Validate),
        ("RFC 9111 §5.2.1.3", PLAIN, "min-fresh", 0, Validate),
        ("RFC 9111 §5.2.1.3", PLAIN, "min-fresh=0, max-stale=9", 61, Validate),
        ("RFC 9111 §5.2.1.2", PLAIN, "max-stale=10", 70, Fresh),
        ("RFC 9111 §5.2.1.2", PLAIN, "max-stale=10", 71, Validate),
        ("RFC 9111 §5.2.1.2", PLAIN, "max-stale", 1 << 31, Fresh),
        ("RFC 9111 §5.2.1.2", PLAIN, "max-stale=x", 60, Validate),
        ("RFC 9111 §5.2.2.2", "max-age=60, must-revalidate", "max-stale", 59, Fresh),
        ("RFC 9111 §5.2.2.2", "max-age=60, must-revalidate", "max-stale", 60, Validate),
        ("RFC 9111 §5.2.2.8", "max-age=60, proxy-revalidate", "max-stale", 60, Validate),
        ("RFC 9111 §5.2.2.10", "s-maxage=60", "max-stale", 60, Validate),
        ("RFC 9111 §5.2.1.4", PLAIN, "no-cache", 0, Validate),
        ("RFC 9111 §5.2.1.4", PLAIN, "no-cache, max-stale", 70, Validate),
        ("RFC 9111 §5.2.2.4", "max-age=60, no-cache", "max-stale", 0, Validate),
        ("RFC 5861 §3", GRACE, "", 59, Fresh),
        ("RFC 5861 §3", GRACE, "", 60, WhileRevalidate),
        ("RFC 5861 §3", GRACE, "", 89, WhileRevalidate),
        ("RFC 5861 §3", GRACE, "", 90, Validate),
        ("RFC 5861 §3", "max-age=60, stale-while-revalidate=30, no-cache", "", 60, Validate),
        ("RFC 5861 §3", "s-maxage=60, stale-while-revalidate=30", "", 60, WhileRevalidate),
        // What the client says of staleness counts, whatever the worker allows.
        ("RFC 9111 §5.2.1.1", GRACE, "max-age=90", 60, Validate),
        ("RFC 9111 §5.2.1.3", GRACE, "min-fresh=1", 60, Validate),
        ("RFC 9111 §5.2.1.2", GRACE, "max-stale=5", 65, Fresh),
        ("RFC 9111 §5.2.1.2", GRACE, "max-stale=5", 66, Validate),
        ("RFC 9111 §5.2.1.2", "s-maxage=60, stale-while-revalidate=30", "max-stale=5", 65, WhileRevalidate),
        ("RFC 9111 §5.2.1.4", GRACE, "no-cache", 60, Validate),
    ] {
        let freshness = judge("/", "", 200, &format!("etag: a | cache-control: {response}")).unwrap();
        let control = RequestControl::of(&fields(&format!("cache-control: {request}")));
        let found = freshness.use_for(&control, Duration::from_secs(age));
        assert_eq!(found, expected, "{section}: {response}, {request}, {age} s");
    }
}
