//! THE table of settings: names, defaults and meanings.
//!
//! `--help`, `--check` and the README's table are rendered from it. A new setting is a row here, a field in
//! [`Raw`](super::env::Raw) and the line in [`Config`](super::Config) that parses it.

use super::settings::{Setting, When};

/// Every setting of this version, in the order in which they are shown.
pub static SETTINGS: &[Setting] = &[
    Setting::new(
        "PORT",
        "3000",
        "HTTP port to listen on; `0` is any free port. `PORT` itself is looked at last, since \
         platforms set it for everybody. Where TLS is on it answers ACME challenges and redirects to HTTPS",
    )
    .alias("HTTP_PORT")
    .special(When::Tls, "80"),
    Setting::new("THRUST_HTTPS_PORT", "443", "HTTPS port, where TLS is on; `0` is any free port").alias("HTTPS_PORT"),
    Setting::new(
        "THRUST_REDIRECT_PORT",
        "",
        "the port that redirects to HTTPS name, where the container's port is published as another. Unset: the HTTPS port",
    ),
    Setting::new(
        "THRUST_BIND",
        "::",
        "address to listen on. `::` is every address, IPv6 and IPv4 (`0.0.0.0` where there is no \
         IPv6)",
    ),
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
         only this user can reach. Passed to the worker under the same name, and no `PORT` with it: Rails \
         would listen there instead",
    ),
    Setting::new(
        "THRUST_UPSTREAM_URL",
        "",
        "`http://host:port` or `unix:/path`: a backend that something else runs. With it the command \
         may be left out. Not together with `THRUST_WORKER_SOCKET`",
    ),
    Setting::new("THRUST_HTTP2", "0", "offer HTTP/2 on the HTTPS port").special(When::ThrusterTls, "1"),
    Setting::new("THRUST_H2C", "0", "accept HTTP/2 by prior knowledge on the plain port").alias("H2C_ENABLED"),
    Setting::new(
        "SSL_CERT_PATH",
        "",
        "PEM file with the certificate and its chain; turns TLS on, together with `SSL_KEY_PATH`. Watched: new files are \
         taken without a restart",
    ),
    Setting::new("SSL_KEY_PATH", "", "PEM file with the certificate's key"),
    Setting::new(
        "THRUST_ACME_DOMAIN",
        "",
        "domains, comma separated; turns TLS on with certificates by ACME. Not together with `SSL_CERT_PATH`",
    )
    .alias("TLS_DOMAIN"),
    Setting::new("THRUST_ACME_DIRECTORY", "https://acme-v02.api.letsencrypt.org/directory", "ACME directory URL")
        .alias("ACME_DIRECTORY"),
    Setting::new("THRUST_ACME_EMAIL", "", "contact for the ACME account"),
    Setting::new(
        "THRUST_EAB_KID",
        "",
        "identifier of the key for external account binding. Together with `THRUST_EAB_HMAC_KEY`",
    )
    .alias("EAB_KID"),
    Setting::new("THRUST_EAB_HMAC_KEY", "", "the key itself, in base64url").alias("EAB_HMAC_KEY").secret(),
    Setting::new(
        "THRUST_HEALTH_PATH",
        "/up",
        "with TLS on, this path asked for on the plain port from a loopback or private address goes to the worker instead \
         of being redirected; `0` is none",
    ),
    Setting::new(
        "THRUST_HSTS",
        "0",
        "duration: `Strict-Transport-Security: max-age=…` on HTTPS responses that have none; `0` is none",
    ),
    Setting::new(
        "THRUST_STORAGE_PATH",
        "./storage/thrust",
        "folder for the ACME account and certificates (files 0600, folder 0700)",
    )
    .alias("STORAGE_PATH"),
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
    .alias("FORWARD_HEADERS")
    .special(When::Tls, "0"),
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
        "duration: the TLS handshake and the whole request header must arrive within it, and a request body make progress \
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
