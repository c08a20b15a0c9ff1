//! Clients that ask for the same at the same time.

use super::{Client, Response, wait_until};
use std::fs;

/// So many clients, each with a connection of its own on which it has asked.
pub struct Crowd {
    clients: Vec<Client>,
}

impl Crowd {
    /// They ask, with these lines beside Host; comes back when thrust has read all that they have sent.
    #[track_caller]
    pub fn ask(port: u16, count: usize, target: &str, fields: &str) -> Crowd {
        let mut clients: Vec<_> = (0..count).map(|_| Client::connect(port)).collect();
        for client in &mut clients {
            client.send_request("GET", target, fields);
        }
        await_taken(port);
        Crowd { clients }
    }

    /// Reads a response each.
    #[track_caller]
    pub fn responses(&mut self) -> Vec<Response> {
        self.clients.iter_mut().map(Client::response).collect()
    }

    /// Reads the head of a response each.
    #[track_caller]
    pub fn heads(&mut self) -> Vec<Response> {
        self.clients.iter_mut().map(Client::head).collect()
    }
}

/// Waits until whoever listens on this port has read all that was sent to it.
#[track_caller]
fn await_taken(port: u16) {
    wait_until("everything that was sent is read", || {
        // Nothing is on its way on loopback: what was sent is in the receiver's queue.
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap());
        tables.iter().flat_map(|table| table.lines()).all(|line| !is_unread(line, port))
    });
}

/// Whether a line of `/proc/net/tcp` is a connection to this port with something in its receive queue.
fn is_unread(line: &str, port: u16) -> bool {
    let mut columns = line.split_ascii_whitespace().skip(1);
    let local = columns.next().unwrap_or_default();
    let queues = columns.nth(2).unwrap_or_default();
    local.ends_with(&format!(":{port:04X}")) && !queues.ends_with(":00000000")
}
