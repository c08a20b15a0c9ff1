//! What lies between settings: those that do not go together are faults, one that another leaves without effect is worth a
//! warning.

use super::{
    Config,
    env::Environment,
    read::Reader,
    report::{Warning, shown},
};
use crate::cache;

/// Looks at all of them together. One that is at fault by itself takes no part: its default stands in for it.
pub fn together(config: &Config, environment: &Environment, read: &mut Reader) {
    check_worker(environment, read);
    check_tls(environment, read);
    check_ports(config, read);
    check_cache(config, read);
    check_files(config, read);
    check_encoding(config, read);
}

/// There is one way to the worker.
fn check_worker(environment: &Environment, read: &mut Reader) {
    if environment.sets("THRUST_WORKER_SOCKET") && environment.sets("THRUST_UPSTREAM_URL") {
        read.fault("THRUST_WORKER_SOCKET and THRUST_UPSTREAM_URL exclude each other: set one of them".into());
    }
}

/// Certificates come from one place, and halves of a pair are nothing.
fn check_tls(environment: &Environment, read: &mut Reader) {
    let files = ["SSL_CERT_PATH", "SSL_KEY_PATH"];
    if let (Some(file), Some(domain)) =
        (files.iter().find(|name| environment.sets(name)), read.variable("THRUST_ACME_DOMAIN"))
    {
        read.fault(format!("{file} and {domain} exclude each other: set one of them"));
    }
    // Without a domain the short names of these may mean something else.
    let acme = read.taken("THRUST_ACME_DOMAIN").map(|_| ["THRUST_EAB_KID", "THRUST_EAB_HMAC_KEY"]);
    for [one, other] in [files].into_iter().chain(acme) {
        match (environment.set_by(one), environment.set_by(other)) {
            (Some(name), None) => read.fault(format!("{name} needs {other}: set both or neither")),
            (None, Some(name)) => read.fault(format!("{name} needs {one}: set both or neither")),
            _ => {}
        }
    }
}

/// Whoever listens has a port of their own.
fn check_ports(config: &Config, read: &mut Reader) {
    let worker = config.worker.socket.is_none() && config.backend.is_none();
    let ports = [
        (true, "PORT", config.server.port),
        (config.tls.is_on(), "THRUST_HTTPS_PORT", config.https.port),
        (worker, "THRUST_WORKER_PORT", config.worker.port),
    ];
    for (index, (used, setting, port)) in ports.into_iter().enumerate() {
        for (other_used, other, other_port) in ports.into_iter().skip(index + 1) {
            if used && other_used && port != 0 && port == other_port {
                check_port(setting, other, read);
            }
        }
    }
}

/// Two of the same number; a fault of either's own has stood in for it otherwise.
fn check_port(setting: &str, other: &str, read: &mut Reader) {
    let (Some(taken), Some(other_taken)) = (read.taken(setting), read.taken(other)) else { return };
    let whose = if other == "THRUST_WORKER_PORT" { "the worker's port" } else { "the HTTPS port" };
    let text = format!(
        "{}: {} is {whose} too ({}): they must differ",
        taken.variable.as_deref().unwrap_or(setting),
        shown(&taken.value),
        other_taken.variable.clone().unwrap_or_else(|| format!("the default of {other}")),
    );
    read.fault(text);
}

/// An item that was allowed in so many words and can never be stored.
fn check_cache(config: &Config, read: &mut Reader) {
    let cache::Options { size, largest_item, .. } = config.cache;
    if let Some(item) = read.variable("THRUST_MAX_CACHE_ITEM_SIZE")
        && size > 0
        && largest_item > size
    {
        let text = format!("{item}: more than THRUST_CACHE_SIZE ({size} bytes); such bodies are never kept");
        read.warnings.push(Warning(text));
    }
}

/// Folders that confine nothing. (The header's name counts all the same: no client gets to see it.)
fn check_files(config: &Config, read: &mut Reader) {
    if !config.files.send_file {
        warn_of_no_effect("THRUST_SEND_FILE_ROOT", "THRUST_SEND_FILE", read);
    }
}

/// Care for what is not done.
fn check_encoding(config: &Config, read: &mut Reader) {
    let encode = &config.encode;
    let careful = [
        ("THRUST_COMPRESSION_DISABLE_ON_AUTH", encode.disable_on_auth),
        ("THRUST_COMPRESSION_JITTER", encode.jitter > 0),
    ];
    for (setting, _) in careful.into_iter().filter(|(_, on)| *on && encode.offer.is_empty()) {
        warn_of_no_effect(setting, "THRUST_COMPRESSION", read);
    }
}

/// Where the one setting is set, and the other, which it needs, turned off.
fn warn_of_no_effect(setting: &str, off: &str, read: &mut Reader) {
    if let Some(name) = read.variable(setting) {
        let off = read.variable(off).unwrap_or(off);
        let text = format!("{name}: has no effect, since {off} turns off what it is for");
        read.warnings.push(Warning(text));
    }
}
