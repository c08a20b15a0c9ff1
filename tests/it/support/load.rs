//! Clients that ask and ask again while something happens to the server.

use super::Client;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// A running load; ended by [`Load::finish`], or by a server that no longer accepts connections.
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

/// How the clients use their connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One after the other on the same connection, until the server says that it closes it.
    KeepAlive,
    /// A new connection for every request.
    OneRequestEach,
}

/// What became of the requests.
#[derive(Debug)]
pub struct Report {
    /// Answered with 200, whole.
    pub answered: usize,
    /// All others, each with what happened. A refused connection is none: nobody accepted it.
    pub failures: Vec<String>,
}

impl Load {
    /// So many clients ask for the path.
    pub fn start(port: u16, path: &str, clients: usize, mode: Mode) -> Load {
        Load::of(port, &format!("GET {path}"), "", clients, mode)
    }

    /// So many clients send a request with a body.
    pub fn uploading(port: u16, path: &str, body: &str, clients: usize, mode: Mode) -> Load {
        Load::of(port, &format!("POST {path}"), body, clients, mode)
    }

    fn of(port: u16, line: &str, body: &str, clients: usize, mode: Mode) -> Load {
        let request = request(line, body, mode);
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = || {
            let (stop, answered, request) = (Arc::clone(&stop), Arc::clone(&answered), request.clone());
            thread::spawn(move || {
                let mut failures = Vec::new();
                while !stop.load(Ordering::SeqCst) && failures.len() < 10 {
                    match use_connection(port, &request, &stop, &answered) {
                        Ok(Connected::Refused) => break,
                        Ok(Connected::Used) => {}
                        Err(failure) => failures.push(failure),
                    }
                }
                failures
            })
        };
        Load { threads: (0..clients).map(|_| client()).collect(), stop, answered }
    }

    /// How many were answered so far.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// Waits until so many more are answered.
    #[track_caller]
    pub fn await_more(&self, count: usize) {
        let goal = self.answered() + count;
        super::wait_until("the load goes on", || self.answered() >= goal);
    }

    /// Lets every client end the request it is at, and reports.
    pub fn finish(self) -> Report {
        self.stop.store(true, Ordering::SeqCst);
        let failures = self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        Report { answered: self.answered.load(Ordering::SeqCst), failures }
    }
}

enum Connected {
    Used,
    Refused,
}

/// Asks on one connection until it is to be closed, or the load ends.
fn use_connection(
    port: u16,
    request: &str,
    stop: &AtomicBool,
    answered: &AtomicUsize,
) -> Result<Connected, String> {
    let mut client = match Client::try_connect(port) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(Connected::Refused),
        other => other.map_err(|error| format!("connecting: {error}"))?,
    };
    for number in 1.. {
        let result = client.try_send(request).and_then(|()| client.try_response());
        let response = result.map_err(|error| format!("request {number} of a connection: {error}"))?;
        if response.status != 200 {
            return Err(format!("request {number} of a connection: {} {}", response.status, response.text()));
        }
        answered.fetch_add(1, Ordering::SeqCst);
        let is_last = request.contains(CLOSE) || response.has_token("connection", "close");
        if is_last || stop.load(Ordering::SeqCst) {
            break;
        }
        // Leaves the connection idle for a moment, as any client does.
        thread::sleep(Duration::from_millis(fastrand::u64(0..10)));
    }
    Ok(Connected::Used)
}

/// The field of a client that uses a connection once.
const CLOSE: &str = "Connection: close\r\n";

fn request(line: &str, body: &str, mode: Mode) -> String {
    let connection = if mode == Mode::KeepAlive { "Connection: keep-alive\r\n" } else { CLOSE };
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{line} HTTP/1.1\r\nHost: app.test\r\n{connection}{length}\r\n{body}")
}
