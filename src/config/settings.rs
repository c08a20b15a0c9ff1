//! THE table of settings: names, defaults and meanings.
//!
//! `--help`, `--check` and the README's table are rendered from it. A new setting is a row here, a field in
//! [`Raw`](super::env::Raw) and the line in [`Config`](super::Config) that parses it.

/// What every setting of ours starts with, but for `PORT`.
pub const PREFIX: &str = "THRUST_";

/// What Thruster's names may start with.
pub const THRUSTER_PREFIX: &str = "THRUSTER_";

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Canonical name.
    pub name: &'static str,
    /// Thruster's name for it, without a prefix.
    pub alias: Option<&'static str>,
    /// Where the alias is a boolean and the setting is not: what it stands for.
    pub flag: Option<Flag>,
    /// Value where nothing is set, as one would write it; empty is none.
    default: &'static str,
    /// The default that holds instead in some circumstance.
    special: Option<(When, &'static str)>,
    /// What it does, in Markdown.
    pub help: &'static str,
}

/// The canonical values that a boolean alias stands for.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// Where the alias is true.
    pub on: &'static str,
    /// Where it is false.
    pub off: &'static str,
}

/// Circumstances that change a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Standard output is a terminal.
    Terminal,
}

/// The circumstances that hold.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Standard output is a terminal.
    pub terminal: bool,
}

