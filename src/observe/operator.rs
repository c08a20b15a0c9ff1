//! The operator's log: what thrust has to say about itself, by `tracing`, on a stream that cannot hold it up.
//!
//! A subscriber of our own: there are no spans to keep, only lines to write. Dependencies are heard from `warn` upwards.

use super::{Format, Level, Options, pairs::Pairs, writer::Writer};
use std::{
    error::Error,
    fmt,
    io::{self, Write},
    panic,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};

/// The name of the field that `tracing`'s macros put the message in.
const MESSAGE: &str = "message";

/// Sends all events of this process to `writer` from now on, panics too.
///
/// # Errors
/// Another subscriber is there already.
pub fn install(writer: Arc<Writer>, options: &Options) -> io::Result<()> {
    let log = Log { writer: writer.clone(), format: options.format, level: options.level };
    tracing::subscriber::set_global_default(log).map_err(io::Error::other)?;
    log_panics(writer);
    Ok(())
}

/// A panic is one line of the log. The process may be about to end: wait for the line, but not for a stuck stream.
fn log_panics(writer: Arc<Writer>) {
    panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or("of an unknown kind");
        let location = panic.location().map(tracing::field::display);
        tracing::error!(location, "panic: {message}");
        writer.flush(Duration::from_millis(100));
    }));
}

/// The subscriber.
struct Log {
    writer: Arc<Writer>,
    format: Format,
    level: Level,
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = match crate_of(metadata) {
            "thrust" => self.level,
            // It warns of what clients do wrong, which anybody can do as often as they like.
            "h2" => self.level.min(Level::Error),
            _ => self.level.min(Level::Warn),
        };
        metadata.is_event() && *metadata.level() <= filter(level)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(filter(self.level))
    }

    fn event(&self, event: &Event<'_>) {
        let mut out = Vec::with_capacity(256);
        line(&mut out, event, self.format, SystemTime::now());
        self.writer.send(&out);
    }

    // Spans are never enabled.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn crate_of<'a>(metadata: &Metadata<'a>) -> &'a str {
    metadata.target().split("::").next().unwrap_or_default()
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

/// Appends the line of one event; `combined`, which has no room for such lines, is written as logfmt.
fn line(out: &mut Vec<u8>, event: &Event<'_>, format: Format, now: SystemTime) {
    let metadata = event.metadata();
    let level = metadata.level().as_str();
    let mut message = Message::default();
    event.record(&mut message);
    let mut pairs = Pairs::message(out, format, now, level, &message.0);
    if crate_of(metadata) != "thrust" {
        pairs.text("target", metadata.target().as_bytes());
    }
    event.record(&mut Fields { pairs: &mut pairs });
    pairs.end();
}

/// Takes the message out of an event's fields.
#[derive(Default)]
struct Message(Vec<u8>);

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            self.0.extend_from_slice(value.as_bytes());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            // Writing to a vector cannot fail; what a faulty `Debug` leaves out is left out.
            let _ = write!(self.0, "{value:?}");
        }
    }
}

/// Writes an event's other fields.
struct Fields<'a, 'b> {
    pairs: &'a mut Pairs<'b>,
}

impl Visit for Fields<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.pairs.float(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.pairs.number(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.pairs.number(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.pairs.bool(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() != MESSAGE {
            self.pairs.text(field.name(), value.as_bytes());
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_str(field, &value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != MESSAGE {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, pipe};

    /// What the log shows of the events of `emit`.
    fn logged(format: Format, level: Level, emit: impl FnOnce()) -> String {
        let (mut reader, stream) = pipe().unwrap();
        let writer = Arc::new(Writer::start("test", stream, format).unwrap());
        let log = Log { writer, format, level };
        tracing::subscriber::with_default(log, emit);
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        read
    }

    fn emit() {
        let error = io::Error::other("no \"such\" thing");
        let address = tracing::field::display("[::]:80");
        tracing::warn!(
            port = 80,
            address,
            tls = false,
            ratio = 0.5,
            error = &error as &dyn Error,
            "bad\n{}",
            "news"
        );
    }

    #[test]
    fn json() {
        let line = logged(Format::Json, Level::Info, emit);
        let (time, rest) = line.split_once("Z\",").unwrap();
        assert!(time.starts_with("{\"time\":\"20"));
        assert_eq!(
            rest,
            concat!(
                r#""level":"WARN","msg":"bad\nnews","port":80,"address":"[::]:80","tls":false,"ratio":0.5,"#,
                r#""error":"no \"such\" thing"}"#,
                "\n"
            )
        );
        serde_json::from_str::<serde_json::Value>(&line).unwrap();
    }

    #[test]
    fn logfmt_which_stands_in_for_combined() {
        for format in [Format::Logfmt, Format::Combined] {
            let line = logged(format, Level::Info, emit);
            let (_, rest) = line.split_once("Z ").unwrap();
            assert_eq!(
                rest,
                concat!(
                    r#"level=WARN msg="bad\nnews" port=80 address=[::]:80 tls=false ratio=0.5 "#,
                    r#"error="no \"such\" thing""#,
                    "\n"
                )
            );
        }
    }

    #[test]
    fn text() {
        let line = logged(Format::Text, Level::Info, emit);
        let (_, rest) = line.split_once("Z ").unwrap();
        let error = r#"error="no \"such\" thing""#;
        assert_eq!(rest, format!("WARN  bad\\nnews port=80 address=[::]:80 tls=false ratio=0.5 {error}\n"));
    }

    #[test]
    fn the_level_is_ours_and_dependencies_are_heard_from_warn_upwards() {
        let emit = || {
            tracing::error!("a");
            tracing::info!("b");
            tracing::debug!("c");
            tracing::warn!(target: "hyper::proto", "d");
            tracing::info!(target: "hyper::proto", "e");
            tracing::warn!(target: "h2::proto", "h");
            tracing::info!(target: "thruster", "f");
            tracing::error_span!("span").in_scope(|| tracing::trace!("g"));
        };
        let messages = |level| {
            let lines = logged(Format::Json, level, emit);
            let lines = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            lines.map(|line| line["msg"].as_str().unwrap().to_owned()).collect::<String>()
        };
        assert_eq!(messages(Level::Error), "a");
        assert_eq!(messages(Level::Warn), "ad");
        assert_eq!(messages(Level::Info), "abd");
        assert_eq!(messages(Level::Debug), "abcd");
        assert_eq!(messages(Level::Trace), "abcdg");
    }

    #[test]
    fn lines_of_dependencies_name_them() {
        let line = logged(Format::Logfmt, Level::Info, || tracing::warn!(target: "hyper::proto", "odd"));
        assert!(line.ends_with("level=WARN msg=odd target=hyper::proto\n"));
    }
}
