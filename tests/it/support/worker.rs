//! A worker to supervise that needs nothing but this test binary: it is executed again as the worker's command.
//!
//! It listens where thrust tells it to, and does what requests ask for: `/up`, `/exit/3`, `/kill/9`, `/slow/200`, `/when/FILE` …

use super::Connection;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, OpenOptions},
    io::Read,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::{IntoRawFd, OwnedFd},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Command, Stdio, exit},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// What the worker does by itself; what it does when asked is in [`answer`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TestWorker {
    listen_after_ms: u64,
    on_term: OnTerm,
    record: Option<PathBuf>,
}

/// What it does about TERM and INT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnTerm {
    /// What the kernel does: it is ended by the signal.
    #[default]
    Die,
    /// It exits with this code at once.
    Exit(i32),
    /// Nothing.
    Ignore,
}

/// The variable that makes this binary a worker.
const SCRIPT: &str = "TEST_WORKER";

/// A worker that a failed test leaves behind ends itself after so many seconds.
const LIFETIME: u32 = 180;

/// Every signal that thrust passes on, with the name under which it is recorded.
pub const SIGNALS: [(&str, i32); 11] = [
    ("HUP", libc::SIGHUP),
    ("QUIT", libc::SIGQUIT),
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("WINCH", libc::SIGWINCH),
    ("CONT", libc::SIGCONT),
    ("URG", libc::SIGURG),
    ("TERM", libc::SIGTERM),
    ("INT", libc::SIGINT),
];

impl TestWorker {
    /// Listens at once, and dies of TERM.
    pub fn new() -> TestWorker {
        TestWorker::default()
    }

    /// Starts to listen so much later.
    pub fn listen_after(mut self, delay: Duration) -> TestWorker {
        self.listen_after_ms = delay.as_millis().try_into().unwrap();
        self
    }

    /// Handles TERM and INT so.
    pub fn on_term(mut self, on_term: OnTerm) -> TestWorker {
        self.on_term = on_term;
        self
    }

    /// Writes the name of every signal that it gets into this file, a line each.
    pub fn record_signals(mut self, file: impl Into<PathBuf>) -> TestWorker {
        self.record = Some(file.into());
        self
    }

    /// The worker's command.
    pub fn command() -> Vec<std::ffi::OsString> {
        let binary = std::env::current_exe().unwrap().into_os_string();
        let arguments =
            ["support::worker::worker_main", "--exact", "--ignored", "--nocapture", "--test-threads=1"];
        [binary].into_iter().chain(arguments.map(Into::into)).collect()
    }

    /// The variable that tells it what to do.
    pub fn env(&self) -> (&'static str, String) {
        (SCRIPT, serde_json::to_string(self).unwrap())
    }
}

/// Holds the answers to some requests back until the test says otherwise: those to `/when/` or `/begin/` and its path.
pub struct Gate {
    dir: tempfile::TempDir,
}

impl Gate {
    /// Shut.
    pub fn new() -> Gate {
        Gate { dir: tempfile::tempdir().unwrap() }
    }

    /// Lets everybody through.
    pub fn open(&self) {
        fs::write(self.path(), "").unwrap();
    }

    /// The path to ask for, below `/when/` or `/begin/`.
    pub fn path(&self) -> String {
        self.dir.path().join("open").to_str().unwrap().to_owned()
    }
}

/// How often this signal was recorded.
pub fn recorded(file: &Path, signal: &str) -> usize {
    fs::read_to_string(file).unwrap_or_default().lines().filter(|line| *line == signal).count()
}

#[test]
#[ignore = "not a test: the worker's entry point"]
fn worker_main() {
    // The test runner has begun a line; what follows must not stand in it.
    println!();
    let script = std::env::var(SCRIPT).expect("only thrust starts this");
    let script: TestWorker = serde_json::from_str(&script).unwrap();
    // SAFETY: alarm touches no memory.
    unsafe { libc::alarm(LIFETIME) };
    handle_signals(&script);
    thread::sleep(Duration::from_millis(script.listen_after_ms));
    let worker = Arc::new(Worker::default());
    match std::env::var_os("THRUST_WORKER_SOCKET") {
        Some(path) => serve_unix(&worker, Path::new(&path)),
        None => serve_tcp(&worker),
    }
}

/// What the threads of a worker share.
#[derive(Default)]
struct Worker {
    /// Milliseconds for which the port is to be closed; 0 is not at all.
    gap_ms: AtomicU64,
}

fn serve_unix(worker: &Arc<Worker>, path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    loop {
        serve(worker, TcpStream::from(OwnedFd::from(listener.accept().unwrap().0)));
    }
}

fn serve_tcp(worker: &Arc<Worker>) {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port())).unwrap();
        while worker.gap_ms.load(Ordering::SeqCst) == 0 {
            serve(worker, listener.accept().unwrap().0);
        }
        drop(listener);
        thread::sleep(Duration::from_millis(worker.gap_ms.swap(0, Ordering::SeqCst)));
    }
}

fn serve(worker: &Arc<Worker>, stream: TcpStream) {
    let (worker, mut connection) = (Arc::clone(worker), Connection::standalone(stream));
    thread::spawn(move || {
        while let Some(request) = connection.request() {
            let line = request.start_line();
            let path = line.split(' ').nth(1).unwrap_or_default();
            // By this a test knows that the request has come this far.
            println!("got {path}");
            let mut parts = path.trim_start_matches('/').splitn(2, '/');
            let (verb, argument) = (parts.next().unwrap(), parts.next().unwrap_or_default());
            if !answer(&worker, &mut connection, verb, argument) || request.has_token("connection", "close") {
                return;
            }
        }
    });
}

