//! A signal from a test to the scripts of its backends.

use super::DEADLINE;
use std::sync::{Arc, Condvar, Mutex};

/// Holds whoever waits for it until it is opened, and from then on nobody. Its copies are one latch.
#[derive(Debug, Clone, Default)]
pub struct Latch {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Latch {
    /// Shut.
    pub fn new() -> Latch {
        Latch::default()
    }

    /// Lets everybody through.
    pub fn open(&self) {
        let (open, changed) = &*self.shared;
        *open.lock().unwrap() = true;
        changed.notify_all();
    }

    /// Waits until it is open; at the deadline a test that has not opened it has failed already.
    pub fn wait(&self) {
        let (open, changed) = &*self.shared;
        let _ = changed.wait_timeout_while(open.lock().unwrap(), DEADLINE, |open| !*open).unwrap();
    }
}
