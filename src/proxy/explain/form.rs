//! The form in which a response leaves: which encoding, and why none.

use super::{Finding, Trace, text};
use crate::message::Response;
use crate::{
    encode,
    message::{
        encodable::{self, Obstacle, SHORTEST},
        encoding,
        representation::has_body,
    },
    proxy::body::Source,
};
use http::header;
use http_body::Body;

/// How a body comes to be as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// In an encoding, while it is sent.
    Live,
    /// In one that lies ready in the cache.
    Ready,
    /// In that of a file beside the public one.
    Beside,
    /// As it is.
    Plain(Plain),
}

/// Why a body is sent as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plain {
    Bodiless,
    Ours,
    Off,
    Obstacle(Obstacle),
    Auth,
    Unwanted,
    Part,
    ShortAfterAll,
    Worthless,
    Crowded,
}

pub(super) fn finding(trace: &Trace, response: &Response<Source>, options: &encode::Options) -> Finding {
    let form = form(trace, response, options);
    let encoding = response.headers().get(header::CONTENT_ENCODING).map(text::value);
    let (why, change) = words(form);
    let asked = trace.headers.get(header::ACCEPT_ENCODING);
    let why = match (form, asked) {
        (Form::Plain(Plain::Unwanted), Some(asked)) => format!("{why} It says `{}`.", text::value(asked)),
        _ => why.to_owned(),
    };
    Finding::new(encoding.unwrap_or_else(|| "none".to_owned()), why, change)
}

fn form(trace: &Trace, response: &Response<Source>, options: &encode::Options) -> Form {
    let Some(before) = trace.before() else { return Form::Plain(Plain::Ours) };
    let was_encoded = before.headers.contains_key(header::CONTENT_ENCODING);
    let is_encoded = response.headers().contains_key(header::CONTENT_ENCODING);
    match response.body() {
        Source::Encoded(_) => return Form::Live,
        _ if is_encoded && trace.is_public && was_encoded => return Form::Beside,
        _ if is_encoded && !was_encoded => return Form::Ready,
        _ => {}
    }
    Form::Plain(if !has_body(response.status()) {
        Plain::Bodiless
    } else if options.offer.is_empty() {
        Plain::Off
    } else if let Some(obstacle) = encodable::obstacle(before.status, before.headers, before.length) {
        Plain::Obstacle(obstacle)
    } else {
        unwanted(trace, response, options)
    })
}

/// Why a body is sent as it is that could have been encoded.
fn unwanted(trace: &Trace, response: &Response<Source>, options: &encode::Options) -> Plain {
    let concerns_auth = encodable::request_concerns_auth(&trace.headers)
        || trace.before().is_some_and(|before| encodable::response_concerns_auth(before.headers));
    let Some(encoding) = encoding::choose(&trace.headers, &options.offer) else { return Plain::Unwanted };
    let forms = trace.entry().and_then(|entry| entry.forms());
    if options.disable_on_auth && concerns_auth {
        Plain::Auth
    } else if trace.headers.contains_key(header::RANGE) {
        Plain::Part
    } else if forms.is_some_and(|forms| forms.is_worthless(encoding)) {
        Plain::Worthless
    } else if response.body().size_hint().exact().is_some_and(|length| length < SHORTEST) {
        Plain::ShortAfterAll
    } else {
        Plain::Crowded
    }
}

/// Every form in words, and what to change.
fn words(form: Form) -> (&'static str, &'static str) {
    const TOO_SHORT: &str = "It is shorter than 1,024 bytes: there is little to save.";
    let plain = match form {
        Form::Live => {
            return ("Encoded while it is sent. What is in the cache soon lies ready, better encoded.", "");
        }
        Form::Ready => return ("It lies ready in the cache.", ""),
        Form::Beside => return ("The encoded file beside the public one is sent.", ""),
        Form::Plain(plain) => plain,
    };
    match plain {
        Plain::Bodiless => ("There is no body to encode.", ""),
        Plain::Ours => ("The response is not the application's.", ""),
        Plain::Off => ("`THRUST_COMPRESSION` is `0`.", "Unset `THRUST_COMPRESSION`."),
        Plain::Obstacle(Obstacle::Status) => {
            ("With this status there is no body, or only a part of one.", "")
        }
        Plain::Obstacle(Obstacle::Short) => (TOO_SHORT, ""),
        Plain::Obstacle(Obstacle::Type) => (
            "Bodies of its `Content-Type` hardly become smaller (or it has none).",
            "If it is text after all, have the application say so in `Content-Type`.",
        ),
        Plain::Obstacle(Obstacle::Part) => {
            ("It is a part (`Content-Range`); only what is whole is encoded.", "")
        }
        Plain::Obstacle(Obstacle::Encoded) => (
            "The application has encoded it itself, and it is passed on like that.",
            "To have it done here, and kept ready, turn that off in the application (`Rack::Deflater`).",
        ),
        Plain::Obstacle(Obstacle::NoTransform) => (
            "Its `Cache-Control` says `no-transform`, or cannot be read.",
            "Leave `no-transform` out, if it may be encoded.",
        ),
        Plain::Auth => (
            "`THRUST_COMPRESSION_DISABLE_ON_AUTH` is on, and somebody's credentials have a part in it.",
            "Turn `THRUST_COMPRESSION_DISABLE_ON_AUTH` off; padding protects against BREACH as well \
             (`THRUST_COMPRESSION_JITTER`).",
        ),
        Plain::Unwanted => (
            "The request's `Accept-Encoding` names no encoding that is offered (`THRUST_COMPRESSION`).",
            "Browsers say `gzip, deflate, br, zstd`; what stands in between may take it away.",
        ),
        Plain::Part => ("Ranges are of the body as it is.", ""),
        Plain::ShortAfterAll => (TOO_SHORT, ""),
        Plain::Worthless => ("It was tried, and did not become smaller by 5 %.", ""),
        Plain::Crowded => (
            "Too many responses are being encoded at this moment.",
            "If this happens often: more processors, or let the cache have more of it.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_a_sentence() {
        use Plain::*;
        let obstacles = [
            encodable::Obstacle::Status,
            encodable::Obstacle::Short,
            encodable::Obstacle::Type,
            encodable::Obstacle::Part,
            encodable::Obstacle::Encoded,
            encodable::Obstacle::NoTransform,
        ];
        let plain = [Bodiless, Ours, Off, Auth, Unwanted, Part, ShortAfterAll, Worthless, Crowded];
        let plain = plain.into_iter().chain(obstacles.map(Obstacle)).map(Form::Plain);
        for form in plain.chain([Form::Live, Form::Ready, Form::Beside]) {
            let (why, change) = words(form);
            assert!(
                why.ends_with('.') && (change.is_empty() || change.ends_with('.')),
                "{form:?}: {why} {change}"
            );
        }
    }
}