/// Does what the path asks for; whether the connection goes on.
fn answer(worker: &Worker, connection: &mut Connection, verb: &str, argument: &str) -> bool {
    let number = || argument.parse::<u64>().unwrap();
    match verb {
        "" => connection.respond_with("hello\n"),
        "up" => connection.respond_with("up\n"),
        "version" => connection.respond_with(std::env::var("APP_VERSION").unwrap()),
        "pid" => connection.respond_with(std::process::id().to_string()),
        "env" => connection.respond_with(std::env::var(argument).unwrap_or_default()),
        "stdin" => connection.respond_with(read_stdin()),
        "open-files" => connection.respond_with(open_files()),
        "exit" => exit(argument.parse().unwrap()),
        "kill" => kill_self(argument.parse().unwrap()),
        "print" => {
            println!("{argument} on stdout");
            eprintln!("{argument} on stderr");
            connection.respond_with("")
        }
        "slow" => {
            thread::sleep(Duration::from_millis(number()));
            connection.respond_with("slow\n")
        }
        "when" => {
            wait_for(argument);
            connection.respond_with("done\n")
        }
        "begin" => begin(connection, argument),
        "events" => events(connection),
        "echo" => echo(connection),
        "orphan" => connection.respond_with(orphan()),
        "gap" => {
            close_port(worker, number());
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngap\n");
            false
        }
        _ => connection.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    }
}

/// Sends the beginning of a body, and its end when the gate is open.
fn begin(connection: &mut Connection, gate: &str) -> bool {
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nbegun\n\r\n");
    wait_for(gate);
    connection.send("6\r\nended\n\r\n0\r\n\r\n")
}

/// Waits for a file, for ever where there will be none of that name.
fn wait_for(file: &str) {
    while !Path::new(file).exists() {
        thread::sleep(Duration::from_millis(2));
    }
}

/// An event stream that goes on until the client leaves.
fn events(connection: &mut Connection) -> bool {
    connection
        .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    while connection.send("d\r\ndata: event\n\n\r\n") {
        thread::sleep(Duration::from_millis(20));
    }
    false
}

/// Upgrades, and echoes what it gets until the client has sent everything.
fn echo(connection: &mut Connection) -> bool {
    connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let mut buffer = [0; 1024];
    loop {
        match connection.read(&mut buffer) {
            0 => return false,
            length => connection.send(&buffer[..length]),
        };
    }
}

/// Has the listening port closed for a moment, and waits until it is closed.
fn close_port(worker: &Worker, ms: u64) {
    let address = (Ipv4Addr::LOCALHOST, port());
    worker.gap_ms.store(ms, Ordering::SeqCst);
    // The first connection wakes `accept`, which then sees that it is to close.
    while TcpStream::connect(address).is_ok() {
        thread::sleep(Duration::from_millis(1));
    }
}

fn port() -> u16 {
    std::env::var("PORT").unwrap().parse().unwrap()
}

/// Leaves a process behind whose parent has gone; its pid. It stays until it is killed.
fn orphan() -> String {
    let output = Command::new("sh").args(["-c", "sleep 1000 >/dev/null 2>&1 & echo $!"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn read_stdin() -> Vec<u8> {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input).unwrap();
    input
}

/// The soft limit of open files.
fn open_files() -> String {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes one struct that lives as long as the call.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    format!("{} {}", limit.rlim_cur, limit.rlim_max)
}

fn kill_self(signal: i32) -> ! {
    // SAFETY: neither touches memory.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    panic!("signal {signal} does not end a process");
}

fn handle_signals(script: &TestWorker) {
    let file =
        script.record.as_ref().map(|path| OpenOptions::new().create(true).append(true).open(path).unwrap());
    let file = file.map(IntoRawFd::into_raw_fd);
    for (name, signal) in SIGNALS {
        let ends = matches!(signal, libc::SIGTERM | libc::SIGINT);
        if file.is_none() && !(ends && script.on_term != OnTerm::Die) {
            continue;
        }
        let (line, on_term) = (format!("{name}\n"), script.on_term);
        let action = move || {
            if let Some(file) = file {
                // SAFETY: the line outlives the call, and write is async-signal-safe.
                unsafe { libc::write(file, line.as_ptr().cast(), line.len()) };
            }
            match on_term {
                // SAFETY: _exit does not return, and is async-signal-safe.
                OnTerm::Exit(code) if ends => unsafe { libc::_exit(code) },
                // SAFETY: as above.
                OnTerm::Die if ends => unsafe { libc::_exit(128 + signal) },
                _ => {}
            }
        };
        // SAFETY: the action calls nothing that is not async-signal-safe, and allocates nothing.
        unsafe { signal_hook_registry::register(signal, action) }.unwrap();
    }
}

#[test]
fn the_worker_answers_without_thrust_in_between() {
    let port = super::free_port();
    let (name, script) = TestWorker::new().env();
    let mut command = TestWorker::command();
    let worker = Command::new(command.remove(0))
        .args(command)
        .env(name, script)
        .env("PORT", port.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    super::wait_until("the worker listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    assert_eq!(super::get(port, "/").text(), "hello\n");
    let _ = super::Client::connect(port).send_get("/exit/3").try_response();
    let output = worker.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stdout).contains("\ngot /\ngot /exit/3\n"));
}
