//! Ports to listen on.

use std::{
    mem,
    net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket},
    sync::atomic::{AtomicU32, Ordering},
};

/// A port that nobody listens on, handed out once in this process.
///
/// Below the range from which the kernel takes ports for `bind(0)` and for outgoing connections, so that only
/// another test process could take it before it is used; that one starts to look elsewhere.
pub fn free_port() -> u16 {
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let offset = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let number = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(offset);
        let port = u16::try_from(FIRST + number % COUNT).unwrap();
        let free = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
            && TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok()
            && UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
        if free {
            return port;
        }
    }
    panic!("no free port");
}

/// The same, kept from other test processes until this one ends: for what begins to listen late.
///
/// A UDP socket keeps it, at an address that nobody else uses: it is not in anybody's way, but the port no longer looks free.
pub fn reserved_port() -> u16 {
    loop {
        let port = free_port();
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 77), port)) {
            mem::forget(socket);
            return port;
        }
    }
}
