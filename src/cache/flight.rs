//! One fetch for all who want the same at the same time.

use super::{CacheKey, Entry, vary::Selector};
use crate::message::Headers;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::watch, time::timeout};

/// Nobody waits longer than this for somebody else's fetch.
const PATIENCE: Duration = Duration::from_secs(5);

/// Fetches for one URL that are told apart at a time: each that begins is compared with all of them, and a client may have
/// made the fields long that it is compared by.
const MOST: usize = 64;

/// The fetches that others may wait for. Those for one URL are told apart by the fields that its responses are known to
/// vary by.
#[derive(Default)]
pub struct Flights(Mutex<HashMap<CacheKey, Vec<Flight>>>);

struct Flight {
    selector: Selector,
    progress: Arc<watch::Sender<Progress>>,
    began: Instant,
}

/// How far a fetch has come.
enum Progress {
    /// Nothing is known of its response.
    Begun,
    /// Its response will be stored, for requests that it fits.
    Promised(Selector),
    /// It is stored.
    Landed(Arc<Entry>),
    /// There is nothing to wait for: it is not stored, or the fetch has failed.
    Over,
}

/// Somebody who wants to fetch.
pub enum Boarded {
    /// Goes, and others wait.
    Leader(Leader),
    /// Waits.
    Follower(Follower),
    /// Goes, and nobody waits: so many fetch for this URL already.
    Crowded,
}

/// The one who fetches. Dropped, it releases all who wait.
pub struct Leader {
    flights: Arc<Flights>,
    key: CacheKey,
    progress: Arc<watch::Sender<Progress>>,
}

/// One who waits for the leader.
pub struct Follower(watch::Receiver<Progress>);

/// What has come of waiting.
pub enum Waited {
    /// This is stored, and fits.
    Landed(Arc<Entry>),
    /// What comes is for other requests; it varies by the fields that this selector names.
    Varies(Selector),
    /// Nothing.
    InVain,
}

impl Flights {
    /// Joins the fetch for this key and these selecting fields, or begins one. One that takes too long is not joined.
    pub fn board(self: &Arc<Self>, key: &CacheKey, selector: Selector, now: Instant) -> Boarded {
        let mut flights = self.lock();
        let flights_here = flights.entry(key.clone()).or_default();
        flights_here.retain(|flight| now.saturating_duration_since(flight.began) < PATIENCE);
        if let Some(flight) = flights_here.iter().find(|flight| flight.selector == selector) {
            return Boarded::Follower(Follower(flight.progress.subscribe()));
        }
        if flights_here.len() >= MOST {
            return Boarded::Crowded;
        }
        let progress = Arc::new(watch::Sender::new(Progress::Begun));
        flights_here.push(Flight { selector, progress: progress.clone(), began: now });
        Boarded::Leader(Leader { flights: self.clone(), key: key.clone(), progress })
    }

    /// Nobody joins what is under way for this key from now on.
    pub fn close(&self, key: &CacheKey) {
        self.lock().remove(key);
    }

