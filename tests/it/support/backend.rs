//! Backends on loopback that a test scripts: each misbehaves in exactly one way, and remembers what it was sent.

use super::{DEADLINE, Message, message::Framing, wait_until};
use std::{
    io::{self, BufReader, ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// A backend; it stops listening when dropped.
pub struct Backend {
    place: Place,
    shared: Arc<Shared>,
}

/// One connection to a backend, handed to its script.
pub struct Connection {
    /// The how-manyth connection to this backend, from 0.
    pub index: usize,
    reader: BufReader<TcpStream>,
    shared: Arc<Shared>,
}

enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

#[derive(Default)]
struct Shared {
    connections: AtomicUsize,
    open: AtomicUsize,
    requests: Mutex<Vec<Message>>,
    stopped: AtomicBool,
}

impl Backend {
    /// Runs the script on a thread for every connection to a free port of 127.0.0.1.
    pub fn start(script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Backend {
        Backend::start_at((Ipv4Addr::LOCALHOST, 0).into(), script)
    }

    /// As [`Backend::start`], at this address.
    pub fn start_at(
        address: SocketAddr,
        script: impl Fn(&mut Connection) + Send + Sync + 'static,
    ) -> Backend {
        let listener = TcpListener::bind(address).unwrap();
        let place = Place::Tcp(listener.local_addr().unwrap());
        Backend::serve(place, move || Ok(listener.accept()?.0), script)
    }

    /// As [`Backend::start`], at a Unix socket.
    pub fn start_unix(path: &Path, script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Backend {
        let listener = UnixListener::bind(path).unwrap();
        // Reading and writing are the same for every stream socket, so the script sees one type.
        let accept = move || Ok(TcpStream::from(OwnedFd::from(listener.accept()?.0)));
        Backend::serve(Place::Unix(path.to_owned()), accept, script)
    }

    /// Answers every request with these bytes, and keeps the connection.
    pub fn respond(bytes: impl AsRef<[u8]>) -> Backend {
        let bytes = bytes.as_ref().to_vec();
        Backend::start(move |connection| while connection.request().is_some() && connection.send(&bytes) {})
    }

    /// Answers every request with what this makes of it, and keeps the connection.
    pub fn answer(make: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> Backend {
        Backend::start(move |connection| {
            while let Some(request) = connection.request()
                && connection.send(make(&request))
            {}
        })
    }

    /// Answers every request with these bytes, and closes the connection.
    pub fn respond_and_close(bytes: impl AsRef<[u8]>) -> Backend {
        let bytes = bytes.as_ref().to_vec();
        Backend::start(move |connection| {
            if connection.request().is_some() {
                connection.send(&bytes);
            }
        })
    }

    /// Answers every request with itself as it came: its raw head, then its body.
    pub fn echo_request() -> Backend {
        Backend::start(|connection| {
            while let Some(request) = connection.request() {
                let body = [request.raw_head, request.body].concat();
                connection.respond_with(&body);
            }
        })
    }

    /// Answers every request with 200, these fields, and the request as it came.
    pub fn mirror(fields: &str) -> Backend {
        let fields = fields.to_owned();
        Backend::answer(move |request| {
            ok(&fields, &String::from_utf8_lossy(&[&request.raw_head[..], &request.body].concat()))
        })
    }

    /// Where it listens, as `THRUST_UPSTREAM_URL` wants it.
    pub fn url(&self) -> String {
        match &self.place {
            Place::Tcp(address) => format!("http://{address}"),
            Place::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        match &self.place {
            Place::Tcp(address) => address.port(),
            Place::Unix(path) => panic!("{} has no port", path.display()),
        }
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many connections there are: accepted, and not yet given up by the script.
    pub fn open_connections(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// The requests read so far, in the order in which they were complete.
    pub fn requests(&self) -> Vec<Message> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Waits until so many requests were read.
    #[track_caller]
    pub fn await_requests(&self, count: usize) -> Vec<Message> {
        wait_until(&format!("the backend has {count} requests"), || self.requests().len() >= count);
        self.requests()
    }

    fn serve(
        place: Place,
        accept: impl Fn() -> io::Result<TcpStream> + Send + 'static,
        script: impl Fn(&mut Connection) + Send + Sync + 'static,
    ) -> Backend {
        let shared = Arc::new(Shared::default());
        let (serving, script) = (Arc::clone(&shared), Arc::new(script));
        thread::spawn(move || {
            while let Ok(stream) = accept() {
                if serving.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (mut connection, script) = (Connection::new(stream, &serving), Arc::clone(&script));
                thread::spawn(move || script(&mut connection));
            }
        });
        Backend { place, shared }
    }
}

/// A response with these fields, a length and this body.
pub fn ok(fields: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into()
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // The last connection wakes `accept`, which then sees that it is to stop.
        match &self.place {
            Place::Tcp(address) => drop(TcpStream::connect(address)),
            Place::Unix(path) => drop(std::os::unix::net::UnixStream::connect(path)),
        }
    }
}

impl Connection {
    fn new(stream: TcpStream, shared: &Arc<Shared>) -> Connection {
        let index = shared.connections.fetch_add(1, Ordering::SeqCst);
        shared.open.fetch_add(1, Ordering::SeqCst);
        Connection { index, reader: BufReader::new(stream), shared: Arc::clone(shared) }
    }

    /// A connection that belongs to no backend.
    pub fn standalone(stream: TcpStream) -> Connection {
        Connection::new(stream, &Arc::default())
    }

    /// Reads and records a whole request; `None` where the connection ends before it is complete.
    pub fn request(&mut self) -> Option<Message> {
        let mut request = self.head()?;
        self.body(&mut request).ok()?;
        self.shared.requests.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// Reads a request's head alone, and records nothing.
    pub fn head(&mut self) -> Option<Message> {
        Message::read_head(&mut self.reader).ok()?
    }

    /// Reads the body of a request whose head is here.
    pub fn body(&mut self, request: &mut Message) -> io::Result<()> {
        let framing = request.declared_framing().unwrap_or(Framing::Empty);
        request.read_body(&mut self.reader, framing)
    }

    /// Records a request that was read in parts.
    pub fn record(&self, request: &Message) {
        self.shared.requests.lock().unwrap().push(request.clone());
    }

    /// Reads what is there next, at most as much as there is room; 0 at the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        self.reader.read(buffer).unwrap_or(0)
    }

    /// Reads exactly as much as there is room for; whether there was as much.
    pub fn read_exact(&mut self, buffer: &mut [u8]) -> bool {
        self.reader.read_exact(buffer).is_ok()
    }

    /// Sends the bytes as they are; whether the peer took them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.reader.get_mut().write_all(bytes.as_ref()).is_ok()
    }

    /// Answers 200 with this body.
    pub fn respond_with(&mut self, body: impl AsRef<[u8]>) -> bool {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        self.send([head.as_bytes(), body].concat())
    }

    /// Waits until the peer has closed or reset the connection; whether it did so before the deadline.
    pub fn await_close(&mut self) -> bool {
        let _ = self.stream().set_read_timeout(Some(DEADLINE));
        match io::copy(&mut self.reader, &mut io::sink()) {
            Ok(_) => true,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }

    /// Ends the sending direction.
    pub fn finish_sending(&self) {
        let _ = self.stream().shutdown(Shutdown::Write);
    }

    /// The socket, for what has no method here.
    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::SeqCst);
    }
}
