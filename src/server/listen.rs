//! Listening sockets.

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    time::Duration,
};

/// As many connections as the kernel lets wait for us (it caps this at `net.core.somaxconn`).
const BACKLOG: i32 = 4096;
/// A peer that vanished without a word is noticed even on a WebSocket that nobody writes to.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// How many bytes may wait in the kernel for a client to have room for them. Without this limit it takes megabytes, and
/// tells us of room only when a third of them is gone: a slow client would look as if it took nothing, for minutes.
const UNSENT: u32 = 64 * 1024;

/// Binds and listens. Without an address: every one, IPv6 and IPv4, or IPv4 alone where the kernel has no IPv6.
pub fn bind(address: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    match address {
        Some(address) => bind_to(SocketAddr::new(address, port)),
        None => bind_to((Ipv6Addr::UNSPECIFIED, port).into()).or_else(|error| match error.raw_os_error() {
            Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::EINVAL) => {
                bind_to((Ipv4Addr::UNSPECIFIED, port).into())
            }
            _ => Err(error),
        }),
    }
}

fn bind_to(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // Without it a restart would have to wait for the last connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit these.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(UNSENT)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Lets no new connection begin, while those that have begun can still be accepted: their clients believe that they are
/// connected. A listener that is simply closed resets whoever is in its queue or arrives between the last accept and
/// the close. Whoever is turned away here tries again a second later and is then refused cleanly, or finds the next
/// server.
pub(super) fn turn_away(listener: &tokio::net::TcpListener) {
    const LOAD_FLAGS: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
    const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const SYN_AND_ACK: u32 = 0x12;
    const SYN: u32 = 0x02;
    let filter = [
        socket2::SockFilter::new(LOAD_FLAGS, 0, 0, 13),
        socket2::SockFilter::new(AND, 0, 0, SYN_AND_ACK),
        socket2::SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        socket2::SockFilter::new(RETURN, 0, 0, 0),
        socket2::SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    if let Err(error) = socket2::SockRef::from(listener).attach_filter(&filter) {
        tracing::debug!(%error, "cannot filter new connections; closing the listener all the same");
    }
}
