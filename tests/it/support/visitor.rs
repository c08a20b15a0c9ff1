//! A client over TLS, which says what it was shown, and why there was no handshake.

use super::{DEADLINE, Response};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, Error, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::{
    io::{BufReader, Write},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    sync::Arc,
};

/// One connection.
pub struct Visitor {
    reader: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Visitor {
    /// Shakes hands with the port on 127.0.0.1, asking for this name and trusting what is in the file.
    ///
    /// # Errors
    /// The alert with which the server has refused.
    #[track_caller]
    pub fn connect(port: u16, name: &str, roots: Option<&Path>) -> Result<Visitor, AlertDescription> {
        let mut trusted = RootCertStore::empty();
        for root in roots.iter().flat_map(|path| CertificateDer::pem_file_iter(path).unwrap()) {
            trusted.add(root.unwrap()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(trusted)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        match connection.complete_io(&mut socket) {
            Ok(_) => Ok(Visitor { reader: BufReader::new(StreamOwned::new(connection, socket)) }),
            Err(error) => match error.get_ref().and_then(|error| error.downcast_ref()) {
                Some(Error::AlertReceived(alert)) => Err(*alert),
                _ => panic!("no handshake and no alert: {error}"),
            },
        }
    }

    /// The certificate that the server has shown.
    pub fn certificate(&self) -> Vec<u8> {
        self.reader.get_ref().conn.peer_certificates().unwrap()[0].to_vec()
    }

    /// Sends a GET, keep-alive, and reads the response.
    #[track_caller]
    pub fn get(&mut self, host: &str, path: &str) -> Response {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.reader.get_mut().write_all(request.as_bytes()).unwrap();
        let mut response = Response::read_head(&mut self.reader).unwrap();
        let framing = response.framing("GET");
        response.message.read_body(&mut self.reader, framing).unwrap();
        response
    }
}
