//! `thrust`: the web accelerator that lives inside an application's container.

pub mod app;
pub mod cli;
pub mod config;
pub mod message;
pub mod observe;
pub mod process;
pub mod proxy;
pub mod server;
pub mod upstream;
