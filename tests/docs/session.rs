//! A reader's machine: a folder, a shell, a second terminal for a server, and a network of its own.

use crate::page::root;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    mem,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before the test fails. Never how long it should take.
const DEADLINE: Duration = Duration::from_secs(40);
/// What the shell says when a command has ended, before its exit code.
const ENDED: &str = "=== ended: ";
const NAMESPACES: [&str; 8] =
    ["unshare", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
/// Privileges are given up, so that ports below 1024 are what they are to anybody else. `$1` is the first port for everybody: 1024,
/// or 0 in a container of Docker's.
const SETUP: &str = "ip link set lo up
    echo $1 >/proc/sys/net/ipv4/ip_unprivileged_port_start
    mount --bind ../hosts /etc/hosts
    exec setpriv --inh-caps=-all --bounding-set=-all --no-new-privs bash --norc";

/// Everything in it ends when it is dropped.
pub struct Session {
    folder: tempfile::TempDir,
    shell: Child,
    input: ChildStdin,
    output: Receiver<String>,
    servers: usize,
    server_runs: bool,
}

/// What has become of a command.
pub struct Outcome {
    /// What it printed, errors included.
    pub output: String,
    pub code: i32,
}

impl Session {
    /// Whether namespaces may be made here.
    pub fn is_possible() -> bool {
        let output = Command::new(NAMESPACES[0]).args(&NAMESPACES[1..]).arg("true").output();
        output.is_ok_and(|output| output.status.success())
    }

    /// In a copy of the test's application; with the ports of a container, or of a plain machine.
    pub fn start(in_container: bool) -> Session {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        copy(&root().join("tests/docs/app"), &at("app"));
        fs::create_dir(at("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_thrust"), at("bin/thrust")).unwrap();
        fs::write(at("hosts"), "127.0.0.1 localhost example.com www.example.com app\n").unwrap();
        let path = format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new(NAMESPACES[0])
            .args(&NAMESPACES[1..])
            .args(["bash", "-c", SETUP, "bash", if in_container { "0" } else { "1024" }])
            .env_clear()
            .envs([("PATH", path.as_str()), ("LANG", "C.UTF-8"), ("HOME", folder.path().to_str().unwrap())])
            .current_dir(at("app"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = shell.stdin.take().unwrap();
        let (lines, output) = mpsc::channel();
        let stdout = BufReader::new(shell.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        Session { folder, shell, input, output, servers: 0, server_runs: false }
    }

    /// A path of the reader's.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("app").join(name)
    }

    /// Types a command and waits for its end.
    pub fn run(&mut self, command: &str) -> Outcome {
        // From a file: what reads from its standard input would eat what is typed next.
        fs::write(self.folder.path().join("command"), format!("{command}\n")).unwrap();
        writeln!(self.input, ". ../command </dev/null 2>&1; printf '\\n{ENDED}%s\\n' $?").unwrap();
        let deadline = Instant::now() + DEADLINE;
        let mut output = String::new();
        loop {
            let line = self.output.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("{command} has not ended; so far it said:\n{output}"));
            if let Some(code) = line.strip_prefix(ENDED) {
                return Outcome { output, code: code.parse().unwrap() };
            }
            output += &line;
            output.push('\n');
        }
    }

    /// Types a command in the second terminal, where whatever ran before is stopped first; waits until it listens.
    pub fn serve(&mut self, command: &str) {
        self.stop_server();
        self.servers += 1;
        self.server_runs = true;
        // It writes to a file instead of a terminal, and would log as JSON.
        let log_format = "THRUST_LOG_FORMAT=text";
        let started = self.run(&format!("{log_format} {command} >../log-{} 2>&1 &\nserver=$!", self.servers));
        assert_eq!(started.output.trim(), "");
        self.await_log(command, |log| log.contains("listening"));
    }

    /// What the server has printed so far.
    pub fn log(&self) -> String {
        let log = fs::read(self.folder.path().join(format!("log-{}", self.servers))).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Waits until the server's log is as it should be.
    pub fn await_log(&self, what: &str, suits: impl Fn(&str) -> bool) {
        let start = Instant::now();
        while !suits(&self.log()) {
            assert!(start.elapsed() < DEADLINE, "waited in vain for\n{what}\nin the log:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops the server as Ctrl-C does, and waits for its end.
    pub fn stop_server(&mut self) {
        if mem::take(&mut self.server_runs) {
            self.run("kill -INT $server; wait $server");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // All that runs in its namespaces ends with it.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
        if thread::panicking() && self.servers > 0 {
            eprintln!("--- the server's log:\n{}", self.log());
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
