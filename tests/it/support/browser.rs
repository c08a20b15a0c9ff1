//! A real browser: headless Chromium, told what to do by the DevTools protocol.

use super::{DEADLINE, holds_within};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

/// How long it may take for anything: it needs seconds to start, and more on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// It asks for nothing but what it is told to.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
    "--ignore-certificate-errors",
    "--remote-debugging-pipe",
];

/// A browser that shows one page; it ends when dropped.
pub struct Browser {
    process: Child,
    commands: Option<ChildStdin>,
    messages: Receiver<Value>,
    sent: u64,
    session: Value,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// With a profile of its own.
    pub fn start() -> Browser {
        let profile = tempfile::tempdir().unwrap();
        // It reads commands from descriptor 3, and writes to 4.
        let mut process = Command::new("sh")
            .args(["-c", r#"exec chromium "$@" 3<&0 4>&1 >/dev/null"#, "chromium"])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .env("TMPDIR", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let messages = read(process.stdout.take().unwrap());
        let commands = process.stdin.take();
        Browser { process, commands, messages, sent: 0, session: Value::Null, _profile: profile }
    }

    /// Shows this page to somebody who has never been here: without cookies, and with nothing in the cache. The page before
    /// stays open.
    #[track_caller]
    pub fn visit(&mut self, url: &str) {
        self.session = Value::Null;
        let visitor = self.call("Target.createBrowserContext", json!({})).unwrap()["browserContextId"].take();
        let page = json!({ "url": url, "browserContextId": visitor });
        let page = self.call("Target.createTarget", page).unwrap()["targetId"].take();
        let session = json!({ "targetId": page, "flatten": true });
        self.session = self.call("Target.attachToTarget", session).unwrap()["sessionId"].take();
    }

    /// What a script on the page comes to; null where it fails, as it does while the page is not there yet.
    #[track_caller]
    pub fn run(&mut self, script: &str) -> Value {
        let script = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        self.call("Runtime.evaluate", script)
            .map_or(Value::Null, |mut result| result["result"]["value"].take())
    }

    /// Waits until this is true on the page.
    #[track_caller]
    pub fn await_true(&mut self, condition: &str) {
        if !holds_within(PATIENCE, || self.run(condition) == true) {
            panic!("never true: {condition}; the page: {}", self.run("document.body.innerText"));
        }
    }

    #[track_caller]
    fn call(&mut self, method: &str, parameters: Value) -> Result<Value, Value> {
        let id = self.send(method, parameters);
        loop {
            let mut answer = self.messages.recv_timeout(PATIENCE).expect("Chromium answers");
            if answer["id"] == id {
                let error = answer["error"].take();
                return if error.is_null() { Ok(answer["result"].take()) } else { Err(error) };
            }
        }
    }

    fn send(&mut self, method: &str, parameters: Value) -> u64 {
        self.sent += 1;
        let mut command = json!({ "id": self.sent, "method": method, "params": parameters });
        if !self.session.is_null() {
            command["sessionId"] = self.session.clone();
        }
        let commands = self.commands.as_mut().unwrap();
        // Whether it has gone is seen where its answer is awaited.
        let _ = commands.write_all(format!("{command}\0").as_bytes());
        self.sent
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.session = Value::Null;
        self.send("Browser.close", json!({}));
        self.commands = None;
        let ended = holds_within(DEADLINE, || self.process.try_wait().is_ok_and(|end| end.is_some()));
        if !ended {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// Reads messages, each of which ends with a NUL.
fn read(pipe: impl Read + Send + 'static) -> Receiver<Value> {
    let (sender, messages) = mpsc::channel();
    thread::spawn(move || {
        for message in BufReader::new(pipe).split(0).map_while(Result::ok) {
            let message = serde_json::from_slice(&message).unwrap_or_default();
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    messages
}
