//! A worker that needs nothing around it: answers every request with its target, and exits with 0 on TERM.

#![allow(unsafe_code, reason = "the standard library has no signals")]

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
};

unsafe extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn _exit(code: i32) -> !;
}

extern "C" fn leave(_: i32) {
    // SAFETY: it may be called in a signal handler.
    unsafe { _exit(0) }
}

fn main() -> std::io::Result<()> {
    // SAFETY: the handler does nothing that a signal handler may not.
    unsafe { signal(15, leave) };
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3001);
    for stream in TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.incoming() {
        let stream = stream?;
        thread::spawn(move || serve(stream));
    }
    Ok(())
}

fn serve(stream: TcpStream) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    while let Some(Ok(line)) = lines.next() {
        let target = line.split(' ').nth(1)?.to_owned();
        while !lines.next()?.ok()?.is_empty() {}
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", target.len());
        (&stream).write_all([head, target].concat().as_bytes()).ok()?;
    }
    Some(())
}
