//! What it costs to run. The figures for the README: cargo test --release --test it footprint -- --nocapture

use crate::support::{Backend, Client, Thrust, wait_until};
use std::{net::TcpStream, time::Instant};

const CONNECTIONS: u64 = 2000;

#[test]
fn idle_it_takes_at_most_10_megabytes() {
    let backend = Backend::respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let begun = Instant::now();
    let thrust = Thrust::in_front_of(&backend);
    println!("from exec to listening: {:.1} ms", begun.elapsed().as_secs_f64() * 1000.0);
    let kilobytes = resident(&thrust);
    println!("idle: {kilobytes} KB");
    assert!(kilobytes <= 10 * 1024, "{kilobytes} KB");
}

#[test]
fn idle_connections_cost_at_most_10_kilobytes_each() {
    let limit = nix::sys::resource::Resource::RLIMIT_NOFILE;
    let (_, hard) = nix::sys::resource::getrlimit(limit).unwrap();
    nix::sys::resource::setrlimit(limit, hard, hard).unwrap();
    assert!(hard >= 3 * CONNECTIONS, "the test needs a limit of {} open files", 3 * CONNECTIONS);
    let backend = Backend::respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let thrust = Thrust::builder().upstream(backend.url()).env("THRUST_LOG_REQUESTS", "0").start();
    let before = resident(&thrust);
    let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| Client::connect(thrust.port())).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    println!("{CONNECTIONS} connections just used: {} KB more", resident(&thrust) - before);
    let most = CONNECTIONS * 10;
    wait_until("the connections give their buffers back", || resident(&thrust) - before <= most);
    println!("{CONNECTIONS} idle connections: {} KB more", resident(&thrust) - before);
    assert!(TcpStream::connect(("127.0.0.1", thrust.port())).is_ok());
}

/// In kilobytes.
fn resident(thrust: &Thrust) -> u64 {
    thrust.proc_status("VmRSS").unwrap().trim_end_matches(" kB").parse().unwrap()
}
