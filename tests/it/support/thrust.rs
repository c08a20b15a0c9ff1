//! The real binary: started with an environment of its own, watched through its output, ended by its pid.

use super::{DEADLINE, TestWorker, free_port, holds_within, wait_until};
use serde_json::Value;
use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
};

/// A running thrust; killed when dropped.
pub struct Thrust {
    child: Child,
    port: u16,
    worker_port: u16,
    stdout: Lines,
    stderr: Lines,
    /// A pipe that is open and never read.
    unread: Option<ChildStdout>,
}

/// What is to be started, and how.
pub struct Builder {
    wrapper: Vec<OsString>,
    options: Vec<OsString>,
    command: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    worker_port: u16,
    dir: Option<PathBuf>,
    stdin: Vec<u8>,
    open_files: Option<(u64, u64)>,
    unread_stdout: bool,
}

/// What is left of a thrust that has ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Thrust {
    /// Any free port, a free worker port, and nothing of the test's own environment but `PATH` and `HOME`.
    pub fn builder() -> Builder {
        let worker_port = free_port();
        Builder {
            wrapper: Vec::new(),
            options: Vec::new(),
            command: Vec::new(),
            env: Vec::new(),
            worker_port,
            dir: None,
            stdin: Vec::new(),
            open_files: None,
            unread_stdout: false,
        }
        .env("PORT", "0")
        .env("THRUST_WORKER_PORT", worker_port.to_string())
    }

    /// In front of a backend that the test runs itself.
    pub fn in_front_of(backend: &super::Backend) -> Thrust {
        Thrust::builder().upstream(backend.url()).start()
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port its worker is told to listen on.
    pub fn worker_port(&self) -> u16 {
        self.worker_port
    }

    /// Its process id, or that of what wraps it.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        kill(self.pid(), signal);
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        let ended = holds_within(DEADLINE, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(ended, "thrust has not ended; its log:\n{}", self.stderr());
        status.unwrap()
    }

    /// Waits for its end, and for everything that it and its worker wrote.
    #[track_caller]
    pub fn finish(mut self) -> Ended {
        let status = self.wait();
        wait_until("the output has ended", || self.stdout.is_complete() && self.stderr.is_complete());
        Ended { status, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    /// The lines on stdout so far: the access log, and what the worker prints.
    pub fn stdout_lines(&self) -> Vec<String> {
        self.stdout.lines()
    }

    /// What stderr has so far: the operator's log, and what the worker prints.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until the test's own worker has got a request for this path.
    #[track_caller]
    pub fn await_at_worker(&self, path: &str) {
        let line = format!("got {path}");
        wait_until(&line, || self.stdout_lines().contains(&line));
    }

    /// Waits for a text on stderr.
    #[track_caller]
    pub fn await_stderr(&self, text: &str) {
        let found = holds_within(DEADLINE, || self.stderr().contains(text));
        assert!(found, "no {text:?} on stderr:\n{}", self.stderr());
    }

    /// The records of the access log so far, where its format is JSON.
    pub fn access_log(&self) -> Vec<Value> {
        let lines = self.stdout_lines();
        let records =
            lines.iter().filter_map(|line| serde_json::from_str::<Value>(&line[line.find('{')?..]).ok());
        records.filter(|record| record["msg"] == "Request").collect()
    }

    /// Waits for a record that suits.
    #[track_caller]
    pub fn await_log(&self, suits: impl Fn(&Value) -> bool) -> Value {
        let mut found = None;
        let there = holds_within(DEADLINE, || {
            found = self.access_log().into_iter().find(&suits);
            found.is_some()
        });
        assert!(there, "no such record in the access log:\n{}", self.stdout.text());
        found.unwrap()
    }

    /// A line of `/proc/PID/status`, such as `VmRSS`.
    pub fn proc_status(&self, field: &str) -> Option<String> {
        proc_status(self.pid(), field)
    }

    /// How many files it has open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }
}

impl Drop for Thrust {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!(
                "--- stderr of thrust:\n{}--- stdout of thrust:\n{}",
                self.stderr.text(),
                self.stdout.text()
            );
        }
    }
}

