//! What the whole environment is read as.

use super::*;
use crate::{
    message::encoding::{Encoding, Offer},
    process::Socket,
};
use observe::{Format, Level};
use std::os::unix::ffi::OsStringExt;
use upstream::Target;

mod tls;

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
    assert_eq!((config.cache.fingerprinted.len(), config.cache.fingerprinted[0].as_str()), (13, "/assets/"));
    assert_eq!((config.files.send_file, config.files.send_file_header.name.as_str()), (true, "x-sendfile"));
    assert!(config.files.send_file_roots.is_empty() && config.files.public.is_none());
    assert_eq!(config.encode.offer, Offer::new([Encoding::Zstd, Encoding::Brotli, Encoding::Gzip]));
    assert_eq!((config.encode.disable_on_auth, config.encode.jitter), (false, 32));
    assert_eq!(config.upstream(None, true).target, Target::Loopback(3001));
    assert_eq!(config.boot_timeout, Duration::from_secs(30));
    assert_eq!((config.proxy.max_request_body, config.proxy.trust), (None, Trust::Everyone));
    assert_eq!(config.proxy.bad_gateway_page, PathBuf::from("./public/502.html"));
    assert_eq!((config.shutdown.delay, config.shutdown.timeout), (Duration::ZERO, Duration::from_secs(9)));
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
    let expected =
        "THRUST_MAX_CACHE_ITEM_SIZE: more than THRUST_CACHE_SIZE (1048576 bytes); such bodies are never kept";
    assert_eq!(warnings(&sizes), [expected]);
}

#[test]
fn files_are_sent_as_the_settings_say() {
    let files = config(&[
        ("THRUSTER_X_SENDFILE_ENABLED", "off"),
        ("THRUST_SEND_FILE_HEADER", "X-Accel-Redirect"),
        ("THRUST_PUBLIC_PATH", "public"),
    ])
    .files;
    assert_eq!((files.send_file, files.send_file_header.name.as_str()), (false, "x-accel-redirect"));
    assert_eq!(files.public, Some(PathBuf::from("public")));
    let roots = config(&[("THRUST_SEND_FILE_ROOT", "/srv/a:/srv/b")]).files.send_file_roots;
    assert_eq!(roots, [PathBuf::from("/srv/a"), PathBuf::from("/srv/b")]);
    let wrong = [("THRUST_SEND_FILE_HEADER", "Content-Length"), ("THRUST_SEND_FILE_ROOT", "storage")];
    assert_eq!(
        faults(&wrong),
        [
            "THRUST_SEND_FILE_HEADER: \"Content-Length\" is a header that has a meaning of its own: a name that nothing \
             else uses, such as X-Sendfile",
            "THRUST_SEND_FILE_ROOT: \"storage\" is not a colon separated list of absolute paths (see \"storage\")",
        ]
    );
}

#[test]
fn compression_is_a_list_and_its_alias_a_boolean() {
    let offer = |name, value| config(&[(name, value)]).encode.offer;
    for (name, value, expected) in [
        ("THRUST_COMPRESSION", "gzip, br", Offer::new([Encoding::Gzip, Encoding::Brotli])),
        ("THRUST_COMPRESSION", "0", Offer::default()),
        ("THRUST_COMPRESSION", "on", Offer::new(Encoding::ALL)),
        ("GZIP_COMPRESSION_ENABLED", "false", Offer::default()),
        ("THRUSTER_GZIP_COMPRESSION_ENABLED", "1", Offer::new(Encoding::ALL)),
    ] {
        assert_eq!(offer(name, value), expected, "{name}={value}");
    }
    assert_eq!(faults(&[("THRUST_COMPRESSION", "gzip,gzip")]).len(), 1);
    assert_eq!(faults(&[("THRUSTER_GZIP_COMPRESSION_ENABLED", "gzip")]).len(), 1);
    let care = [("GZIP_COMPRESSION_DISABLE_ON_AUTH", "1"), ("GZIP_COMPRESSION_JITTER", "1KB")];
    let encode = config(&care).encode;
    assert_eq!((encode.disable_on_auth, encode.jitter), (true, 1024));
}

#[test]
fn what_another_setting_leaves_without_effect_is_warned_of() {
    let off = ("THRUSTER_GZIP_COMPRESSION_ENABLED", "0");
    let no_effect =
        |name: &str, off: &str| format!("{name}: has no effect, since {off} turns off what it is for");
    for (variables, expected) in [
        (&[off, ("GZIP_COMPRESSION_JITTER", "8")], Some(no_effect("GZIP_COMPRESSION_JITTER", off.0))),
        (&[off, ("THRUST_COMPRESSION_JITTER", "0")], None),
        (
            &[off, ("THRUST_COMPRESSION_DISABLE_ON_AUTH", "1")],
            Some(no_effect("THRUST_COMPRESSION_DISABLE_ON_AUTH", off.0)),
        ),
        (&[off, ("THRUST_COMPRESSION_DISABLE_ON_AUTH", "0")], None),
        (
            &[("THRUST_SEND_FILE", "no"), ("THRUST_SEND_FILE_ROOT", "/srv")],
            Some(no_effect("THRUST_SEND_FILE_ROOT", "THRUST_SEND_FILE")),
        ),
        (&[("THRUST_SEND_FILE", "no"), ("THRUST_PUBLIC_PATH", "/srv")], None),
    ] {
        assert_eq!(warnings(variables), Vec::from_iter(expected), "{variables:?}");
    }
    assert_eq!(warnings(&[off]), [""; 0]);
}

#[test]
fn what_is_expected_in_vain_is_warned_of() {
    let misspelled = "THRUST_BIDN is not a setting; ignored (did you mean THRUST_BIND?)";
    assert_eq!(warnings(&[("THRUST_BIDN", "::1")]), [misspelled]);
    config(&[("STORAGE_PATH", "/x"), ("THRUST_BIDN", ""), ("TLS_DOMAIN", " ")]);
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
