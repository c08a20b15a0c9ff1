//! A proxy in front of containers, which deploys as kamal-proxy does.
//!
//! A container takes the place of another when its `/up` answers 200; the other one is let go when the requests that it has
//! been given are answered. Connections to a container are kept, 100 of them without a limit of time, and are not closed
//! when it is replaced. Nothing is sent a second time: kamal-proxy would, some requests, and so hide a fault.

use super::{Backend, Client, Connection, Message, Response, wait_until};
use std::{
    io,
    net::{Shutdown, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// So many connections that nobody uses are kept.
pub const KEPT: usize = 100;
/// How often a container's health is asked for: ten times as often as kamal-proxy does.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// The proxy; it stops listening when dropped.
pub struct Balancer {
    front: Backend,
    active: Arc<Mutex<Option<Arc<Target>>>>,
}

/// What becomes of WebSockets when their container is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebSockets {
    /// They are closed at once, as kamal-proxy does.
    Closed,
    /// They are left to the container.
    Left,
}

/// A container as the proxy sees it.
pub struct Target {
    port: u16,
    idle: Mutex<Vec<Client>>,
    in_flight: AtomicUsize,
    tunnels: Mutex<Vec<TcpStream>>,
    replaced: AtomicBool,
    failed_checks: Mutex<Vec<String>>,
}

impl Balancer {
    /// In front of nothing yet.
    pub fn start() -> Balancer {
        let active = Arc::<Mutex<Option<Arc<Target>>>>::default();
        let current = Arc::clone(&active);
        let front = Backend::start(move |client| {
            while let Some(request) = client.request() {
                let entered = current.lock().unwrap().as_ref().map(InFlight::enter);
                let goes_on = match entered {
                    Some(in_flight) => pass_on(in_flight, &request, client),
                    None => client.send(failed("no container")),
                };
                if !goes_on || request.has_token("connection", "close") {
                    return;
                }
            }
        });
        Balancer { front, active }
    }

    /// The port that clients connect to.
    pub fn port(&self) -> u16 {
        self.front.port()
    }

    /// The container that gets the requests.
    pub fn target(&self) -> Arc<Target> {
        self.active.lock().unwrap().clone().expect("something was deployed")
    }

    /// Waits until the container at this port is healthy, and sends it all requests from now on.
    #[track_caller]
    pub fn deploy(&self, port: u16) {
        let target = Arc::new(Target::at(port));
        wait_until("the new container is healthy", || {
            let healthy = target.check().is_ok();
            if !healthy {
                thread::sleep(CHECK_EVERY);
            }
            healthy
        });
        Target::check_on(&target);
        if let Some(old) = self.active.lock().unwrap().replace(target) {
            old.replaced.store(true, Ordering::SeqCst);
        }
    }
}

impl Target {
    fn at(port: u16) -> Target {
        Target {
            port,
            idle: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            tunnels: Mutex::default(),
            replaced: AtomicBool::new(false),
            failed_checks: Mutex::default(),
        }
    }

    /// Waits until every request that the container was given is answered.
    #[track_caller]
    pub fn drain(&self, sockets: WebSockets) {
        if sockets == WebSockets::Closed {
            for tunnel in self.tunnels.lock().unwrap().drain(..) {
                let _ = tunnel.shutdown(Shutdown::Both);
            }
        }
        wait_until("the old container has answered", || self.in_flight() == 0);
    }

    /// How many requests it has not answered yet.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// How many connections to it are kept.
    pub fn idle(&self) -> usize {
        self.idle.lock().unwrap().len()
    }

    /// What its health checks were answered with, where that was not 200.
    pub fn failed_checks(&self) -> Vec<String> {
        self.failed_checks.lock().unwrap().clone()
    }

    /// Goes on asking whether it is healthy until it is replaced.
    fn check_on(target: &Arc<Target>) {
        let target = Arc::clone(target);
        thread::spawn(move || {
            while !target.replaced.load(Ordering::SeqCst) {
                if let Err(failure) = target.check() {
                    target.failed_checks.lock().unwrap().push(failure);
                }
                thread::sleep(CHECK_EVERY);
            }
        });
    }

    fn check(&self) -> Result<(), String> {
        let request = format!("GET /up HTTP/1.1\r\nHost: 0f1e2d3c4b5a:{}\r\n\r\n", self.port);
        let (client, response) = self.exchange(request.as_bytes()).map_err(|error| error.to_string())?;
        self.keep(client, &response);
        if response.status == 200 { Ok(()) } else { Err(response.status.to_string()) }
    }

    /// Sends a request, on a kept connection where there is one, and reads the response.
    fn exchange(&self, request: &[u8]) -> io::Result<(Client, Response)> {
        let mut client = match self.take_idle() {
            Some(client) => client,
            None => Client::try_connect(self.port)?,
        };
        client.try_send(request)?;
        let mut response = client.try_head()?;
        client.body(&mut response)?;
        Ok((client, response))
    }

    /// The connection that was used last; those that the container has closed are thrown away.
    fn take_idle(&self) -> Option<Client> {
        let mut idle = self.idle.lock().unwrap();
        while let Some(client) = idle.pop() {
            if is_open(client.stream()) {
                return Some(client);
            }
        }
        None
    }

    fn keep(&self, client: Client, response: &Response) {
        let mut idle = self.idle.lock().unwrap();
        if idle.len() < KEPT && !response.has_token("connection", "close") {
            idle.push(client);
        }
    }

    /// Passes bytes on both ways until both sides have ended, or the tunnel is closed.
    fn tunnel(&self, inner: &TcpStream, outer: &TcpStream) -> io::Result<()> {
        let (inner_too, outer_too) = (inner.try_clone()?, outer.try_clone()?);
        self.tunnels.lock().unwrap().extend([inner.try_clone()?, outer.try_clone()?]);
        let back = thread::spawn(move || copy(&inner_too, &outer_too));
        copy(outer, inner);
        back.join().unwrap();
        Ok(())
    }
}

/// A request that a container was given.
struct InFlight {
    target: Arc<Target>,
}

impl InFlight {
    fn enter(target: &Arc<Target>) -> InFlight {
        target.in_flight.fetch_add(1, Ordering::SeqCst);
        InFlight { target: Arc::clone(target) }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.target.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Has the container answer a request; whether the client's connection goes on.
fn pass_on(in_flight: InFlight, request: &Message, client: &mut Connection) -> bool {
    let target = Arc::clone(&in_flight.target);
    match target.exchange(&forwarded(request)) {
        Err(error) => client.send(failed(&error.to_string())),
        Ok((inner, response)) if response.status == 101 => {
            drop(in_flight);
            // Neither side has sent more yet: the clients wait for the switch, and the worker for the clients.
            let _ = client.send(&response.raw_head) && target.tunnel(inner.stream(), client.stream()).is_ok();
            false
        }
        Ok((inner, response)) => {
            target.keep(inner, &response);
            client.send(answer(&response))
        }
    }
}

/// A request as it goes to the container.
fn forwarded(request: &Message) -> Vec<u8> {
    let upgrades = request.header("upgrade").is_some();
    let mut head = end_to_end(request, upgrades);
    head += "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\n";
    if request.declared_framing().is_some() {
        head += &format!("Content-Length: {}\r\n", request.body.len());
    }
    [head.as_bytes(), b"\r\n", &request.body].concat()
}

/// A response as it goes to the client.
fn answer(response: &Response) -> Vec<u8> {
    let head = format!("{}Content-Length: {}\r\n\r\n", end_to_end(response, false), response.body.len());
    [head.as_bytes(), &response.body].concat()
}

/// A head without its end, and without what is between two neighbours.
fn end_to_end(message: &Message, upgrades: bool) -> String {
    let framing = ["content-length", "transfer-encoding"];
    let is_hop = |name: &str| {
        let name = name.to_ascii_lowercase();
        framing.contains(&&*name) || (!upgrades && ["connection", "upgrade"].contains(&&*name))
    };
    let fields = message.headers.iter().filter(|(name, _)| !is_hop(name));
    let lines = fields.map(|(name, value)| format!("{name}: {value}\r\n"));
    [format!("{}\r\n", message.start_line())].into_iter().chain(lines).collect()
}

fn failed(why: &str) -> String {
    format!("HTTP/1.1 502 Bad Gateway\r\nContent-Length: {}\r\n\r\n{why}", why.len())
}

/// Whether the peer has neither closed the connection nor sent anything.
fn is_open(stream: &TcpStream) -> bool {
    let _ = stream.set_nonblocking(true);
    let silent = stream.peek(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
    let _ = stream.set_nonblocking(false);
    silent
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
