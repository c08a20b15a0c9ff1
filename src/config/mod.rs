//! The environment, read once: [`Config`] cannot hold a bad value, and [`ConfigErrors`] names every fault in
//! one report.
//!
//! The parts own their options and never see a variable's name; only this module knows both.

mod env;
mod read;
pub mod render;
mod report;
pub(crate) mod settings;
mod unknown;
mod values;

pub use report::{ConfigErrors, Fault, Warning};

use crate::{cache, message::forwarded::Trust, observe, process, proxy, server, upstream};
use env::{Environment, Raw};
use read::{Reader, Taken};
use report::shown;
use settings::Facts;
use std::{ffi::OsString, path::PathBuf, time::Duration};

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen, and how long clients may take.
    pub server: server::Options,
    /// Where the worker is told to listen.
    pub worker: Worker,
    /// A backend that something else runs, to be asked instead of the worker. Never together with a worker's
    /// socket.
    pub backend: Option<upstream::Target>,
    /// While the worker has never accepted a connection, requests wait this long; zero never waits.
    pub boot_timeout: Duration,
    /// What is answered without the worker.
    pub cache: cache::Options,
    /// The journey of a request.
    pub proxy: proxy::Options,
    /// How long stopping may take.
    pub shutdown: process::Shutdown,
    /// What operators see.
    pub log: observe::Options,
    /// Each value that was taken and where it came from, for `--check`.
    taken: Vec<Taken>,
}

