//! The harness: thrust itself, backends that misbehave, clients on raw sockets, workers to supervise.

#![allow(dead_code, reason = "a harness has every part ready, also those that no test uses today")]

pub mod backend;
pub mod balancer;
pub mod browser;
#[path = "../../acme/ca.rs"]
pub mod ca;
pub mod certificate;
pub mod client;
pub mod coding;
pub mod crowd;
pub mod folder;
pub mod http2;
pub mod latch;
pub mod load;
pub mod message;
pub mod parts;
pub mod ports;

pub mod stage;
pub mod thrust;
pub mod tls;
pub mod visitor;
pub mod worker;

pub use backend::{Backend, Connection};
pub use client::{Client, get};
pub use coding::Coding;
pub use crowd::Crowd;
pub use folder::Folder;
pub use latch::Latch;
pub use message::{Message, Response};
pub use parts::parts;
pub use ports::{free_port, reserved_port};

pub use stage::{Answer, Stage};
pub use thrust::Thrust;
pub use tls::{Secure, TlsClient};
pub use visitor::Visitor;
pub use worker::TestWorker;

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything that must happen may take before a test fails. Never how long it should take.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until the condition holds; fails the test, naming what it waited for, at the deadline.
#[track_caller]
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    assert!(holds_within(DEADLINE, condition), "waited in vain until {what}");
}

/// Whether the condition comes to hold within the limit.
pub fn holds_within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}
