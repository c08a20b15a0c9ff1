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
    check_worker(config, environment, read);
    check_cache(config, read);
    check_files(config, read);
    check_encoding(config, read);
}

/// There is one way to the worker, and its port is its own.
fn check_worker(config: &Config, environment: &Environment, read: &mut Reader) {
    let (socket, backend) =
        (environment.sets("THRUST_WORKER_SOCKET"), environment.sets("THRUST_UPSTREAM_URL"));
    if socket && backend {
        read.fault("THRUST_WORKER_SOCKET and THRUST_UPSTREAM_URL exclude each other: set one of them".into());
    }
    let (Some(front), Some(worker)) = (read.taken("PORT"), read.taken("THRUST_WORKER_PORT")) else {
        return;
    };
    if !socket && !backend && config.server.port == config.worker.port {
        let text = format!(
            "{}: {} is the worker's port too ({}): they must differ",
            front.variable.as_deref().unwrap_or("PORT"),
            shown(&front.value),
            worker.variable.as_deref().unwrap_or("the default of THRUST_WORKER_PORT"),
        );
        read.fault(text);
    }
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
