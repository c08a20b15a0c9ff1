//! Content codings, decoded by the tools that Debian has for them.

use super::{Response, Stage, Thrust, wait_until};
use std::{
    fs,
    io::{ErrorKind, Write},
    process::{Command, Stdio},
    thread,
};

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

/// What a tool made of its input.
pub struct Decoded {
    /// All that it gave.
    pub content: Vec<u8>,
    /// Whether it found the input whole and sound.
    pub complete: bool,
}

impl Coding {
    /// All that thrust knows, in the order of its default.
    pub const ALL: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

    /// As `Content-Encoding` has it.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }

    /// The field of a request that accepts this alone.
    pub fn accepted(self) -> String {
        format!("Accept-Encoding: {}", self.name())
    }

    /// What this input is decoded to.
    #[track_caller]
    pub fn decode(self, encoded: &[u8]) -> Decoded {
        let (tool, options) = match self {
            Coding::Zstd => ("zstd", "-dcq"),
            Coding::Brotli => ("brotli", "-dc"),
            Coding::Gzip => ("gzip", "-dcq"),
        };
        let mut command = Command::new(tool);
        command.arg(options).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| match error.kind() {
            ErrorKind::NotFound => panic!("the tests need `{tool}` (bin/test installs it)"),
            _ => panic!("{tool}: {error}"),
        });
        let mut input = child.stdin.take().unwrap();
        thread::scope(|scope| {
            // One that has seen enough does not read the rest.
            scope.spawn(move || drop(input.write_all(encoded)));
            let output = child.wait_with_output().unwrap();
            Decoded { content: output.stdout, complete: output.status.success() }
        })
    }

    /// What can be known of a body of which so much has come.
    #[track_caller]
    pub fn decode_so_far(self, encoded: &[u8]) -> Vec<u8> {
        // The tools for zstd and brotli keep back what they have of an incomplete input. What was flushed ends with a byte,
        // so that an empty last block can follow (RFC 8878 §3.1.1.2, RFC 7932 §9.2).
        let end: &[u8] = match self {
            Coding::Zstd => &[1, 0, 0],
            Coding::Brotli => &[3],
            Coding::Gzip => &[],
        };
        self.decode(&[encoded, end].concat()).content
    }
}

/// What an encoded response says.
impl Response {
    /// `Content-Encoding`, or nothing.
    pub fn coding(&self) -> &str {
        self.header("content-encoding").unwrap_or_default()
    }

    /// The body, decoded as `Content-Encoding` says; fails where it is not whole.
    #[track_caller]
    pub fn decoded(&self) -> Vec<u8> {
        let coding = self.coding();
        if coding.is_empty() {
            return self.body.clone();
        }
        let coding = Coding::ALL.into_iter().find(|known| known.name() == coding);
        let decoded = coding.expect("a coding that is known").decode(&self.body);
        assert!(decoded.complete, "{coding:?}: {} bytes are not whole", self.body.len());
        decoded.content
    }

    /// `Content-Length`, if there is one.
    pub fn length(&self) -> Option<usize> {
        self.header("content-length").map(|length| length.parse().unwrap())
    }

    /// Whether `Vary` names `Accept-Encoding`, once.
    pub fn varies_by_encoding(&self) -> bool {
        let members = self.all("vary").join(",").to_lowercase();
        members.split(',').filter(|member| member.trim() == "accept-encoding").count() == 1
    }
}

/// The threads that encode what is stored.
#[derive(Default)]
pub struct Encoders {
    /// How many there are at the moment.
    pub count: usize,
    /// They have nothing to do.
    pub are_idle: bool,
    /// Processor time that they have used.
    pub milliseconds: u64,
}

impl Thrust {
    /// Waits until nothing is left to encode.
    #[track_caller]
    pub fn await_encoders(&self) {
        let mut times = 0;
        // Seen twice: one may hand something on to another that was looked at just before.
        wait_until("nothing is left to encode", || {
            times = if self.encoders().are_idle { times + 1 } else { 0 };
            times == 2
        });
    }

    /// What its encoders do.
    pub fn encoders(&self) -> Encoders {
        let mut all = Encoders { are_idle: true, ..Encoders::default() };
        for task in fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap().flatten() {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            let Some((_, stat)) = stat.split_once(" (encode") else { continue };
            let fields: Vec<_> = stat.split(' ').collect();
            // Behind the name the state is the third field; user and system time, in ticks of 10 ms, are the 14th and 15th.
            let ticks = |field: usize| fields[field - 2].parse::<u64>().unwrap();
            all.count += 1;
            all.are_idle &= fields[1] == "S";
            all.milliseconds += 10 * (ticks(14) + ticks(15));
        }
        all
    }
}

impl Stage {
    /// Asks for something stored until it lies ready in this coding: then its length is known.
    #[track_caller]
    pub fn await_form(&mut self, target: &str, coding: Coding) -> Response {
        let (line, accepted) = (format!("GET {target}"), coding.accepted());
        let mut ready = None;
        wait_until(&format!("{target} lies ready in {coding:?}"), || {
            let response = self.ask(&line, &[&accepted]);
            assert_eq!(response.coding(), coding.name(), "{target}");
            ready = Some(response).filter(|response| response.length().is_some());
            ready.is_some()
        });
        ready.unwrap()
    }

    /// The same for the form in which it stays.
    #[track_caller]
    pub fn await_best_form(&mut self, target: &str, coding: Coding) -> Response {
        self.await_form(target, coding);
        self.thrust.await_encoders();
        self.ask(&format!("GET {target}"), &[&coding.accepted()])
    }
}

/// Lines of text, so many bytes, which become some three times smaller.
pub fn prose(length: usize) -> String {
    let mut text = String::with_capacity(length + 80);
    let mut random = fastrand::Rng::with_seed(length as u64);
    while text.len() < length {
        let number = random.u32(..);
        text.push_str(&format!("<li>The worker answers {number:08x} of the accelerator</li>\n"));
    }
    text.truncate(length);
    text
}

/// Bytes that become no smaller.
pub fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(length as u64);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

#[test]
fn the_tools_decode() {
    for (coding, encoded) in [
        (Coding::Gzip, &b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\xc8\x04\0\xac\x2a\x93\xd8\x02\0\0\0"[..]),
        (Coding::Brotli, b"\x8f\x00\x80hi\x03"),
        (Coding::Zstd, b"\x28\xb5\x2f\xfd\0\x58\x11\0\0hi"),
    ] {
        let whole = coding.decode(encoded);
        assert!(whole.complete && whole.content == b"hi", "{coding:?}");
        assert!(!coding.decode(&encoded[..encoded.len() - 1]).complete, "{coding:?}");
    }
}
