//! The environment, read once: [`Config`] cannot hold a bad value, and [`ConfigErrors`] names every fault in
//! one report.
//!
//! The parts own their options and never see a variable's name; only this module knows both.

mod certificates;
mod checks;
mod domains;
mod env;
mod lists;
mod read;
pub mod render;
mod report;
pub(crate) mod settings;
mod table;
mod unknown;
mod values;

pub use certificates::Tls;
pub use report::{ConfigErrors, Fault, Warning};

use crate::{cache, encode, files, message::forwarded::Trust, observe, process, proxy, server, upstream};
use env::{Environment, Raw};
use http::HeaderValue;
use read::{Reader, Taken};
use std::{ffi::OsString, path::PathBuf, time::Duration};

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen, and how long clients may take.
    pub server: server::Options,
    /// Whether TLS is spoken, and where its certificates come from.
    pub tls: Tls,
    /// How it is told to clients, where it is.
    pub https: Https,
    /// HTTP/2 is offered over TLS.
    pub http2: bool,
    /// Where the worker is told to listen.
    pub worker: Worker,
    /// A backend that something else runs, to be asked instead of the worker. Never together with a worker's
    /// socket.
    pub backend: Option<upstream::Target>,
    /// While the worker has never accepted a connection, requests wait this long; zero never waits.
    pub boot_timeout: Duration,
    /// What is answered without the worker.
    pub cache: cache::Options,
    /// Files that are sent in place of the worker's bodies.
    pub files: files::Options,
    /// Bodies that are sent in a smaller form.
    pub encode: encode::Options,
    /// The journey of a request.
    pub proxy: proxy::Options,
    /// How long stopping may take.
    pub shutdown: process::Shutdown,
    /// What operators see.
    pub log: observe::Options,
    /// Each value that was taken and where it came from, for `--check`.
    taken: Vec<Taken>,
}

/// What TLS means for the two ports; without it nothing of this holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Https {
    /// Port of TLS; 0 lets the kernel choose one.
    pub port: u16,
    /// The port that clients are redirected to; `None` is the one that TLS listens on.
    pub redirect_port: Option<u16>,
    /// Path that the plain port passes on to the worker for clients of a loopback or private address.
    pub health_path: Option<String>,
}

/// Where the worker is told to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Its `PORT` and `THRUST_WORKER_PORT`; never 0.
    pub port: u16,
    /// Its `THRUST_WORKER_SOCKET`, where one was asked for: it is told no port then.
    pub socket: Option<process::Socket>,
}

impl Config {
    /// Reads the variables; `terminal` says whether standard output is one, which changes the log's default
    /// format.
    ///
    /// # Errors
    ///
    /// Every value that cannot be taken, and what does not go together.
    pub fn from_env(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        terminal: bool,
    ) -> Result<(Self, Vec<Warning>), ConfigErrors> {
        let environment = Environment::new(variables);
        let facts = certificates::facts(&environment, terminal);
        let mut warnings = unknown::warnings(&environment);
        let raw = environment
            .raw(facts)
            .map_err(|fault| ConfigErrors { faults: vec![fault], warnings: warnings.clone() })?;
        let mut read = Reader::new(&environment, facts);
        let mut config = Self::read(raw, &mut read);
        checks::together(&config, &environment, &mut read);
        warnings.append(&mut read.warnings);
        if !read.faults.is_empty() {
            return Err(ConfigErrors { faults: read.faults, warnings });
        }
        config.taken = read.taken;
        Ok((config, warnings))
    }

    /// How the worker is reached, once it is known which path its socket has, where it has one, and whether we run it.
    pub fn upstream(&self, socket: Option<PathBuf>, supervised: bool) -> upstream::Options {
        let worker = || socket.map_or(upstream::Target::Loopback(self.worker.port), upstream::Target::Unix);
        let target = self.backend.clone().unwrap_or_else(worker);
        upstream::Options { target, boot_timeout: self.boot_timeout, supervised }
    }