/// Every setting of this version, in the order in which they are shown.
pub static SETTINGS: &[Setting] = &[
    Setting::new(
        "PORT",
        "3000",
        "HTTP port to listen on; `0` is any free port. `PORT` itself is looked at last, since \
         platforms set it for everybody",
    )
    .alias("HTTP_PORT"),
    Setting::new(
        "THRUST_BIND",
        "::",
        "address to listen on. `::` is every address, IPv6 and IPv4 (`0.0.0.0` where there is no \
         IPv6)",
    ),
    Setting::new("THRUST_H2C", "0", "accept HTTP/2 by prior knowledge on the plain port").alias("H2C_ENABLED"),
    Setting::new(
        "THRUST_WORKER_PORT",
        "3001",
        "port of the worker on loopback (127.0.0.1, else ::1). The worker is started with `PORT` and \
         `THRUST_WORKER_PORT` set to it",
    )
    .alias("TARGET_PORT"),
    Setting::new(
        "THRUST_WORKER_SOCKET",
        "",
        "path of a Unix socket to reach the worker by, instead of the port; `auto` picks a path that \
         only this user can reach. Passed to the worker under the same name",
    ),
    Setting::new(
        "THRUST_UPSTREAM_URL",
        "",
        "`http://host:port` or `unix:/path`: a backend that something else runs. With it the command \
         may be left out. Not together with `THRUST_WORKER_SOCKET`",
    ),
    Setting::new(
        "THRUST_CACHE_SIZE",
        "64MB",
        "size: memory for the whole cache, keys and headers counted; `0` turns it off",
    )
    .alias("CACHE_SIZE"),
    Setting::new("THRUST_MAX_CACHE_ITEM_SIZE", "1048576", "size: a larger body is never kept in memory")
        .alias("MAX_CACHE_ITEM_SIZE"),
    Setting::new(
        "THRUST_CACHE_FINGERPRINTED",
        "/assets/, /packs/, /packs-test/, /vite/, /vite-dev/, /build/, /dist/, /static/, /_next/static/, /_nuxt/, \
         /_astro/, /_app/immutable/, /webpack/",
        "path prefixes, comma separated, under which fingerprinted assets that carry no `Cache-Control` or \
         `Expires` are cached; `0` is none",
    ),
    Setting::new(
        "THRUST_SEND_FILE",
        "1",
        "serve the file that the worker names; `0` sends its own body, and never tells it that files could be sent",
    )
    .alias("X_SENDFILE_ENABLED"),
    Setting::new("THRUST_SEND_FILE_HEADER", "X-Sendfile", "the response header that names the file"),
    Setting::new(
        "THRUST_SEND_FILE_ROOT",
        "",
        "only files under these folders (absolute paths, colon separated, symbolic links resolved) may be sent where \
         the worker names them. Unset: any file that can be read",
    ),
    Setting::new(
        "THRUST_PUBLIC_PATH",
        "",
        "folder whose files are served straight from disk, as Rails' own file server would: `path`, `path.html`, \
         `path/index.html`, `.br`, `.zst`, `.gz` siblings; the worker is asked only for what is not there",
    ),
    Setting::new(
        "THRUST_COMPRESSION",
        "zstd,br,gzip",
        "encodings offered, comma separated, best first; `0` turns compression off. The alias is a boolean",
    )
    .alias("GZIP_COMPRESSION_ENABLED")
    .flag("zstd,br,gzip", "0"),
    Setting::new(
        "THRUST_COMPRESSION_DISABLE_ON_AUTH",
        "0",
        "no compression where the request has `Cookie`, `Authorization` or `X-Csrf-Token`, or the response `Set-Cookie`, \
         `private`, `no-store` or `Vary: Cookie`",
    )
    .alias("GZIP_COMPRESSION_DISABLE_ON_AUTH"),
    Setting::new(
        "THRUST_COMPRESSION_JITTER",
        "32",
        "size: up to this many bytes of padding on a compressed dynamic response, against BREACH, at most 64KB; `0` is none",
    )
    .alias("GZIP_COMPRESSION_JITTER"),
    Setting::new("THRUST_MAX_REQUEST_BODY", "0", "size: larger request bodies get 413; `0` is no limit")
        .alias("MAX_REQUEST_BODY"),
    Setting::new(
        "THRUST_FORWARD_HEADERS",
        "1",
        "trust and extend the client's `X-Forwarded-*`; `0` replaces them",
    )
    .alias("FORWARD_HEADERS"),
    Setting::new(
        "THRUST_TRUSTED_PROXIES",
        "",
        "networks (CIDR), comma separated: `X-Forwarded-*` is trusted from these peers only, and the \
         logged client address is the right-most that is not one of them. Unset: as \
         `THRUST_FORWARD_HEADERS` says, for every peer",
    ),
    Setting::new(
        "THRUST_IDLE_TIMEOUT",
        "60",
        "duration: an idle keep-alive connection is closed; `0` is no limit",
    )
    .alias("HTTP_IDLE_TIMEOUT"),
    Setting::new(
        "THRUST_READ_TIMEOUT",
        "30",
        "duration: the whole request header must arrive within it, and a request body make progress \
         within it; `0` is no limit",
    )
    .alias("HTTP_READ_TIMEOUT"),
    Setting::new(
        "THRUST_WRITE_TIMEOUT",
        "30",
        "duration: a client that reads nothing of a waiting response for this long is cut off; `0` is \
         no limit. Never a limit on a download or stream that moves",
    )
    .alias("HTTP_WRITE_TIMEOUT"),
    Setting::new(
        "THRUST_BOOT_TIMEOUT",
        "30",
        "duration: while the worker has never yet accepted a connection, requests wait this long \
         before 502; `0` never waits. A browser (`Accept: text/html`) gets `THRUST_BAD_GATEWAY_PAGE` \
         at once where that file exists",
    ),
    Setting::new("THRUST_BAD_GATEWAY_PAGE", "./public/502.html", "HTML file for 502")
        .alias("BAD_GATEWAY_PAGE"),
    Setting::new(
        "THRUST_SHUTDOWN_DELAY",
        "0",
        "duration: after TERM, go on serving this long (for balancers that stop sending a little \
         late) before draining",
    ),
    Setting::new(
        "THRUST_SHUTDOWN_TIMEOUT",
        "9",
        "duration: draining and the worker's own end together (Docker kills after 10). The worker \
         gets TERM as soon as no request is in flight, at the latest after three quarters of it; KILL \
         at its end",
    ),
    Setting::new("THRUST_LOG_REQUESTS", "1", "one line a request on standard output").alias("LOG_REQUESTS"),
    Setting::new("THRUST_LOG_SKIP", "", "paths that are not logged, comma separated: `/up`"),
    Setting::new("THRUST_LOG_FORMAT", "json", "`json`, `logfmt`, `combined` or `text`")
        .special(When::Terminal, "text"),
    Setting::new(
        "THRUST_LOG_LEVEL",
        "info",
        "`error`, `warn`, `info`, `debug` or `trace`. The alias is a boolean: `1` is `debug`",
    )
    .alias("DEBUG")
    .flag("debug", "info"),
];

