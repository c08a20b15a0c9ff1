//! How a case is written: for us in all forms, for the crate in the plainest.

use super::case::{Argument, Case, Directive, MAX_DELTA, Value, answered};
use fastrand::Rng;
use http::{HeaderName, HeaderValue};
use std::time::{Duration, SystemTime};
use thrust::message::Headers;

/// Statuses that a cache here knows how to reuse, for `must-understand`.
const WE_KNOW: [u16; 14] = [200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 451];

impl Case {
    pub fn asked(&self) -> Headers {
        let mut headers = Headers::new();
        add_if(&mut headers, self.authorization, "authorization", "Basic YQ==");
        add_if(&mut headers, self.cookie, "cookie", "a=b");
        headers
    }

    /// The response's fields in any of their forms.
    pub fn wild_response(&self, random: &mut Rng) -> Headers {
        let mut headers = self.common();
        add_if(&mut headers, self.pragma, "pragma", "no-cache");
        for line in self.control.iter().flat_map(|directives| wild_lines(directives, random)) {
            add(&mut headers, "cache-control", &line);
        }
        match &self.targeted {
            Value::Absent => {}
            Value::Garbage => {
                add(&mut headers, "cdn-cache-control", pick(random, &["", "max-age=1,", "Max-Age=1, &"]))
            }
            Value::Sound(directives) => {
                add(&mut headers, "cdn-cache-control", &structured(directives, random))
            }
        }
        for (name, field) in [("expires", self.expires), ("date", self.date)] {
            match field {
                Value::Absent => {}
                Value::Garbage => {
                    add(&mut headers, name, pick(random, &["0", "-1", "", "now", "Sat, 21 Nov 2026"]))
                }
                Value::Sound(after) => add(&mut headers, name, &wild_date(after, random)),
            }
        }
        match self.age {
            Value::Absent => {}
            Value::Garbage => add(&mut headers, "age", pick(random, &["-1", "x", "", "1.5", "x, 5"])),
            Value::Sound(age) => {
                add(&mut headers, "age", &format!("{age}{}", pick(random, &["", ", 7", ",x"])))
            }
        }
        headers
    }

    /// The same for the crate, which knows only Cache-Control, the simplest form of dates, and one `Age`.
    pub fn plain_response(&self) -> Headers {
        let mut headers = self.common();
        let understood = WE_KNOW.contains(&self.status);
        let mut members: Vec<_> =
            self.counts().iter().filter_map(|member| member.plain(self.is_targeted())).collect();
        if self.says("must-understand") {
            // RFC 9111 §5.2.2.3
            members.retain(|member| member != "no-store");
            members.extend((!understood).then(|| "no-store".to_owned()));
        }
        if self.is_fingerprinted() {
            members.push("public, max-age=31536000".to_owned());
        }
        add_if(
            &mut headers,
            self.control.is_some() || !members.is_empty(),
            "cache-control",
            &members.join(", "),
        );
        match self.expires {
            _ if self.is_targeted() => {}
            Value::Absent => {}
            Value::Garbage => add(&mut headers, "expires", "0"),
            Value::Sound(after) => add(&mut headers, "expires", &fixed_date(after)),
        }
        if let Value::Sound(after) = self.date {
            add(&mut headers, "date", &fixed_date(after));
        }
        // It reckons neither with `Date` nor with the delay (RFC 9111 §4.2.3).
        add(&mut headers, "age", &self.initial_age().to_string());
        headers
    }

    fn common(&self) -> Headers {
        let mut headers = Headers::new();
        add_if(&mut headers, self.etag, "etag", "\"a\"");
        add_if(&mut headers, self.last_modified, "last-modified", "Fri, 20 Nov 2026 09:14:09 GMT");
        add_if(&mut headers, self.set_cookie, "set-cookie", "a=b");
        headers
    }

    pub fn wild_later(&self, random: &mut Rng) -> Headers {
        let mut headers = Headers::new();
        add_if(&mut headers, self.later_pragma, "pragma", pick(random, &["no-cache", "x, No-Cache"]));
        for line in self.later.iter().flat_map(|directives| wild_lines(directives, random)) {
            add(&mut headers, "cache-control", &line);
        }
        headers
    }

    pub fn plain_later(&self) -> Headers {
        let mut headers = Headers::new();
        // RFC 9111 §5.4: where there is Cache-Control, Pragma does not count.
        add_if(&mut headers, self.later_pragma && self.later.is_none(), "pragma", "no-cache");
        let members: Vec<_> = self.later.iter().flatten().filter_map(|member| member.plain(false)).collect();
        add_if(&mut headers, !members.is_empty(), "cache-control", &members.join(", "));
        headers
    }
}