    /// The variable that a setting was read from, by the name that the user wrote; its canonical name where none was.
    pub fn variable<'a>(&'a self, setting: &'a str) -> &'a str {
        let taken = self.taken.iter().find(|taken| taken.setting == setting);
        taken.and_then(|taken| taken.variable.as_deref()).unwrap_or(setting)
    }

    /// Whether a setting was set, and is not its default for lack of it.
    pub fn is_set(&self, setting: &str) -> bool {
        self.taken.iter().any(|taken| taken.setting == setting && taken.variable.is_some())
    }

    fn read(raw: Raw, read: &mut Reader) -> Self {
        let tls = certificates::read(&raw, read);
        let everyone = read.value(raw.forward_headers, values::boolean);
        let proxies = read.optional(raw.trusted_proxies, lists::networks);
        let timeouts = server::Timeouts {
            idle: read.value(raw.idle_timeout, values::timeout),
            read: read.value(raw.read_timeout, values::timeout),
            write: read.value(raw.write_timeout, values::timeout),
        };
        let encode = encode::Options {
            offer: read.value(raw.compression, lists::encodings),
            disable_on_auth: read.value(raw.compression_disable_on_auth, values::boolean),
            jitter: read.value(raw.compression_jitter, values::padding),
        };
        let domains = match &tls {
            Tls::Acme(acme) => Some(acme.domains.clone()),
            _ => None,
        };
        let hsts: Option<Duration> = read.value(raw.hsts, values::max_age);
        // A number is a value.
        let hsts = hsts.and_then(|age| HeaderValue::try_from(format!("max-age={}", age.as_secs())).ok());
        Self {
            server: server::Options {
                address: read.value(raw.bind, values::bind),
                port: read.value(raw.port, values::port),
                h2c: read.value(raw.h2c, values::boolean),
                timeouts,
            },
            tls,
            https: Https {
                port: read.value(raw.https_port, values::port),
                redirect_port: read.optional(raw.redirect_port, values::public_port),
                health_path: read.value(raw.health_path, values::url_path),
            },
            http2: read.value(raw.http2, values::boolean),
            worker: Worker {
                port: read.value(raw.worker_port, values::worker_port),
                socket: read.optional(raw.worker_socket, values::socket),
            },
            backend: read.optional(raw.upstream_url, values::upstream_url),
            boot_timeout: read.value(raw.boot_timeout, values::duration),
            cache: cache::Options {
                offer: encode.offer,
                disable_on_auth: encode.disable_on_auth,
                size: read.value(raw.cache_size, values::size),
                largest_item: read.value(raw.max_cache_item_size, values::size),
                fingerprinted: read.value(raw.cache_fingerprinted, lists::folders),
            },
            files: files::Options {
                send_file: read.value(raw.send_file, values::boolean),
                send_file_header: read.value(raw.send_file_header, values::own_field),
                send_file_roots: read.optional(raw.send_file_root, lists::roots).unwrap_or_default(),
                public: read.optional(raw.public_path, values::file),
            },
            encode,
            proxy: proxy::Options {
                max_request_body: read.value(raw.max_request_body, values::size_limit),
                body_timeout: timeouts.read,
                trust: proxies.map_or(if everyone { Trust::Everyone } else { Trust::Nobody }, Trust::Peers),
                domains,
                hsts,
                bad_gateway_page: read.value(raw.bad_gateway_page, values::file),
            },
            shutdown: process::Shutdown {
                delay: read.value(raw.shutdown_delay, values::duration),
                timeout: read.value(raw.shutdown_timeout, values::duration),
            },
            log: observe::Options {
                requests: read.value(raw.log_requests, values::boolean),
                skip: read.optional(raw.log_skip, lists::url_paths).unwrap_or_default(),
                format: read.value(raw.log_format, values::log_format),
                level: read.value(raw.log_level, values::log_level),
            },
            taken: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
