//! What the authority looks at: a plain port and a TLS port, and the certificates that were handed over.

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};
use thrust::acme::{Certificates, Tokens};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// What was handed over.
#[derive(Debug, Default)]
pub struct Store {
    certificates: Mutex<Vec<(String, Arc<CertifiedKey>)>>,
    challenges: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl Store {
    /// All certificates of a domain so far, the certificates themselves without their chains.
    pub fn of(&self, domain: &str) -> Vec<Vec<u8>> {
        let certificates = self.certificates.lock().unwrap();
        certificates.iter().filter(|(name, _)| name == domain).map(|(_, key)| key.cert[0].to_vec()).collect()
    }

    /// Whether a challenge is being presented.
    pub fn is_challenged(&self) -> bool {
        !self.challenges.lock().unwrap().is_empty()
    }
}

impl Certificates for Store {
    fn set(&self, domain: &str, certificate: Arc<CertifiedKey>) {
        certificate.keys_match().unwrap();
        self.certificates.lock().unwrap().push((domain.to_owned(), certificate));
    }

    fn challenge(&self, domain: &str, certificate: Arc<CertifiedKey>) {
        self.challenges.lock().unwrap().insert(domain.to_owned(), certificate);
    }

    fn unchallenge(&self, domain: &str) {
        self.challenges.lock().unwrap().remove(domain);
    }
}

impl ResolvesServerCert for Store {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.challenges.lock().unwrap().get(hello.server_name()?).cloned()
    }
}

/// The ports on which proofs are shown, until it is dropped.
#[derive(Default)]
pub struct Site {
    tasks: JoinSet<()>,
}

impl Site {
    /// Answers for tokens on this port.
    pub async fn plain(mut self, port: u16, tokens: &Arc<Tokens>) -> Self {
        let (listener, tokens) = (listen(port).await, tokens.clone());
        self.tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, tokens.clone()));
            }
        });
        self
    }

    /// Presents challenges on this port.
    pub async fn tls(mut self, port: u16, store: &Arc<Store>) -> Self {
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(store.clone());
        config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
        let (listener, acceptor) = (listen(port).await, TlsAcceptor::from(Arc::new(config)));
        self.tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move { drop(acceptor.accept(stream).await) });
            }
        });
        self
    }
}

async fn listen(port: u16) -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap()
}

async fn answer(stream: TcpStream, tokens: Arc<Tokens>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    let target = line.split(' ').nth(1).unwrap_or_default();
    let body = target.strip_prefix("/.well-known/acme-challenge/").and_then(|token| tokens.answer(token));
    let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
    let body = body.unwrap_or_default();
    let response =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    while stream.read_line(&mut line).await.is_ok_and(|length| length > 2) {}
    let _ = stream.write_all(response.as_bytes()).await;
}
