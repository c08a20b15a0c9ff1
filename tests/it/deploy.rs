//! Deploys without downtime: a proxy that changes containers while clients go on, and each container's end.

use crate::support::{
    Client, Crowd, TestWorker, Thrust,
    balancer::{Balancer, KEPT, WebSockets},
    get,
    load::{Load, Mode},
    wait_until,
    worker::{Gate, OnTerm},
};
use std::{
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// A container that has not ended by itself is killed so long after TERM.
const KILLED_AFTER: Duration = Duration::from_secs(10);

#[test]
fn nobody_notices_three_deploys_and_a_rollback() {
    let proxy = Balancer::start();
    let mut running = container("1");
    proxy.deploy(running.port());
    let loads = [
        Load::start(proxy.port(), "/version", 4, Mode::KeepAlive),
        Load::start(proxy.port(), "/slow/30", 4, Mode::KeepAlive),
        Load::start(proxy.port(), "/version", 1, Mode::OneRequestEach),
        Load::uploading(proxy.port(), "/", &"x".repeat(20_000), 2, Mode::KeepAlive),
    ];
    let talkers: Vec<_> = (0..3).map(|_| Talker::start(proxy.port())).collect();

    let deploys = [
        ("2", WebSockets::Closed),
        ("3", WebSockets::Left),
        ("4", WebSockets::Closed),
        // Back.
        ("3", WebSockets::Left),
    ];
    for (version, sockets) in deploys {
        let new = container(version);
        replace(&proxy, &new, sockets, version);
        stop(std::mem::replace(&mut running, new));
        loads.iter().for_each(|load| load.await_more(20));
        talkers.iter().for_each(Talker::await_more);
    }

    for load in loads {
        assert_eq!(load.finish().failures, [""; 0]);
    }
    for talker in talkers {
        assert_eq!(talker.finish(), 1 + deploys.len(), "a client has connected more often than it had to");
    }
    stop(running);
}

/// Has the proxy change from one container to the next while as many requests as it keeps connections are under way.
#[track_caller]
fn replace(proxy: &Balancer, new: &Thrust, sockets: WebSockets, version: &str) {
    let (gate, old) = (Gate::new(), proxy.target());
    let mut slow = Crowd::ask(proxy.port(), KEPT, &format!("/when/{}", gate.path()), "");
    wait_until("all of them are at the old container", || old.in_flight() >= KEPT);
    proxy.deploy(new.port());
    assert_eq!(get(proxy.port(), "/version").text(), version);
    gate.open();
    for response in slow.responses() {
        assert_eq!((response.status, response.text().as_str()), (200, "done\n"));
    }
    old.drain(sockets);
    assert_eq!(old.failed_checks(), [""; 0]);
    // They stay open; it is for the container to close them.
    assert!(old.idle() > KEPT / 2, "only {} connections are kept", old.idle());
}

/// What `docker stop` does; nothing that the container was asked for may have failed.
#[track_caller]
fn stop(mut container: Thrust) {
    let start = Instant::now();
    container.signal(libc::SIGTERM);
    let status = container.wait();
    assert!(start.elapsed() < KILLED_AFTER, "it would have been killed:\n{}", container.stderr());
    assert_eq!(status.code(), Some(0), "{}", container.stderr());
    for record in container.access_log() {
        assert!(record["status"].as_u64().is_some_and(|status| status < 400), "{record}");
    }
}

/// A new container, which needs a while to boot.
#[track_caller]
fn container(version: &str) -> Thrust {
    let worker = TestWorker::new().listen_after(Duration::from_millis(200)).on_term(OnTerm::Exit(0));
    Thrust::builder().worker(&worker).env("APP_VERSION", version).start()
}

/// A client that has a WebSocket, and opens it anew where it was closed.
struct Talker {
    stop: Arc<AtomicBool>,
    heard: Arc<AtomicUsize>,
    thread: JoinHandle<usize>,
}

impl Talker {
    fn start(port: u16) -> Talker {
        let (stop, heard) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let shared = (Arc::clone(&stop), Arc::clone(&heard));
        let thread = thread::spawn(move || {
            let mut opened = 0;
            while !shared.0.load(SeqCst) {
                talk(&mut open(port), &shared.0, &shared.1);
                opened += 1;
            }
            opened
        });
        Talker { stop, heard, thread }
    }

    /// Waits until it has heard more.
    #[track_caller]
    fn await_more(&self) {
        let goal = self.heard.load(SeqCst) + 20;
        wait_until("a WebSocket goes on", || self.heard.load(SeqCst) >= goal);
    }

    /// How often it has opened its WebSocket.
    fn finish(self) -> usize {
        self.stop.store(true, SeqCst);
        self.thread.join().unwrap()
    }
}

#[track_caller]
fn open(port: u16) -> Client {
    let mut client = Client::connect(port);
    let head = client.request("GET", "/echo", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    assert_eq!(head.status, 101, "a WebSocket cannot be opened: {head:?}");
    client
}

/// Says something and hears it until the WebSocket is closed, or it is to stop.
fn talk(client: &mut Client, stop: &AtomicBool, heard: &AtomicUsize) {
    for number in 0.. {
        let said = format!("{number:08}");
        let mut echo = [0; 8];
        match client.try_send(&said).and_then(|()| client.read_exact(&mut echo)) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("it is silent, and not closed");
            }
            Err(_) => return,
            Ok(()) => {}
        }
        assert_eq!(echo, said.as_bytes());
        heard.fetch_add(1, SeqCst);
        if stop.load(SeqCst) {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
