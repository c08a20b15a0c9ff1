//! Integration tests: the real binary, driven from outside over sockets, signals and its output.
//!
//! One crate, so that it is linked once; one module a subject. `support` holds the harness.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "for whoever reads a failed test")]

mod support;

mod access_log;
mod acme;
mod bad_input;
mod boot;
mod browser;
mod cache_assets;
mod cache_attacks;
mod cache_bodies;
mod cache_bounds;
mod cache_invalidation;
mod cache_poisoning;
mod cache_ranges;
mod cache_reuse;
mod cache_together;
mod cache_validation;
mod cache_vary;
mod compression_breach;
mod compression_exempt;
mod compression_live;
mod compression_load;
mod compression_matrix;
mod compression_negotiation;
mod compression_stored;
mod deadlines;
mod deploy;
mod exit_codes;
mod explain;
mod footprint;
mod forwarding;
mod harness;
mod http2;
mod http2_conformance;
mod http2_limits;
mod http2_proxying;
mod http2_refusals;
mod http2_websocket;
mod limits;
mod proxying;
mod public;
mod public_changes;
mod public_parts;
mod puma;
mod request_bodies;
mod responses;
mod send_file;
mod send_file_attacks;
mod send_file_cache;
mod send_file_large;
mod send_file_names;
mod send_file_parts;
mod send_file_puma;
mod shutdown;
mod smuggling;
mod streaming;
mod supervision;
mod tls;
mod tls_deadlines;
mod tls_files;
mod tls_openssl;
mod tls_scan;
mod upstream_faults;
mod upstream_reuse;
mod upstream_uploads;
mod websocket;