    fn remove(&self, key: &CacheKey, progress: &Arc<watch::Sender<Progress>>) {
        let mut flights = self.lock();
        if let Some(flights_here) = flights.get_mut(key) {
            flights_here.retain(|flight| !Arc::ptr_eq(&flight.progress, progress));
            if flights_here.is_empty() {
                flights.remove(key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CacheKey, Vec<Flight>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leader {
    /// The response will be stored for requests that this fits: the others need not wait.
    pub fn promise(&self, selector: &Selector) {
        self.progress.send_replace(Progress::Promised(selector.clone()));
    }

    /// The response is stored.
    pub fn land(self, entry: Arc<Entry>) {
        self.progress.send_replace(Progress::Landed(entry));
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.flights.remove(&self.key, &self.progress);
        self.progress.send_if_modified(|progress| {
            let landed = matches!(progress, Progress::Landed(_));
            if !landed {
                *progress = Progress::Over;
            }
            !landed
        });
    }
}

impl Follower {
    /// Waits for what a request with these fields can be answered with.
    pub async fn wait(mut self, request: &Headers) -> Waited {
        let decided = |progress: &Progress| match progress {
            Progress::Begun => false,
            Progress::Promised(selector) => !selector.matches(request),
            Progress::Landed(_) | Progress::Over => true,
        };
        match timeout(PATIENCE, self.0.wait_for(decided)).await {
            Ok(Ok(progress)) => match &*progress {
                Progress::Landed(entry) if entry.head().selector().matches(request) => {
                    Waited::Landed(entry.clone())
                }
                Progress::Landed(entry) => Waited::Varies(entry.head().selector().clone()),
                Progress::Promised(selector) => Waited::Varies(selector.clone()),
                Progress::Begun | Progress::Over => Waited::InVain,
            },
            Ok(Err(_)) | Err(_) => Waited::InVain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use tokio::time::Instant as Paused;

    fn by_accept(request: &str) -> Selector {
        Selector::of(&fields("vary: accept"), &fields(request)).unwrap()
    }

    fn varying(request: &str, vary: &str) -> Arc<Entry> {
        Arc::new(entry(
            request,
            200,
            &format!("cache-control: max-age=60 | vary: {vary}"),
            "",
            Instant::now(),
        ))
    }

    fn lead(flights: &Arc<Flights>, request: &str, now: Instant) -> Leader {
        match flights.board(&key("/"), by_accept(request), now) {
            Boarded::Leader(leader) => leader,
            _ => panic!("somebody leads already"),
        }
    }

    fn follow(flights: &Arc<Flights>, request: &str, now: Instant) -> Follower {
        match flights.board(&key("/"), by_accept(request), now) {
            Boarded::Follower(follower) => follower,
            _ => panic!("nobody leads"),
        }
    }

    /// What has come of waiting, in short.
    async fn outcome(follower: Follower, request: &str) -> String {
        match follower.wait(&fields(request)).await {
            Waited::Landed(_) => "landed".to_owned(),
            Waited::Varies(selector) => {
                let names: Vec<_> = selector.names().map(|name| name.as_str()).collect();
                format!("varies by {}", names.join(", "))
            }
            Waited::InVain => "in vain".to_owned(),
        }
    }

    #[test]
    fn only_so_many_are_told_apart() {
        let (flights, now) = (Arc::<Flights>::default(), Instant::now());
        let mut leaders: Vec<_> =
            (0..MOST).map(|number| lead(&flights, &format!("accept: {number}"), now)).collect();
        let one_more = || flights.board(&key("/"), by_accept("accept: more"), now);
        assert!(matches!(one_more(), Boarded::Crowded));
        follow(&flights, "accept: 0", now);
        leaders.pop();
        assert!(matches!(one_more(), Boarded::Leader(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_leads_and_the_others_get_what_it_lands() {
        let (flights, now) = (Arc::<Flights>::default(), Instant::now());
        let leader = lead(&flights, "accept: a", now);
        let followers = [(); 3].map(|()| follow(&flights, "accept: a", now));
        let entry = varying("accept: a", "accept");
        leader.promise(entry.head().selector());
        leader.land(entry.clone());
        for follower in followers {
            match follower.wait(&fields("accept: a")).await {
                Waited::Landed(landed) => assert!(Arc::ptr_eq(&landed, &entry)),
                _ => panic!("not landed"),
            }
        }
        // It is over: the next one leads again.
        drop(lead(&flights, "accept: a", now));
        assert!(flights.lock().is_empty(), "nothing is left behind");
    }

    #[tokio::test(start_paused = true)]
    async fn those_with_other_selecting_fields_do_not_wait() {
        let (flights, now) = (Arc::<Flights>::default(), Instant::now());
        let first = lead(&flights, "accept: a", now);
        let second = lead(&flights, "accept: b", now);
        let follower = follow(&flights, "accept: b", now);
        drop(first);
        second.land(varying("accept: b", "accept"));
        assert_eq!(outcome(follower, "accept: b").await, "landed");
        let Boarded::Leader(_leader) = flights.board(&key("/a"), Selector::default(), now) else { panic!() };
        assert!(matches!(flights.board(&key("/b"), Selector::default(), now), Boarded::Leader(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_promise_sends_those_away_whom_it_does_not_fit() {
        let (flights, now) = (Arc::<Flights>::default(), Instant::now());
        let leader = lead(&flights, "", now);
        let [fits, does_not, late] = [(); 3].map(|()| follow(&flights, "", now));
        let entry = varying("cookie: a", "cookie");
        leader.promise(entry.head().selector());
        let started = Paused::now();
        assert_eq!(outcome(does_not, "cookie: b").await, "varies by cookie");
        assert_eq!(started.elapsed(), Duration::ZERO);
        let (waited, ()) = tokio::join!(outcome(fits, "cookie: a"), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            leader.land(entry);
        });
        assert_eq!((waited.as_str(), started.elapsed()), ("landed", Duration::from_secs(1)));
        assert_eq!(outcome(late, "cookie: b").await, "varies by cookie");
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_is_dropped_releases_all() {
        for promised in [false, true] {
            let (flights, now) = (Arc::<Flights>::default(), Instant::now());
            let leader = lead(&flights, "", now);
            let followers = [(); 2].map(|()| follow(&flights, "", now));
            if promised {
                leader.promise(&by_accept(""));
            }
            let started = Paused::now();
            drop(leader);
            for follower in followers {
                assert_eq!(outcome(follower, "").await, "in vain");
            }
            assert_eq!(started.elapsed(), Duration::ZERO);
            assert!(flights.lock().is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let (flights, now) = (Arc::<Flights>::default(), Instant::now());
        let leader = lead(&flights, "", now);
        let follower = follow(&flights, "", now + PATIENCE - Duration::from_millis(1));
        let started = Paused::now();
        assert_eq!(outcome(follower, "").await, "in vain");
        assert_eq!(started.elapsed().as_secs(), PATIENCE.as_secs());
        // One that takes that long is not joined either, and is no longer the one to wait for.
        let next = lead(&flights, "", now + PATIENCE);
        let follower = follow(&flights, "", now + PATIENCE);
        drop(leader);
        next.land(varying("", "accept"));
        assert_eq!(outcome(follower, "").await, "landed");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_joins_what_is_closed() {
        let (flights, now) = (Arc::<Flights>::default(), Instant::now());
        let before = lead(&flights, "", now);
        let waiting = follow(&flights, "", now);
        flights.close(&key("/other"));
        drop(follow(&flights, "", now));
        flights.close(&key("/"));
        let after = lead(&flights, "", now);
        // Those who waited already get what they asked for, and the end of one is not that of the other.
        before.land(varying("", "accept"));
        assert_eq!(outcome(waiting, "").await, "landed");
        drop(follow(&flights, "", now));
        drop(after);
        assert!(flights.lock().is_empty());
    }
}
