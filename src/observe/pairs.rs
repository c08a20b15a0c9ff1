//! Lines of names and values, as JSON or logfmt: one list of fields gives both.

use super::{Format, escape, time::Stamp};
use std::{io::Write, time::SystemTime};

/// Appends one line to a buffer, pair by pair. Names are ours and need no escaping.
pub struct Pairs<'a> {
    out: &'a mut Vec<u8>,
    json: bool,
    separate: bool,
}

impl<'a> Pairs<'a> {
    /// Begins a line: one JSON object, or logfmt for every other format.
    pub fn begin(out: &'a mut Vec<u8>, format: Format) -> Self {
        let json = format == Format::Json;
        if json {
            out.push(b'{');
        }
        Self { out, json, separate: false }
    }

    /// Begins a line that says something: time, level and message. For a terminal that is free text, with the pairs
    /// behind it as logfmt.
    pub fn message(
        out: &'a mut Vec<u8>,
        format: Format,
        at: SystemTime,
        level: &str,
        message: &[u8],
    ) -> Self {
        let mut stamp = Stamp::default();
        if format == Format::Text {
            stamp.clock(out, at);
            // Writing to a vector cannot fail.
            let _ = write!(out, " {level:5} ");
            escape::text(out, message);
            return Self { out, json: false, separate: true };
        }
        let mut pairs = Self::begin(out, format);
        pairs.head(&mut stamp, at, level, message);
        pairs
    }

    /// The pairs that every line begins with.
    pub fn head(&mut self, stamp: &mut Stamp, at: SystemTime, level: &str, message: &[u8]) {
        let quote: &[u8] = if self.json { b"\"" } else { b"" };
        self.name("time");
        self.out.extend_from_slice(quote);
        stamp.rfc3339(self.out, at);
        self.out.extend_from_slice(quote);
        self.word("level", level.as_bytes());
        self.text("msg", message);
    }

    /// A text, escaped.
    #[inline(always)]
    pub fn text(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        if self.json { escape::json(self.out, value) } else { escape::logfmt(self.out, value) }
    }

    /// A word of ours, without a space or anything else that would have to be escaped.
    #[inline(always)]
    pub fn word(&mut self, name: &str, word: &[u8]) {
        self.name(name);
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
    pub fn number(&mut self, name: &str, value: impl itoa::Integer) {
        self.raw(name, itoa::Buffer::new().format(value).as_bytes());
    }

    /// A number; JSON has no word for infinities, so they are texts.
    pub fn float(&mut self, name: &str, value: f64) {
        let text = value.to_string();
        if value.is_finite() { self.raw(name, text.as_bytes()) } else { self.text(name, text.as_bytes()) }
    }

    /// `true` or `false`.
    pub fn bool(&mut self, name: &str, value: bool) {
        self.raw(name, if value { b"true" } else { b"false" });
    }

    /// Ends the line.
    pub fn end(self) {
        self.out.extend_from_slice(if self.json { b"}\n" } else { b"\n" });
    }

    #[inline(always)]
    fn raw(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.out.extend_from_slice(value);
    }

    // Inlined with the functions that call it: names are known where they are written, and are copied as constants then.
    #[inline(always)]
    fn name(&mut self, name: &str) {
        if self.separate {
            self.out.push(if self.json { b',' } else { b' ' });
        }
        self.separate = true;
        if self.json {
            self.out.push(b'"');
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"\":");
        } else {
            self.out.extend_from_slice(name.as_bytes());
            self.out.push(b'=');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value() {
        let line = |format| {
            let mut out = Vec::new();
            let mut pairs = Pairs::begin(&mut out, format);
            pairs.text("text", b"a b");
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
            "{\"text\":\"a b\",\"number\":-1,\"half\":0.5,\"none\":\"NaN\",\"yes\":true,\"word\":\"one\",\"no_word\":\"\"}\n"
        );
        assert_eq!(
            line(Format::Logfmt),
            "text=\"a b\" number=-1 half=0.5 none=NaN yes=true word=one no_word=\"\"\n"
        );
    }
}
