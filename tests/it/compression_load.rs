//! Encoding for many at a time, and for slow readers.

use crate::support::{Backend, Client, Coding, Latch, Thrust};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Text that becomes a quarter smaller at best: it passes through an encoder's whole window before a client's buffers are
/// full.
fn hardly_compressible(length: usize) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut random = fastrand::Rng::with_seed(1);
    std::iter::repeat_with(|| LETTERS[random.usize(..64)]).take(length).collect()
}

/// `/endless` goes on until the client leaves; anything else is short, and not to be stored.
fn endless() -> Backend {
    let block = Arc::new(hardly_compressible(256 * 1024));
    Backend::start(move |connection| {
        while let Some(request) = connection.head() {
            if request.target() != "/endless" {
                connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi");
                continue;
            }
            connection
                .send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n");
            let chunk = [format!("{:x}\r\n", block.len()).as_bytes(), &block, b"\r\n"].concat();
            while connection.send(&chunk) {}
            return;
        }
    })
}

/// On one processor: whoever does not give way has it alone.
#[test]
fn long_downloads_do_not_keep_others_waiting() {
    let backend = endless();
    let thrust = Thrust::builder().wrapper(["taskset", "-c", "0"]).upstream(backend.url()).start();
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = Coding::ALL
        .into_iter()
        .map(|coding| {
            let mut client = Client::connect(thrust.port());
            client.send_request("GET", "/endless", &(coding.accepted() + "\r\n")).head();
            let (done, begun) = (Arc::clone(&done), Latch::new());
            let reading = begun.clone();
            let thread = thread::spawn(move || {
                let (mut buffer, mut read) = (vec![0; 64 * 1024], 0_u64);
                while !done.load(Ordering::SeqCst) {
                    client.read_exact(&mut buffer).unwrap();
                    read += buffer.len() as u64;
                    begun.open();
                }
                read
            });
            reading.wait();
            thread
        })
        .collect();
    // The downloads never end: whoever waited for that would wait in vain.
    let mut others: Vec<_> = (0..5).map(|_| Client::connect(thrust.port())).collect();
    for _ in 0..2 {
        for other in &mut others {
            assert_eq!(other.ask("GET /short", &["Accept-Encoding: br"]).text(), "hi");
        }
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.join().unwrap() > 0);
    }
}

/// A slow reader costs its encoder, whose size the window decides, and what waits between the sockets. The defaults of
/// brotli alone would take 10 MB.
#[test]
fn a_slow_reader_costs_a_bounded_amount_of_memory() {
    const READERS: u64 = 24;
    /// Bytes of the encoded body that each reads before it pauses: more than an encoder's window holds.
    const READ: usize = 400 * 1024;
    let backend = endless();
    for (coding, most) in [(Coding::Zstd, 2048), (Coding::Brotli, 4096), (Coding::Gzip, 1024)] {
        let thrust = Thrust::builder().upstream(backend.url()).start();
        Client::connect(thrust.port()).ask("GET /short", &[&coding.accepted()]);
        let before = resident(&thrust);
        let mut readers: Vec<_> = (0..READERS).map(|_| Client::connect(thrust.port())).collect();
        for reader in &mut readers {
            assert_eq!(
                reader.send_request("GET", "/endless", &(coding.accepted() + "\r\n")).head().coding(),
                coding.name()
            );
        }
        let mut buffer = vec![0; READ];
        readers.iter_mut().for_each(|reader| reader.read_exact(&mut buffer).unwrap());
        let each = (resident(&thrust) - before) / READERS;
        println!("{coding:?}: {each} KB each");
        assert!(each <= most, "{coding:?}: {each} KB for each of {READERS} slow readers");
        // They are alive.
        readers.iter_mut().for_each(|reader| reader.read_exact(&mut buffer[..READ / 8]).unwrap());
    }
}

/// In kilobytes.
fn resident(thrust: &Thrust) -> u64 {
    thrust.proc_status("VmRSS").unwrap().trim_end_matches(" kB").parse().unwrap()
}
