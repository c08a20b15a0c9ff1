//! Lines of names and values, as JSON or logfmt: one list of fields gives both.

use super::{Format, escape, time::Stamp};
use std::{io::Write, time::SystemTime};

/// Appends one line to a buffer, pair by pair. Names are ours and need no escaping.
pub struct Pairs<'a> {
    out: &'a mut Vec<u8>,
    json: bool,
}

/// What a pair is called.
pub trait Name {
    /// Writes it in front of its value, behind the pair before.
    fn write(self, out: &mut Vec<u8>, json: bool);
}

/// A name that is known where it is written: copied as a whole, with what is around it.
pub struct Known {
    pub json: &'static str,
    pub logfmt: &'static str,
}

/// The [`Known`] of a literal.
macro_rules! known {
    ($name:literal) => {
        $crate::observe::pairs::Known { json: concat!(",\"", $name, "\":"), logfmt: concat!(" ", $name, "=") }
    };
}
pub(super) use known;

impl Name for Known {
    #[inline(always)]
    fn write(self, out: &mut Vec<u8>, json: bool) {
        if json {
            out.extend_from_slice(self.json.as_bytes());
        } else {
            out.extend_from_slice(self.logfmt.as_bytes());
        }
    }
}

impl Name for &str {
    fn write(self, out: &mut Vec<u8>, json: bool) {
        let (before, behind) = if json { (",\"", "\":") } else { (" ", "=") };
        for part in [before, self, behind] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

impl<'a> Pairs<'a> {
    /// Begins a line: one JSON object, or logfmt for every other format.
    pub fn begin(
        out: &'a mut Vec<u8>,
        format: Format,
        (stamp, at): (&mut Stamp, SystemTime),
        level: &str,
        message: &[u8],
    ) -> Self {
        let json = format == Format::Json;
        out.extend_from_slice(if json { b"{\"time\":\"" } else { b"time=" });
        stamp.rfc3339(out, at);
        if json {
            out.push(b'"');
        }
        let mut pairs = Self { out, json };
        pairs.word(known!("level"), level.as_bytes());
        pairs.text(known!("msg"), message);
        pairs
    }

    /// Begins a line for a person, if the format is for one: the time, the level and the message as free text, with the
    /// pairs behind it as logfmt.
    pub fn message(
        out: &'a mut Vec<u8>,
        format: Format,
        at: SystemTime,
        level: &str,
        message: &[u8],
    ) -> Self {
        let mut stamp = Stamp::default();
        if format != Format::Text {
            return Self::begin(out, format, (&mut stamp, at), level, message);
        }
        stamp.clock(out, at);
        // Writing to a vector cannot fail.
        let _ = write!(out, " {level:5} ");
        escape::text(out, message);
        Self { out, json: false }
    }

    /// A text, escaped.
    #[inline(always)]
    pub fn text(&mut self, name: impl Name, value: &[u8]) {
        name.write(self.out, self.json);
        if value.is_empty() {
            self.out.extend_from_slice(b"\"\"");
        } else if self.json {
            escape::json(self.out, value);
        } else {
            escape::logfmt(self.out, value);
        }
    }

    /// A word of ours, without a space or anything else that would have to be escaped.
    #[inline(always)]
    pub fn word(&mut self, name: impl Name, word: &[u8]) {
        name.write(self.out, self.json);
        if self.json || word.is_empty() {
            self.out.push(b'"');
            self.out.extend_from_slice(word);
            self.out.push(b'"');
        } else {
            self.out.extend_from_slice(word);
        }
    }

    /// A whole number.
    #[inline(always)]
    pub fn number(&mut self, name: impl Name, value: impl itoa::Integer) {
        self.raw(name, itoa::Buffer::new().format(value).as_bytes());
    }

    /// A number; JSON has no word for infinities, so they are texts.
    pub fn float(&mut self, name: impl Name, value: f64) {
        let text = value.to_string();
        if value.is_finite() { self.raw(name, text.as_bytes()) } else { self.text(name, text.as_bytes()) }
    }

    /// `true` or `false`.
    pub fn bool(&mut self, name: impl Name, value: bool) {
        self.raw(name, if value { b"true" } else { b"false" });
    }

    /// Ends the line.
    pub fn end(self) {
        self.out.extend_from_slice(if self.json { b"}\n" } else { b"\n" });
    }

    #[inline(always)]
    fn raw(&mut self, name: impl Name, value: &[u8]) {
        name.write(self.out, self.json);
        self.out.extend_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value() {
        let line = |format| {
            let mut out = Vec::new();
            let time = (&mut Stamp::default(), SystemTime::UNIX_EPOCH);
            let mut pairs = Pairs::begin(&mut out, format, time, "INFO", b"Two words");
            pairs.text(known!("known"), b"a b");
            pairs.text("text", b"");
            pairs.number("number", -1_i64);
            pairs.float("half", 0.5);
            pairs.float("none", f64::NAN);
            pairs.bool("yes", true);
            pairs.word("word", b"one");
            pairs.word("no_word", b"");
            pairs.end();
            String::from_utf8_lossy(&out).into_owned()
        };
        assert_eq!(
            line(Format::Json),
            "{\"time\":\"1970-01-01T00:00:00.000000000Z\",\"level\":\"INFO\",\"msg\":\"Two words\",\"known\":\"a b\",\"text\":\"\",\"number\":-1,\"half\":0.5,\"none\":\"NaN\",\"yes\":true,\"word\":\"one\",\"no_word\":\"\"}\n"
        );
        assert_eq!(
            line(Format::Logfmt),
            "time=1970-01-01T00:00:00.000000000Z level=INFO msg=\"Two words\" known=\"a b\" text=\"\" number=-1 half=0.5 none=NaN yes=true word=one no_word=\"\"\n"
        );
    }
}