/// Names of the configuration contract that this version does not do yet, with Thruster's name where there is
/// one.
///
/// They get a warning instead of silence, alias with Thruster's prefix included. Aliases without a prefix get
/// none (they may be the application's own), unless they stand in the first column.
pub static PLANNED: &[(&str, Option<&str>)] = &[
    ("THRUST_HTTPS_PORT", Some("HTTPS_PORT")),
    ("THRUST_REDIRECT_PORT", None),
    ("THRUST_HTTP2", None),
    ("SSL_CERT_PATH", Some("SSL_CERT_PATH")),
    ("SSL_KEY_PATH", Some("SSL_KEY_PATH")),
    ("THRUST_ACME_DOMAIN", None),
    ("TLS_DOMAIN", Some("TLS_DOMAIN")),
    ("THRUST_ACME_DIRECTORY", Some("ACME_DIRECTORY")),
    ("THRUST_ACME_EMAIL", None),
    ("THRUST_EAB_KID", Some("EAB_KID")),
    ("THRUST_EAB_HMAC_KEY", Some("EAB_HMAC_KEY")),
    ("THRUST_HEALTH_PATH", None),
    ("THRUST_HSTS", None),
    ("THRUST_STORAGE_PATH", Some("STORAGE_PATH")),
];

impl Setting {
    const fn new(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self { name, alias: None, flag: None, default, special: None, help }
    }

    const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    const fn flag(mut self, on: &'static str, off: &'static str) -> Self {
        self.flag = Some(Flag { on, off });
        self
    }

    const fn special(mut self, when: When, default: &'static str) -> Self {
        self.special = Some((when, default));
        self
    }

    /// The setting that a variable of this name sets, whether canonical or alias.
    pub fn known_as(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.names().iter().any(|known| known == name))
    }

    /// Every name that sets it; the first one set wins.
    ///
    /// A canonical name without our prefix (`PORT`) is one that platforms set for everybody: what was said to
    /// us alone goes before it.
    pub fn names(&self) -> Vec<String> {
        let ours = self.name.starts_with(PREFIX);
        let aliases = self.alias.into_iter().flat_map(|alias| {
            let prefixed = (!ours).then(|| format!("{PREFIX}{alias}"));
            prefixed.into_iter().chain([format!("{THRUSTER_PREFIX}{alias}"), alias.to_owned()])
        });
        let mut names: Vec<String> = aliases.collect();
        names.insert(if ours { 0 } else { names.len() }, self.name.to_owned());
        names
    }

    /// Whether a variable of this name may belong to the application: an alias without a prefix.
    pub fn is_borrowed(&self, name: &str) -> bool {
        self.alias == Some(name)
    }

    /// The value where nothing is set; empty is none.
    pub fn default(&self, facts: Facts) -> &'static str {
        match self.special {
            Some((When::Terminal, default)) if facts.terminal => default,
            _ => self.default,
        }
    }

    /// The default as the table shows it, in Markdown; empty is none.
    pub fn default_help(&self) -> String {
        match self.special {
            Some((When::Terminal, special)) => format!("`{}` (`{special}` on a terminal)", self.default),
            None if self.default.is_empty() => String::new(),
            None => format!("`{}`", self.default),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn names(canonical: &str) -> Vec<String> {
        SETTINGS.iter().find(|setting| setting.name == canonical).map(Setting::names).unwrap_or_default()
    }

    #[test]
    fn the_canonical_name_goes_first() {
        assert_eq!(
            names("THRUST_WORKER_PORT"),
            ["THRUST_WORKER_PORT", "THRUSTER_TARGET_PORT", "TARGET_PORT"]
        );
        assert_eq!(names("THRUST_BIND"), ["THRUST_BIND"]);
    }

    #[test]
    fn port_which_platforms_set_for_everybody_goes_last() {
        assert_eq!(names("PORT"), ["THRUST_HTTP_PORT", "THRUSTER_HTTP_PORT", "HTTP_PORT", "PORT"]);
    }

    #[test]
    fn no_name_means_two_things() {
        let mut seen = BTreeSet::new();
        for name in SETTINGS.iter().flat_map(Setting::names) {
            assert!(seen.insert(name.clone()), "{name} is in the table twice");
        }
        for (name, alias) in PLANNED {
            let alias = alias.map(|alias| format!("{THRUSTER_PREFIX}{alias}"));
            for name in alias.into_iter().chain([(*name).to_owned()]) {
                assert!(seen.insert(name.clone()), "{name} is both planned and done, or planned twice");
            }
        }
    }
}
