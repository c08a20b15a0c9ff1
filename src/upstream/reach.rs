//! Whether the worker can be reached, and how patient requests are while it cannot.
//!
//! At boot, and while it restarts, one task knocks at the worker's door for all requests that wait.

use super::{
    Options, Target, UpstreamError,
    connect::{self, Stream},
};
use std::{
    future::Future,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

/// Pause between two knocks.
const KNOCK_EVERY: Duration = Duration::from_millis(20);
/// A port that is closed may be in the middle of a restart: so long a request waits for it where we run the worker.
const MOMENT: Duration = Duration::from_secs(1);
/// What a worker that has ended had already written may still be read for so long.
const LAST_WORDS: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has never accepted a connection.
    Booting,
    /// It accepts connections, as far as is known.
    Open,
    /// It has refused connections since then.
    Refusing(Instant),
    /// Its process has ended.
    Gone,
}

/// What is known of the worker's reachability.
pub(super) struct Reach {
    options: Options,
    state: watch::Sender<State>,
    /// Until then a closed port is a restart that was asked for.
    restart: Mutex<Option<Instant>>,
}

impl Reach {
    /// Begins to knock; within a runtime.
    pub(super) fn start(options: Options) -> Arc<Self> {
        let reach =
            Arc::new(Self { options, state: watch::Sender::new(State::Booting), restart: Mutex::new(None) });
        tokio::spawn(reach.clone().knock(None));
        reach
    }

    pub(super) fn is_booting(&self) -> bool {
        *self.state.borrow() == State::Booting
    }

    pub(super) fn expect_restart(&self) {
        let until = Instant::now() + self.options.boot_timeout;
        *self.restart.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    pub(super) fn worker_gone(&self) {
        self.state.send_replace(State::Gone);
    }

    /// Ready a moment after the worker has ended.
    pub(super) async fn gone(&self) {
        // The sender lives as long as `self`.
        let _ = self.state.subscribe().wait_for(|state| *state == State::Gone).await;
        sleep(LAST_WORDS).await;
    }

    /// Connects, as patiently as the worker's state asks for.
    pub(super) async fn patiently<F>(
        self: &Arc<Self>,
        connect: impl Fn() -> F,
    ) -> Result<Stream, UpstreamError>
    where
        F: Future<Output = io::Result<Stream>>,
    {
        let began = Instant::now();
        loop {
            let state = *self.state.borrow();
            match state {
                State::Gone => return Err(UpstreamError::Died),
                State::Booting => {
                    self.wait(state, began + self.options.boot_timeout, UpstreamError::BootTimeout).await?
                }
                State::Refusing(since) if since + self.patience() > Instant::now() => {
                    self.wait(state, since + self.patience(), UpstreamError::Refused).await?;
                }
                State::Open | State::Refusing(_) => match connect().await {
                    Ok(stream) => {
                        self.is_open(state);
                        return Ok(stream);
                    }
                    Err(error) if connect::is_refusal(&error) => self.is_refusing(state)?,
                    Err(error) => return Err(UpstreamError::Unreachable(error)),
                },
            }
        }
    }

    /// Waits for another state.
    async fn wait(&self, state: State, deadline: Instant, late: UpstreamError) -> Result<(), UpstreamError> {
        let mut changes = self.state.subscribe();
        match timeout_at(deadline, changes.wait_for(|now| *now != state)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(late),
        }
    }

    /// How long a closed port is taken for a restart.
    fn patience(&self) -> Duration {
        let restart = *self.restart.lock().unwrap_or_else(PoisonError::into_inner);
        match restart {
            _ if !self.options.supervised => Duration::ZERO,
            Some(until) if until > Instant::now() => self.options.boot_timeout.max(MOMENT),
            _ => MOMENT,
        }
    }

    /// A connection was accepted.
    fn is_open(&self, before: State) {
        if before != State::Open {
            self.change(before, State::Open);
        }
    }

    /// A connection was refused. An error where there is no point in waiting.
    fn is_refusing(self: &Arc<Self>, before: State) -> Result<(), UpstreamError> {
        let patience = self.patience();
        if before == State::Open {
            let since = Instant::now();
            if self.change(before, State::Refusing(since)) && !patience.is_zero() {
                tokio::spawn(self.clone().knock(Some(since + patience)));
            }
            if !patience.is_zero() {
                return Ok(());
            }
        }
        Err(UpstreamError::Refused)
    }

    /// Changes the state if it is still `before`; says whether it was.
    fn change(&self, before: State, after: State) -> bool {
        self.state.send_if_modified(|state| {
            let same = *state == before;
            if same {
                *state = after;
            }
            same
        })
    }

    /// Tries to connect until it works, the worker is gone, or it is too late.
    async fn knock(self: Arc<Self>, until: Option<Instant>) {
        let began = Instant::now();
        let state = *self.state.borrow();
        while *self.state.borrow() == state && until.is_none_or(|until| Instant::now() < until) {
            if connect::connect(&self.options.target).await.is_ok() {
                if self.change(state, State::Open) {
                    let after_ms = began.elapsed().as_millis() as u64;
                    tracing::info!(upstream = %self.options.target, after_ms, "worker accepts connections");
                }
                return;
            }
            sleep(KNOCK_EVERY).await;
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Loopback(port) => write!(f, "127.0.0.1:{port}"),
            Target::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Target::Tcp { host, port } => write!(f, "{host}:{port}"),
            Target::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
