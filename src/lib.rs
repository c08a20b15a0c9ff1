//! `thrust`: the web accelerator that lives inside an application's container.
//!
//! It starts one web application (the *worker*) and stands in front of it. A client's connection is accepted by
//! [`server`], which reads requests more strictly than the HTTP library does and minds every deadline. Each request goes
//! through [`proxy`], whose [`pipeline`](proxy::pipeline) is the product, top to bottom: admitted, prepared for the
//! worker, sent to it by [`upstream`] over a pooled connection, and its response handed back as it streams in. What both
//! need to know of HTTP is in [`message`], pure functions and types. [`process`] starts the worker, passes signals on and
//! reaps; [`config`] reads the environment, [`cli`] the arguments, [`explain`] asks a thrust that runs; [`observe`] writes the logs. [`app`] puts all of it
//! together and knows in which order it starts and stops.
//!
//! `ARCHITECTURE.md` has the map and the decisions.

pub mod acme;
pub mod allocator;
pub mod app;
pub mod cache;
pub mod cli;
pub mod config;
pub mod encode;
pub mod explain;
pub mod files;
pub mod https;
pub mod message;
pub mod observe;
pub mod pages;
pub mod process;
pub mod proxy;
pub mod server;
pub mod tcp;
pub mod tls;
pub mod upstream;
