//! A client on a raw socket: sends what it is told to, reads what comes, with a deadline on every step.

use super::{DEADLINE, Response};
use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpStream},
    time::Duration,
};

/// One connection to thrust.
pub struct Client {
    reader: BufReader<TcpStream>,
}

/// Sends a GET on a connection of its own and reads the response.
#[track_caller]
pub fn get(port: u16, path: &str) -> Response {
    Client::connect(port).get(path)
}

impl Client {
    /// Connects to the port on 127.0.0.1.
    #[track_caller]
    pub fn connect(port: u16) -> Client {
        Client::try_connect(port).unwrap_or_else(|error| panic!("no connection to port {port}: {error}"))
    }

    /// As [`Client::connect`], where a refusal is to be expected.
    pub fn try_connect(port: u16) -> io::Result<Client> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Client { reader: BufReader::new(stream) })
    }

    /// Sends the bytes as they are.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Client {
        self.try_send(bytes).expect("the peer takes what is sent");
        self
    }

    /// As [`Client::send`], where the peer may have gone.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())
    }

    /// Sends a GET without a body, keep-alive.
    #[track_caller]
    pub fn send_get(&mut self, path: &str) -> &mut Client {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: app.test\r\n\r\n"))
    }

    /// Sends a GET and reads the response.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Response {
        self.send_get(path).response()
    }

    /// Sends a request without a body, with these lines beside Host, keep-alive.
    #[track_caller]
    pub fn send_request(&mut self, method: &str, target: &str, fields: &str) -> &mut Client {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: app.test\r\n{fields}\r\n"))
    }

    /// As [`Client::send_request`], and reads the response.
    #[track_caller]
    pub fn request(&mut self, method: &str, target: &str, fields: &str) -> Response {
        self.send_request(method, target, fields).response_to(method)
    }

    /// Sends a request without a body (`"GET /path"`) with these fields, and reads the response.
    #[track_caller]
    pub fn ask(&mut self, line: &str, fields: &[&str]) -> Response {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        self.send(format!("{line} HTTP/1.1\r\nHost: app.test\r\n{fields}\r\n"));
        self.response_to(line.split(' ').next().unwrap_or_default())
    }

    /// Reads one response to anything but HEAD.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    /// Reads one response to a request with that method.
    #[track_caller]
    pub fn response_to(&mut self, method: &str) -> Response {
        self.try_response_to(method).unwrap_or_else(|error| panic!("no whole response: {error}"))
    }

    /// As [`Client::response`], where it may be broken off.
    pub fn try_response(&mut self) -> io::Result<Response> {
        self.try_response_to("GET")
    }

    /// Reads a head alone: of an interim response, an upgrade, or one whose body is read in pieces.
    #[track_caller]
    pub fn head(&mut self) -> Response {
        self.try_head().unwrap_or_else(|error| panic!("no response: {error}"))
    }

    /// As [`Client::head`], where the peer may have gone.
    pub fn try_head(&mut self) -> io::Result<Response> {
        Response::read_head(&mut self.reader)
    }

    /// Reads the body of a response whose head is here; an error where it is broken off.
    pub fn body(&mut self, response: &mut Response) -> io::Result<()> {
        let framing = response.framing("GET");
        response.message.read_body(&mut self.reader, framing)
    }

    /// Reads up to and including the piece of text, whatever the framing.
    #[track_caller]
    pub fn read_until(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(text.as_bytes()) {
            let mut byte = [0];
            let result = self.reader.read_exact(&mut byte);
            let so_far = String::from_utf8_lossy(&read);
            result.unwrap_or_else(|error| panic!("no {text:?} after {so_far:?}: {error}"));
            read.push(byte[0]);
        }
        String::from_utf8_lossy(&read).into_owned()
    }

    /// Reads exactly as much as there is room for.
    pub fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact(buffer)
    }

    /// Reads what comes until the peer closes; a reset counts as closing.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("not closed: {error}"),
            _ => rest,
        }
    }

    /// Waits for the peer to close, and fails if anything comes before.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let rest = self.read_to_end();
        assert!(rest.is_empty(), "more came: {:?}", String::from_utf8_lossy(&rest));
    }

    /// Whether nothing comes, and nothing is closed, within the time.
    pub fn is_silent_for(&mut self, time: Duration) -> bool {
        self.stream().set_read_timeout(Some(time)).unwrap();
        let result = self.reader.fill_buf().map(<[u8]>::len);
        self.stream().set_read_timeout(Some(DEADLINE)).unwrap();
        matches!(result, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// Ends the sending direction.
    pub fn finish_sending(&mut self) {
        self.stream().shutdown(Shutdown::Write).unwrap();
    }

    /// The socket, for what has no method here.
    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    fn try_response_to(&mut self, method: &str) -> io::Result<Response> {
        let mut response = Response::read_head(&mut self.reader)?;
        let framing = response.framing(method);
        response.message.read_body(&mut self.reader, framing)?;
        Ok(response)
    }
}
