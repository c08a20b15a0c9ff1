//! What it costs to run. The figures for the README: cargo test --release --test it footprint -- --nocapture --test-threads=1

use crate::support::{Backend, Client, Secure, Thrust, wait_until};
use std::time::Instant;

const CONNECTIONS: u64 = 2000;

#[test]
fn idle_it_takes_at_most_10_megabytes() {
    // Code that was not made smaller lies in memory, too.
    let most = if cfg!(debug_assertions) { 15 } else { 10 };
    let backend = Backend::respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let begun = Instant::now();
    let thrust = Thrust::in_front_of(&backend);
    println!("from exec to listening: {:.1} ms", begun.elapsed().as_secs_f64() * 1000.0);
    let kilobytes = resident(&thrust);
    println!("idle: {kilobytes} KB");
    assert!(kilobytes <= most * 1024, "{kilobytes} KB");
}

#[test]
fn idle_connections_cost_at_most_10_kilobytes_each() {
    raise_file_limit();
    let backend = Backend::respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let thrust = Thrust::builder().upstream(backend.url()).env("THRUST_LOG_REQUESTS", "0").start();
    let before = resident(&thrust);
    let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| Client::connect(thrust.port())).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    println!("{CONNECTIONS} idle connections, used one by one: {} KB more", resident(&thrust) - before);
    for client in &mut clients {
        client.send_get("/");
    }
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    println!("all of them just used at once: {} KB more", resident(&thrust) - before);
    let most = CONNECTIONS * 10;
    wait_until("the connections give their buffers back", || resident(&thrust) - before <= most);
    println!("all of them idle again: {} KB more", resident(&thrust) - before);
}

#[test]
fn idle_connections_over_tls_cost_at_most_14_kilobytes_each() {
    raise_file_limit();
    let backend = Backend::respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let secure = Secure::in_front_of(backend, |thrust| thrust.env("THRUST_LOG_REQUESTS", "0"));
    let thrust = &secure.thrust;
    assert_eq!(secure.client().get("/").status, 200);
    let before = resident(thrust);
    let mut clients: Vec<_> = (0..CONNECTIONS / 2).map(|_| secure.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    let most = CONNECTIONS / 2 * 14;
    wait_until("the connections give their buffers back", || resident(thrust) - before <= most);
    println!("{} idle connections over TLS: {} KB more", clients.len(), resident(thrust) - before);
}

#[test]
fn a_gigabyte_up_and_down_leaves_memory_as_it_was() {
    const GIGABYTE: usize = 1 << 30;
    let backend = Backend::start(|connection| {
        let mut block = vec![b'x'; 1 << 20];
        while let Some(request) = connection.head() {
            if request.start_line().starts_with("POST") {
                (0..GIGABYTE / block.len()).for_each(|_| assert!(connection.read_exact(&mut block)));
                connection.respond_with("taken");
            } else {
                connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {GIGABYTE}\r\n\r\n"));
                (0..GIGABYTE / block.len()).for_each(|_| assert!(connection.send(&block)));
            }
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    let mut block = vec![b'x'; 1 << 20];
    let before = resident(&thrust);
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {GIGABYTE}\r\n\r\n"));
    for _ in 0..GIGABYTE / block.len() {
        client.send(&block);
    }
    assert_eq!(client.response().text(), "taken");
    println!("1 GB up: {} KB more at the most", peak(&thrust) - before);
    client.send_get("/").read_until("\r\n\r\n");
    (0..GIGABYTE / block.len()).for_each(|_| client.read_exact(&mut block).unwrap());
    let more = peak(&thrust) - before;
    println!("1 GB up and down: {more} KB more at the most");
    assert!(more < 8 * 1024, "{more} KB more");
}

/// Both ends of a connection are files, and one of them is ours.
fn raise_file_limit() {
    let limit = nix::sys::resource::Resource::RLIMIT_NOFILE;
    let (_, hard) = nix::sys::resource::getrlimit(limit).unwrap();
    nix::sys::resource::setrlimit(limit, hard, hard).unwrap();
    assert!(hard >= 3 * CONNECTIONS, "the test needs a limit of {} open files", 3 * CONNECTIONS);
}

/// The most that was ever resident, in kilobytes.
fn peak(thrust: &Thrust) -> u64 {
    thrust.proc_status("VmHWM").unwrap().trim_end_matches(" kB").parse().unwrap()
}

/// In kilobytes.
fn resident(thrust: &Thrust) -> u64 {
    thrust.proc_status("VmRSS").unwrap().trim_end_matches(" kB").parse().unwrap()
}