/// Where the worker is told to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Its `PORT` and `THRUST_WORKER_PORT`; never 0.
    pub port: u16,
    /// Its `THRUST_WORKER_SOCKET`, where one was asked for.
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
        let facts = Facts { terminal };
        let environment = Environment::new(variables);
        let mut warnings = unknown::warnings(&environment);
        let raw = environment
            .raw(facts)
            .map_err(|fault| ConfigErrors { faults: vec![fault], warnings: warnings.clone() })?;
        let mut read = Reader::new(&environment, facts);
        let mut config = Self::read(raw, &mut read);
        config.cross_check(&environment, &mut read);
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
        let everyone = read.value(raw.forward_headers, values::boolean);
        let proxies = read.optional(raw.trusted_proxies, values::networks);
        let timeouts = server::Timeouts {
            idle: read.value(raw.idle_timeout, values::timeout),
            read: read.value(raw.read_timeout, values::timeout),
            write: read.value(raw.write_timeout, values::timeout),
        };
        Self {
            server: server::Options {
                address: read.value(raw.bind, values::bind),
                port: read.value(raw.port, values::port),
                timeouts,
            },
            worker: Worker {
                port: read.value(raw.worker_port, values::worker_port),
                socket: read.optional(raw.worker_socket, values::socket),
            },
            backend: read.optional(raw.upstream_url, values::upstream_url),
            boot_timeout: read.value(raw.boot_timeout, values::duration),
            cache: cache::Options {
                size: read.value(raw.cache_size, values::size),
                largest_item: read.value(raw.max_cache_item_size, values::size),
                fingerprinted: read.value(raw.cache_fingerprinted, values::folders),
            },
            proxy: proxy::Options {
                max_request_body: read.value(raw.max_request_body, values::size_limit),
                body_timeout: timeouts.read,
                trust: proxies.map_or(if everyone { Trust::Everyone } else { Trust::Nobody }, Trust::Peers),
                bad_gateway_page: read.value(raw.bad_gateway_page, values::file),
            },
            shutdown: process::Shutdown {
                delay: read.value(raw.shutdown_delay, values::duration),
                timeout: read.value(raw.shutdown_timeout, values::duration),
            },
            log: observe::Options {
                requests: read.value(raw.log_requests, values::boolean),
                skip: read.optional(raw.log_skip, values::url_paths).unwrap_or_default(),
                format: read.value(raw.log_format, values::log_format),
                level: read.value(raw.log_level, values::log_level),
            },
            taken: Vec::new(),
        }
    }

    /// What must not be together. A port that is at fault by itself takes no part: its default stands in for
    /// it.
    fn cross_check(&self, environment: &Environment, read: &mut Reader) {
        let (socket, backend) =
            (environment.sets("THRUST_WORKER_SOCKET"), environment.sets("THRUST_UPSTREAM_URL"));
        if socket && backend {
            read.fault(
                "THRUST_WORKER_SOCKET and THRUST_UPSTREAM_URL exclude each other: set one of them".into(),
            );
        }
        self.check_cache(read);
        let (Some(front), Some(worker)) = (read.taken("PORT"), read.taken("THRUST_WORKER_PORT")) else {
            return;
        };
        if !socket && !backend && self.server.port == self.worker.port {
            let text = format!(
                "{}: {} is the worker's port too ({}): they must differ",
                front.variable.as_deref().unwrap_or("PORT"),
                shown(&front.value),
                worker.variable.as_deref().unwrap_or("the default of THRUST_WORKER_PORT"),
            );
            read.fault(text);
        }
    }

    /// An item that was allowed in so many words and can never be stored is worth a warning.
    fn check_cache(&self, read: &mut Reader) {
        let cache::Options { size, largest_item, .. } = self.cache;
        let item = read.taken("THRUST_MAX_CACHE_ITEM_SIZE").and_then(|taken| taken.variable.as_deref());
        if let Some(item) = item
            && size > 0
            && largest_item > size
        {
            let text =
                format!("{item}: more than THRUST_CACHE_SIZE ({size} bytes); such bodies are never kept");
            read.warnings.push(Warning(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Socket;
    use observe::{Format, Level};
    use std::os::unix::ffi::OsStringExt;
    use upstream::Target;

    fn read(variables: &[(&str, &str)]) -> Result<(Config, Vec<Warning>), ConfigErrors> {
        Config::from_env(variables.iter().map(|(name, value)| (name.into(), value.into())), false)
    }

    /// The configuration, which is to be had without a warning.
    fn config(variables: &[(&str, &str)]) -> Config {
        let (config, warnings) = read(variables).unwrap();
        assert_eq!(warnings, [], "{variables:?}");
        config
    }

    fn faults(variables: &[(&str, &str)]) -> Vec<String> {
        read(variables).err().into_iter().flat_map(|errors| errors.faults).map(|fault| fault.0).collect()
    }

    fn warnings(variables: &[(&str, &str)]) -> Vec<String> {
        read(variables).unwrap().1.into_iter().map(|warning| warning.0).collect()
    }

    #[test]
    fn the_defaults_suit_a_container() {
        let config = config(&[]);
        assert_eq!((config.server.address, config.server.port), (None, 3000));
        let timeouts = config.server.timeouts;
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!([timeouts.idle, timeouts.read, timeouts.write], [60, 30, 30].map(seconds));
        assert_eq!(config.worker, Worker { port: 3001, socket: None });
        assert_eq!((config.cache.size, config.cache.largest_item), (64 << 20, 1 << 20));
        assert_eq!(
            (config.cache.fingerprinted.len(), config.cache.fingerprinted[0].as_str()),
            (13, "/assets/")
        );
        assert_eq!(config.upstream(None, true).target, Target::Loopback(3001));
        assert_eq!(config.boot_timeout, Duration::from_secs(30));
        assert_eq!((config.proxy.max_request_body, config.proxy.trust), (None, Trust::Everyone));
        assert_eq!(config.proxy.bad_gateway_page, PathBuf::from("./public/502.html"));
        assert_eq!(
            (config.shutdown.delay, config.shutdown.timeout),
            (Duration::ZERO, Duration::from_secs(9))
        );
        assert!(config.log.requests && config.log.skip.is_empty());
        assert_eq!((config.log.format, config.log.level), (Format::Json, Level::Info));
    }

    #[test]
    fn a_terminal_changes_the_default_format_alone() {
        let on_terminal = |variables: Vec<(OsString, OsString)>| Config::from_env(variables, true).unwrap().0;
        assert_eq!(on_terminal(vec![]).log.format, Format::Text);
        assert_eq!(on_terminal(vec![("THRUST_LOG_FORMAT".into(), "json".into())]).log.format, Format::Json);
    }

    #[test]
    fn every_fault_is_in_one_report_by_the_name_that_was_written() {
        let variables = [
            ("THRUSTER_HTTP_PORT", "banana"),
            ("THRUST_IDLE_TIMEOUT", "-1"),
            ("THRUST_WORKER_PORT", "0"),
            ("THRUST_PROT", "1"),
        ];
        let errors = read(&variables).unwrap_err();
        let report = errors.to_string();
        for fault in [
            "\n  THRUSTER_HTTP_PORT: \"banana\" is not a port: a number from 0 to 65535",
            "\n  THRUST_IDLE_TIMEOUT: \"-1\" is not a duration: ",
            "\n  THRUST_WORKER_PORT: \"0\" is not a port of a worker: ",
        ] {
            assert!(report.contains(fault), "{report}");
        }
        assert_eq!((errors.faults.len(), errors.warnings.len()), (3, 1));
    }

    #[test]
    fn a_bad_value_that_is_not_looked_at_harms_nobody() {
        let variables = [("THRUST_HTTP_PORT", "8080"), ("THRUSTER_HTTP_PORT", "x"), ("PORT", "y")];
        assert_eq!(config(&variables).server.port, 8080);
    }

    #[test]
    fn an_alias_without_prefix_may_belong_to_the_application() {
        let (config, warnings) = read(&[("DEBUG", "app:*"), ("TARGET_PORT", "tcp://10.0.0.1:80")]).unwrap();
        assert_eq!((config.log.level, config.worker.port), (Level::Info, 3001));
        assert_eq!(warnings.len(), 2);
        assert!(warnings.iter().any(|warning| warning.0.starts_with("DEBUG: \"app:*\" is not a boolean: ")));
    }

    #[test]
    fn an_alias_that_is_ignored_leaves_the_next_name_in_force() {
        let (config, warnings) = read(&[("HTTP_PORT", "tcp://10.0.0.1:80"), ("PORT", "5000")]).unwrap();
        assert_eq!((config.server.port, warnings.len()), (5000, 1));
        assert_eq!(faults(&[("HTTP_PORT", "lots"), ("PORT", "lots")]).len(), 1);
    }

    #[test]
    fn a_prefixed_alias_is_held_to_its_word() {
        assert_eq!(faults(&[("THRUSTER_DEBUG", "app:*"), ("THRUST_LOG_REQUESTS", "maybe")]).len(), 2);
    }

    #[test]
    fn debug_is_a_boolean_and_the_level_is_not() {
        for (name, value, level) in [
            ("DEBUG", "1", Level::Debug),
            ("THRUSTER_DEBUG", "on", Level::Debug),
            ("DEBUG", "false", Level::Info),
            ("THRUST_LOG_LEVEL", "trace", Level::Trace),
        ] {
            assert_eq!(config(&[(name, value)]).log.level, level, "{name}={value}");
        }
        assert_eq!(faults(&[("THRUST_LOG_LEVEL", "1")]).len(), 1);
    }

    #[test]
    fn a_backend_or_a_socket_takes_the_place_of_the_port() {
        let url = config(&[("THRUST_UPSTREAM_URL", "http://app:8080")]).upstream(None, true);
        assert_eq!(url.target, Target::Tcp { host: "app".into(), port: 8080 });
        let with_socket = config(&[("THRUST_WORKER_SOCKET", "auto")]);
        assert_eq!(with_socket.worker.socket, Some(Socket::Auto));
        assert_eq!(with_socket.upstream(Some("/run/x".into()), true).target, Target::Unix("/run/x".into()));
        let both = [("THRUST_UPSTREAM_URL", "http://app"), ("THRUST_WORKER_SOCKET", "auto")];
        assert_eq!(faults(&both).len(), 1);
    }

    #[test]
    fn front_and_worker_ports_differ_where_the_worker_s_is_used() {
        let expected =
            "PORT: \"3001\" is the worker's port too (the default of THRUST_WORKER_PORT): they must differ";
        assert_eq!(faults(&[("PORT", "3001")]), [expected]);
        assert_eq!(faults(&[("THRUSTER_TARGET_PORT", "3000")]).len(), 1);
        config(&[("PORT", "3001"), ("THRUST_WORKER_SOCKET", "auto")]);
        config(&[("PORT", "3001"), ("THRUST_UPSTREAM_URL", "http://app")]);
        assert_eq!(faults(&[("PORT", "banana"), ("THRUST_WORKER_PORT", "3000")]).len(), 1, "one, not two");
    }

    #[test]
    fn a_setting_goes_by_the_name_that_was_written() {
        let config = config(&[("HTTP_PORT", "8080"), ("PORT", "5000")]);
        assert_eq!(config.variable("PORT"), "HTTP_PORT");
        assert_eq!(config.variable("THRUST_BIND"), "THRUST_BIND");
    }

    #[test]
    fn trusted_proxies_go_before_the_general_rule() {
        let trust = |variables: &[(&str, &str)]| config(variables).proxy.trust;
        assert_eq!(trust(&[("FORWARD_HEADERS", "off")]), Trust::Nobody);
        let peers = Trust::Peers(vec!["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(trust(&[("THRUST_TRUSTED_PROXIES", "10.0.0.0/8"), ("FORWARD_HEADERS", "0")]), peers);
    }

    #[test]
    fn the_cache_can_be_turned_off_and_keep_to_what_says_so() {
        let cache = config(&[("CACHE_SIZE", "0"), ("THRUST_CACHE_FINGERPRINTED", "0")]).cache;
        assert_eq!((cache.size, cache.fingerprinted.len()), (0, 0));
        let cache = config(&[("THRUST_CACHE_FINGERPRINTED", "/a/, /b")]).cache;
        assert_eq!(cache.fingerprinted, ["/a/", "/b"]);
        assert!(!faults(&[("THRUST_CACHE_FINGERPRINTED", "assets")]).is_empty());
        let sizes = [("CACHE_SIZE", "1MB"), ("THRUST_MAX_CACHE_ITEM_SIZE", "2MB")];
        let expected = "THRUST_MAX_CACHE_ITEM_SIZE: more than THRUST_CACHE_SIZE (1048576 bytes); such bodies are never kept";
        assert_eq!(warnings(&sizes), [expected]);
    }

    #[test]
    fn what_is_expected_in_vain_is_warned_of() {
        let misspelled = "THRUST_BIDN is not a setting; ignored (did you mean THRUST_BIND?)";
        assert_eq!(warnings(&[("THRUST_BIDN", "::1")]), [misspelled]);
        let planned = "TLS_DOMAIN is not supported by this version; ignored";
        assert_eq!(warnings(&[("TLS_DOMAIN", "a.example")]), [planned]);
        config(&[("HTTPS_PORT", "lots"), ("STORAGE_PATH", "/x"), ("THRUST_BIDN", ""), ("TLS_DOMAIN", " ")]);
    }

    #[test]
    fn bytes_that_are_not_text_never_panic() {
        let bad = || OsString::from_vec(b"/\xff".to_vec());
        let mixed = [(bad(), bad()), ("UNRELATED".into(), bad()), ("DEBUG".into(), bad())];
        assert_eq!(Config::from_env(mixed, false).unwrap().1.len(), 1);
        let errors = Config::from_env([("THRUST_WORKER_SOCKET".into(), bad())], false).unwrap_err();
        assert!(
            errors.to_string().contains("THRUST_WORKER_SOCKET: \"/\u{fffd}\" is not text in UTF-8"),
            "{errors}"
        );
    }

    #[test]
    fn each_value_says_where_it_came_from() {
        let check = render::check(&config(&[("TARGET_PORT", " 4000 "), ("THRUSTER_DEBUG", "1")]));
        for expected in [
            "PORT 3000 default",
            "THRUST_WORKER_PORT 4000 TARGET_PORT",
            "THRUST_LOG_LEVEL debug THRUSTER_DEBUG",
            "THRUST_UPSTREAM_URL - default",
        ] {
            let words: Vec<&str> = expected.split(' ').collect();
            let shown = |line: &str| line.split_whitespace().eq(words.iter().copied());
            assert!(check.lines().any(shown), "{expected} in\n{check}");
        }
    }
}
