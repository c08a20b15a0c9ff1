//! Integration tests: the real binary, driven from outside over sockets, signals and its output.
//!
//! One crate, so that it is linked once; one module a subject. `support` holds the harness.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "for whoever reads a failed test")]

mod support;

mod boot;
mod exit_codes;
mod harness;
mod puma;
mod shutdown;
mod supervision;
