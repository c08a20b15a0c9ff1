//! Thrust in front of an application whose answers a test writes down path by path, and one client.

use super::{Backend, Client, Connection, Latch, Message, Response, Thrust, thrust::Builder, wait_until};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

/// All that is on it. Requests that nothing was written down for get a 404.
pub struct Stage {
    pub backend: Backend,
    pub thrust: Thrust,
    client: Client,
    script: Arc<Script>,
}

/// The body of an answer that names a file.
pub const UNSEEN: &str = "the worker's own body";

/// What the application answers.
#[derive(Debug, Clone)]
pub struct Answer {
    bytes: Vec<u8>,
    then: Option<(Latch, Vec<u8>)>,
    closes: bool,
}

/// The answers that are left by target; the last of them is given again and again.
type Script = Mutex<HashMap<String, Vec<Answer>>>;

impl Stage {
    /// With thrust as it comes.
    pub fn new() -> Stage {
        Stage::with(|thrust| thrust)
    }

    /// With variables set.
    pub fn with(configure: impl FnOnce(Builder) -> Builder) -> Stage {
        let script = Arc::<Script>::default();
        let played = Arc::clone(&script);
        let backend = Backend::start(move |connection| {
            while let Some(request) = connection.request() {
                if !play(&played, &request, connection) {
                    return;
                }
            }
        });
        let thrust = configure(Thrust::builder().upstream(backend.url())).start();
        let client = Client::connect(thrust.port());
        Stage { backend, thrust, client, script }
    }

    /// Writes down the answers to requests for a target, whatever their method, in place of earlier ones.
    pub fn script<const N: usize>(&self, target: &str, answers: [Answer; N]) {
        self.script.lock().unwrap().insert(target.to_owned(), answers.into());
    }

    /// Sends a request without a body (`"GET /path"`) with these fields, and reads the response.
    #[track_caller]
    pub fn ask(&mut self, line: &str, fields: &[&str]) -> Response {
        self.client.ask(line, fields)
    }

    /// Sends a GET without further fields, and reads the response.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        self.ask(&format!("GET {target}"), &[])
    }

    /// Another client.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.thrust.port())
    }

    /// What the application was asked for a target, in order.
    pub fn asked(&self, target: &str) -> Vec<Message> {
        let mut requests = self.backend.requests();
        requests.retain(|request| self::target(request) == target);
        requests
    }

    /// Waits until the application was asked so many times for a target.
    #[track_caller]
    pub fn await_asked(&self, target: &str, count: usize) {
        wait_until(&format!("{count} requests for {target}"), || self.asked(target).len() >= count);
    }

    /// Waits until what is stored for a target may no longer be served as it is.
    #[track_caller]
    pub fn await_stale(&mut self, target: &str) {
        let line = format!("GET {target}");
        wait_until("it is stale", || {
            self.client.ask(&line, &["Cache-Control: only-if-cached"]).status == 504
        });
    }
}

impl Answer {
    /// A response with this status line's end (`"404 Not Found"`), fields and body.
    pub fn new(status: &str, fields: &[&str], body: &str) -> Answer {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let length = if status.starts_with("304") { String::new() } else { length(body) };
        Answer::raw(format!("HTTP/1.1 {status}\r\n{fields}{length}\r\n{body}"))
    }

    /// A 200.
    pub fn ok(fields: &[&str], body: &str) -> Answer {
        Answer::new("200 OK", fields, body)
    }

    /// A 304.
    pub fn not_modified(fields: &[&str]) -> Answer {
        Answer::new("304 Not Modified", fields, "")
    }

    /// A 200 that names a file, with these fields and a body that nobody should see.
    pub fn file(path: &str, fields: &[&str]) -> Answer {
        Answer::ok(&[fields, &[&format!("X-Sendfile: {path}")]].concat(), UNSEEN)
    }

    /// Nothing: the connection is closed.
    pub fn none() -> Answer {
        Answer::raw("").and_close()
    }

    /// These bytes.
    pub fn raw(bytes: impl AsRef<[u8]>) -> Answer {
        Answer { bytes: bytes.as_ref().to_vec(), then: None, closes: false }
    }

    /// The same, and then the connection is closed.
    pub fn and_close(self) -> Answer {
        Answer { closes: true, ..self }
    }

    /// The same, but the last byte only when this is opened.
    pub fn behind(mut self, latch: &Latch) -> Answer {
        let last = self.bytes.split_off(self.bytes.len() - 1);
        self.then = Some((latch.clone(), last));
        self
    }
}

/// What the cache says in a response.
impl Response {
    /// `X-Cache`, or nothing.
    pub fn x_cache(&self) -> &str {
        self.header("x-cache").unwrap_or_default()
    }

    /// `Cache-Status`, or nothing.
    pub fn cache_status(&self) -> &str {
        self.header("cache-status").unwrap_or_default()
    }

    /// `Age` in seconds.
    pub fn age(&self) -> Option<u64> {
        self.header("age")?.parse().ok()
    }
}

/// A field with the date so many seconds from now.
pub fn dated(name: &str, seconds: i64) -> String {
    let offset = Duration::from_secs(seconds.unsigned_abs());
    let now = SystemTime::now();
    let time = if seconds < 0 { now - offset } else { now + offset };
    format!("{name}: {}", httpdate::fmt_http_date(time))
}

fn length(body: &str) -> String {
    format!("Content-Length: {}\r\n", body.len())
}

fn target(request: &Message) -> String {
    request.start_line().split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Gives the next answer; whether the connection goes on.
fn play(script: &Script, request: &Message, connection: &mut Connection) -> bool {
    let answer = match script.lock().unwrap().get_mut(&target(request)) {
        Some(answers) if answers.len() > 1 => answers.remove(0),
        Some(answers) => answers[0].clone(),
        None => Answer::new("404 Not Found", &[], "nothing written down"),
    };
    let Answer { mut bytes, then, closes } = answer;
    if request.start_line().starts_with("HEAD ") {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |start| start + 4);
        bytes.truncate(end);
    }
    let sent = connection.send(&bytes);
    if let Some((latch, rest)) = then {
        latch.wait();
        connection.send(rest);
    }
    sent && !closes
}
