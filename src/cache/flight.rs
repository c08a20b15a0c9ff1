//! One fetch for all who want the same at the same time.

use super::{CacheKey, Entry, vary::Selector};
use http::HeaderMap;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::watch, time::timeout};

/// Nobody waits longer than this for somebody else's fetch.
pub const PATIENCE: Duration = Duration::from_secs(5);

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
    pub async fn wait(mut self, request: &HeaderMap) -> Waited {
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
