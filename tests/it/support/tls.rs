//! TLS: thrust with certificate files, clients that speak it on a raw socket, and OpenSSL.

use super::{
    Backend, DEADLINE, Folder, Response, Thrust, certificate::write_pair, free_port, thrust::Builder,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    io::{self, BufReader, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

/// A server with a certificate for `localhost`, in front of a backend.
pub struct Secure {
    pub folder: Folder,
    pub thrust: Thrust,
    /// Of TLS.
    pub port: u16,
    pub backend: Backend,
}

impl Secure {
    /// In front of a backend that sends back what it was asked.
    #[track_caller]
    pub fn start(configure: impl FnOnce(Builder) -> Builder) -> Secure {
        Secure::in_front_of(Backend::echo_request(), configure)
    }

    #[track_caller]
    pub fn in_front_of(backend: Backend, configure: impl FnOnce(Builder) -> Builder) -> Secure {
        let folder = Folder::new();
        write_pair(&folder);
        Secure::with_files(folder, backend, configure)
    }

    /// With `cert.pem` and `key.pem` of this folder.
    #[track_caller]
    pub fn with_files(
        folder: Folder,
        backend: Backend,
        configure: impl FnOnce(Builder) -> Builder,
    ) -> Secure {
        let port = free_port();
        let thrust = configure(Thrust::builder().upstream(backend.url()).tls(&folder, port)).start();
        Secure { folder, thrust, port, backend }
    }

    /// A client that trusts the certificate which is in the folder now.
    #[track_caller]
    pub fn client(&self) -> TlsClient {
        TlsClient::connect(self.port, &trusting(&[self.folder.at("cert.pem")]))
    }

    /// What OpenSSL's client says, with these arguments, and what the server answers to a request.
    pub fn s_client(&self, arguments: &[&str]) -> String {
        let address = format!("127.0.0.1:{}", self.port);
        let always = ["s_client", "-connect", &address, "-CAfile", &self.folder.at("cert.pem"), "-ign_eof"];
        openssl(
            &[&always, arguments].concat(),
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )
        .1
    }
}

/// Runs OpenSSL with this on standard input: whether it succeeded, and what it said in all.
pub fn openssl(arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new("openssl");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that has nothing to do with its input may have gone.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).replace('\r', ""))
}

/// As [`openssl`], for what must succeed.
#[track_caller]
pub fn make(arguments: &[&str]) {
    let (succeeded, said) = openssl(arguments, "");
    assert!(succeeded, "openssl {arguments:?}: {said}");
}

/// A client's configuration that trusts the certificates in these files, and nothing else.
#[track_caller]
pub fn trusting(files: &[impl AsRef<Path>]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for file in files {
        roots.add(CertificateDer::from_pem_file(file.as_ref()).unwrap()).unwrap();
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// One connection over TLS, by another implementation's rules of closing: without a `close_notify` its end is an error.
pub struct TlsClient {
    reader: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl TlsClient {
    /// Connects to the port on 127.0.0.1; the handshake is over.
    #[track_caller]
    pub fn connect(port: u16, config: &Arc<ClientConfig>) -> TlsClient {
        TlsClient::try_connect(port, config, None).unwrap()
    }

    /// As [`TlsClient::connect`], with a buffer of this size for what the server sends.
    #[track_caller]
    pub fn connect_with_buffer(port: u16, config: &Arc<ClientConfig>, size: usize) -> TlsClient {
        TlsClient::try_connect(port, config, Some(size)).unwrap()
    }

    pub fn try_connect(
        port: u16,
        config: &Arc<ClientConfig>,
        buffer: Option<usize>,
    ) -> io::Result<TlsClient> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if let Some(size) = buffer {
            socket.set_recv_buffer_size(size)?;
        }
        socket.connect(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, port))))?;
        let mut socket = TcpStream::from(socket);
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        socket.set_write_timeout(Some(DEADLINE))?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(TlsClient { reader: BufReader::new(StreamOwned::new(session, socket)) })
    }

    /// What was negotiated.
    pub fn session(&self) -> &ClientConnection {
        &self.reader.get_ref().conn
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut TlsClient {
        let stream = self.reader.get_mut();
        stream.write_all(bytes.as_ref()).and_then(|()| stream.flush()).expect("the peer takes what is sent");
        self
    }

    /// Sends a GET without a body, keep-alive.
    #[track_caller]
    pub fn send_get(&mut self, path: &str) -> &mut TlsClient {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    /// As [`TlsClient::send_get`], and reads the response.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Response {
        self.send_get(path);
        let mut response = self.head();
        self.body(&mut response).unwrap_or_else(|error| panic!("no whole body: {error}"));
        response
    }

    /// Reads a head alone.
    #[track_caller]
    pub fn head(&mut self) -> Response {
        Response::read_head(&mut self.reader).unwrap_or_else(|error| panic!("no response: {error}"))
    }

    /// Reads the body of a response whose head is here.
    pub fn body(&mut self, response: &mut Response) -> io::Result<()> {
        let framing = response.framing("GET");
        response.message.read_body(&mut self.reader, framing)
    }

    /// Reads so many bytes, and then rests, until all are read.
    #[track_caller]
    pub fn read_slowly(&mut self, mut left: usize, piece: usize, rest: Duration) {
        let mut buffer = vec![0; piece];
        while left > 0 {
            let read = piece.min(left);
            let result = self.reader.read_exact(&mut buffer[..read]);
            result.unwrap_or_else(|error| panic!("{left} bytes are missing: {error}"));
            left -= read;
            thread::sleep(rest);
        }
    }

    /// Waits for the server to say that it closes the connection, and fails if anything else comes before.
    #[track_caller]
    pub fn expect_close_notify(&mut self) {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Ok(0) => {}
            Ok(_) => panic!("more came: {:?}", String::from_utf8_lossy(&rest)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => panic!("closed without a word"),
            Err(error) => panic!("not closed: {error}"),
        }
    }
}