impl Builder {
    /// Sets a variable.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Builder {
        let name = name.into();
        self.env.retain(|(known, _)| *known != name);
        self.env.push((name, value.into()));
        self
    }

    /// Leaves out a variable that is set by default.
    pub fn env_remove(mut self, name: &str) -> Builder {
        self.env.retain(|(known, _)| known != name);
        self
    }

    /// An option of thrust itself.
    pub fn option(mut self, option: &str) -> Builder {
        self.options.push(option.into());
        self
    }

    /// The worker's command.
    pub fn command<I: IntoIterator<Item: Into<OsString>>>(mut self, command: I) -> Builder {
        self.command = command.into_iter().map(Into::into).collect();
        self
    }

    /// The test's own worker.
    pub fn worker(self, worker: &TestWorker) -> Builder {
        let (name, script) = worker.env();
        self.command(TestWorker::command()).env(name, script)
    }

    /// A backend instead of a worker.
    pub fn upstream(self, url: impl Into<OsString>) -> Builder {
        self.env_remove("THRUST_WORKER_PORT").env("THRUST_UPSTREAM_URL", url)
    }

    /// TLS on this port, with the pair in this folder.
    pub fn tls(self, folder: &super::Folder, port: u16) -> Builder {
        self.env("SSL_CERT_PATH", folder.at("cert.pem"))
            .env("SSL_KEY_PATH", folder.at("key.pem"))
            .env("THRUST_HTTPS_PORT", port.to_string())
    }

    /// A program that starts thrust, given before it.
    pub fn wrapper<I: IntoIterator<Item: Into<OsString>>>(mut self, command: I) -> Builder {
        self.wrapper = command.into_iter().map(Into::into).collect();
        self
    }

    /// The working directory.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Builder {
        self.dir = Some(dir.into());
        self
    }

    /// What can be read from stdin.
    pub fn stdin(mut self, input: impl AsRef<[u8]>) -> Builder {
        self.stdin = input.as_ref().to_vec();
        self
    }

    /// The soft and the hard limit of open files.
    pub fn open_files(mut self, soft: u64, hard: u64) -> Builder {
        self.open_files = Some((soft, hard));
        self
    }

    /// Leaves its stdout unread, so that the pipe fills.
    pub fn unread_stdout(mut self) -> Builder {
        self.unread_stdout = true;
        self
    }

    /// Starts it and waits until it listens.
    #[track_caller]
    pub fn start(self) -> Thrust {
        let has_tls = self.env.iter().any(|(name, _)| name == "THRUST_HTTPS_PORT");
        let count = 1 + usize::from(has_tls);
        let mut thrust = self.spawn();
        let mut ports = Vec::new();
        holds_within(DEADLINE, || {
            ports = thrust.stderr.lines().iter().filter_map(|line| listening_port(line)).collect();
            ports.len() == count || !thrust.is_running()
        });
        assert_eq!(ports.len(), count, "thrust does not listen");
        // The plain port comes first.
        thrust.port = ports[0];
        thrust
    }

    /// Starts it, and reads what it says until it ends by itself.
    #[track_caller]
    pub fn run(self) -> Ended {
        self.spawn().finish()
    }

    /// Starts it; its port is not known yet.
    pub fn spawn(self) -> Thrust {
        let words: Vec<_> =
            [self.wrapper, vec![env!("CARGO_BIN_EXE_thrust").into()], self.options, self.command].concat();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().envs(self.env);
        command.envs(["PATH", "HOME"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(dir) = self.dir {
            command.current_dir(dir);
        }
        if let Some((soft, hard)) = self.open_files {
            limit_open_files(&mut command, soft, hard);
        }
        let mut child = command.spawn().unwrap();
        // Whoever does not read its stdin breaks the pipe; that is no fault.
        let _ = child.stdin.take().unwrap().write_all(&self.stdin);
        let mut stdout = child.stdout.take();
        let unread = if self.unread_stdout { stdout.take() } else { None };
        let stderr = child.stderr.take().unwrap();
        Thrust {
            child,
            port: 0,
            worker_port: self.worker_port,
            stdout: stdout.map_or_else(|| Lines::of(std::io::empty()), Lines::of),
            stderr: Lines::of(stderr),
            unread,
        }
    }
}

/// Sends a process a signal; it may have gone.
pub fn kill(pid: i32, signal: i32) {
    // SAFETY: kill touches no memory.
    unsafe { libc::kill(pid, signal) };
}

/// The processes whose parent this is, zombies among them.
pub fn children(pid: i32) -> Vec<i32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|child| proc_status(*child, "PPid") == Some(pid.to_string())).collect()
}

/// Whether there is such a process, and it is no zombie.
pub fn is_alive(pid: i32) -> bool {
    proc_status(pid, "State").is_some_and(|state| !state.starts_with(['Z', 'X']))
}

/// A line of `/proc/PID/status`; `None` where there is no such process.
pub fn proc_status(pid: i32, field: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

fn limit_open_files(command: &mut Command, soft: u64, hard: u64) {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    let set = move || {
        // SAFETY: setrlimit reads one struct that lives as long as the call.
        match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: between fork and exec nothing is called but setrlimit, which is async-signal-safe.
    unsafe { command.pre_exec(set) };
}

/// The port that a start-up line names: in it stands `listening`, and later `address` and `host:port`.
fn listening_port(line: &str) -> Option<u16> {
    let address = &line[line.find("listening")?..];
    let address = &address[address.find("address")?..];
    address.match_indices(':').find_map(|(colon, _)| {
        let rest = &address[colon + 1..];
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        // Within brackets it is a part of an IPv6 address.
        if rest[end..].starts_with([']', ':']) { None } else { rest[..end].parse().ok() }
    })
}

/// What comes through a pipe, line by line.
struct Lines {
    shared: Arc<Mutex<Output>>,
}

#[derive(Default)]
struct Output {
    lines: Vec<String>,
    complete: bool,
}

impl Lines {
    fn of(pipe: impl std::io::Read + Send + 'static) -> Lines {
        let shared = Arc::new(Mutex::new(Output::default()));
        let writing = Arc::clone(&shared);
        thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                writing.lock().unwrap().lines.push(text);
                line.clear();
            }
            writing.lock().unwrap().complete = true;
        });
        Lines { shared }
    }

    fn lines(&self) -> Vec<String> {
        self.shared.lock().unwrap().lines.clone()
    }

    fn text(&self) -> String {
        self.lines().iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    fn is_complete(&self) -> bool {
        self.shared.lock().unwrap().complete
    }
}

#[test]
fn the_start_up_line_names_the_port() {
    assert_eq!(listening_port("INFO listening address=[::]:41234"), Some(41234));
    assert_eq!(listening_port(r#"{"msg":"listening","address":"[::1]:41234"}"#), Some(41234));
    assert_eq!(listening_port("INFO listening address=127.0.0.1:4000 worker=3001"), Some(4000));
    assert_eq!(listening_port("INFO worker ready address=127.0.0.1:4000"), None);
}
