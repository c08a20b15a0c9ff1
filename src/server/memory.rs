//! Memory that connections have left behind.
//!
//! The C library keeps what is freed for the next allocation. After a crowd has come and gone, or fallen silent, that is
//! tens of megabytes that a small container could use: they are given back when enough has been freed.

use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::spawn_blocking, time::sleep};

/// How many connections, or streams, must have given up what it takes to answer requests: some kilobytes each.
const ENOUGH: u32 = 128;
/// Pause before each turn: a crowd seldom leaves in one instant.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts who has given that up.
#[derive(Clone)]
pub(super) struct Memory {
    freed: Arc<Semaphore>,
}

impl Memory {
    /// Begins to watch; within a runtime.
    pub(super) fn start() -> Self {
        let freed = Arc::new(Semaphore::new(0));
        let counted = freed.clone();
        tokio::spawn(async move {
            // The semaphore is never closed.
            while let Ok(enough) = counted.acquire_many(ENOUGH).await {
                enough.forget();
                sleep(PAUSE).await;
                counted.forget_permits(counted.available_permits());
                // Takes some milliseconds; a panic in it is impossible, and would harm nobody.
                let _ = spawn_blocking(give_back).await;
            }
        });
        Self { freed }
    }

    /// So many connections or streams have given up their buffers.
    pub(super) fn freed(&self, count: usize) {
        // More than enough is still enough.
        if self.freed.available_permits() <= ENOUGH as usize {
            self.freed.add_permits(count);
        }
    }
}

#[cfg(target_env = "gnu")]
fn give_back() {
    // SAFETY: it may be called at any time, by any thread.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries give memory back by themselves.
#[cfg(not(target_env = "gnu"))]
fn give_back() {}