impl Directive {
    /// In the simplest form; what is no number stands for the strictest (RFC 9111 §4.2.1), and is ignored where it would
    /// allow something.
    fn plain(&self, targeted: bool) -> Option<String> {
        match self.argument {
            Argument::Nothing | Argument::Names => Some(self.name.to_owned()),
            Argument::Seconds(seconds) => Some(format!("{}={}", self.name, seconds.min(MAX_DELTA))),
            Argument::Garbage if targeted || self.name == "max-stale" => None,
            Argument::Garbage if self.name == "min-fresh" => Some("min-fresh=99999999999".to_owned()),
            Argument::Garbage => Some(format!("{}=0", self.name)),
        }
    }

    /// In any form that the grammar has.
    fn wild(&self, random: &mut Rng) -> String {
        let cased = |c: char| if random.bool() { c.to_ascii_uppercase() } else { c };
        let name: String = self.name.chars().map(cased).collect();
        match self.argument {
            Argument::Nothing => name,
            Argument::Names => name + pick(random, &["=\"a, b\"", "=a", "=\"\"", "=\"max-age=1\""]),
            Argument::Garbage => name + pick(random, &["=x", "=-1", "=1.5", "=", "=\"\"", "= 5", "='5'"]),
            Argument::Seconds(seconds) => match random.u32(..4) {
                0 => format!("{name}=\"{seconds}\""),
                1 => format!("{name}=000{seconds}"),
                _ => format!("{name}={seconds}"),
            },
        }
    }
}

/// A list over one line or several, with members that mean nothing, and with duplicates, which do not count.
fn wild_lines(directives: &[Directive], random: &mut Rng) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut write = |member: &str, random: &mut Rng| {
        if random.u32(..5) == 0 {
            lines.push(String::new());
        }
        let line = lines.last_mut().unwrap();
        let separator = if line.is_empty() { "" } else { pick(random, &[",", ", ", " ,\t", ", ,"]) };
        *line += &[separator, member].concat();
    };
    for directive in directives {
        if random.u32(..6) == 0 {
            let nothing = [
                "x",
                "x=\"no-store, private, max-age=1\"",
                "x=\"\\\", no-cache\"",
                "no-stores",
                "max-ages=1",
            ];
            write(pick(random, &nothing), random);
        }
        write(&directive.wild(random), random);
        if matches!(directive.argument, Argument::Seconds(_)) && random.u32(..6) == 0 {
            write(&Directive { argument: Argument::Seconds(7), ..*directive }.wild(random), random);
        }
    }
    lines
}

/// A dictionary (RFC 9651 §3.2) over one line, where of duplicates the last counts.
fn structured(directives: &[Directive], random: &mut Rng) -> String {
    let mut members = vec!["x".to_owned()];
    for Directive { name, argument } in directives {
        if random.u32(..6) == 0 {
            members.push(format!("{name}=7"));
        }
        members.push(match argument {
            Argument::Nothing => format!("{name}{}", pick(random, &["", "=?1", ";a=b"])),
            Argument::Seconds(seconds) => format!("{name}={seconds}{}", pick(random, &["", ";a"])),
            Argument::Garbage => format!("{name}={}", pick(random, &["\"5\"", "x", "1.5", "-1", "?1"])),
            Argument::Names => format!("{name}={}", pick(random, &["\"a, b\"", "a"])),
        });
    }
    members.join(pick(random, &[",", ", ", " , "]))
}

fn date(after: i64) -> SystemTime {
    let distance = Duration::from_secs(after.unsigned_abs());
    if after < 0 { answered() - distance } else { answered() + distance }
}

fn fixed_date(after: i64) -> String {
    httpdate::fmt_http_date(date(after))
}

/// In one of the three forms (RFC 9110 §5.6.7), in any case.
fn wild_date(after: i64, random: &mut Rng) -> String {
    let fixed = fixed_date(after);
    let [weekday, day, month, year, time, _] = *fixed.split(' ').collect::<Vec<_>>() else {
        panic!("{fixed}")
    };
    let text = match random.u32(..3) {
        0 => format!("Saturday, {day}-{month}-{} {time} GMT", &year[2..]),
        1 => format!("{} {month} {day} {time} {year}", weekday.trim_end_matches(',')),
        _ => fixed.clone(),
    };
    if random.u32(..4) == 0 { text.to_ascii_lowercase() } else { text }
}

fn pick(random: &mut Rng, texts: &[&'static str]) -> &'static str {
    texts[random.usize(..texts.len())]
}

fn add(headers: &mut Headers, name: &'static str, value: &str) {
    headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
}

fn add_if(headers: &mut Headers, is: bool, name: &'static str, value: &str) {
    if is {
        add(headers, name, value);
    }
}
