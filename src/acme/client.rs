//! The HTTP client that speaks to the CA: one connection for each request, of which an order takes a dozen.

use super::{StartError, trust::Trust};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::{ClientConfig, crypto::aws_lc_rs, pki_types::ServerName};
use std::{
    error,
    future::Future,
    io,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// How long connecting to one of the CA's addresses may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a request may take altogether.
const REQUEST: Duration = Duration::from_secs(60);
/// The largest response that is read.
const LARGEST: usize = 1024 * 1024;

type Fault = Box<dyn error::Error + Send + Sync>;

/// Cheap to clone; clones remember together what the CA has asked for.
#[derive(Clone)]
pub struct Client {
    tls: TlsConnector,
    retry_after: Arc<Mutex<Option<SystemTime>>>,
}

impl Client {
    /// `roots` is a file of certificates that are trusted besides those that browsers trust.
    ///
    /// # Errors
    /// Our own TLS cannot be set up.
    pub fn new(roots: Option<&Path>) -> Result<Self, StartError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let trust = Trust::new(roots, &provider)?;
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(StartError::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trust))
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(tls)), retry_after: Arc::default() })
    }

    /// The same client, which has not been asked to wait.
    pub fn afresh(&self) -> Self {
        Self { tls: self.tls.clone(), retry_after: Arc::default() }
    }

    /// When the CA wants to be asked again, where it has refused a request as one too many.
    pub fn asked_to_wait(&self) -> Option<SystemTime> {
        *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Fault> {
        let uri = request.uri().clone();
        let mut response = timeout(REQUEST, exchange(&self.tls, request))
            .await
            .unwrap_or_else(|_| Err("no answer in time".into()))
            .map_err(|error| format!("{uri}: {error}"))?;
        let after = take_retry_after(response.headers_mut());
        if matches!(response.status().as_u16(), 429 | 503) {
            *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = after;
        }
        // What is no problem document has no words that could be passed on.
        let status = response.status();
        let kind = response.headers().get(header::CONTENT_TYPE);
        if status.as_u16() >= 400
            && !kind.is_some_and(|kind| kind.as_bytes().windows(4).any(|w| w == b"json"))
        {
            return Err(format!("{uri}: the answer is {status}").into());
        }
        let (parts, body) = response.into_parts();
        Ok(BytesResponse { parts, body: Box::new(body) })
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move { client.send(request).await.map_err(Error::Other) })
    }
}

/// One request on a connection of its own.
async fn exchange(
    tls: &TlsConnector,
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<Response<Bytes>, Fault> {
    let uri = std::mem::take(request.uri_mut());
    let stream = connect(tls, &uri).await?;
    let authority = uri.authority().ok_or("no host")?;
    request.headers_mut().insert(header::HOST, HeaderValue::from_str(authority.as_str())?);
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    *request.uri_mut() = uri.path_and_query().map_or("/", |target| target.as_str()).parse()?;

    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchanged = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, LARGEST).collect().await?.to_bytes();
        Ok::<_, Fault>(Response::from_parts(parts, body))
    };
    // The connection is driven as long as the exchange lasts, and dropped with it.
    let mut exchanged = std::pin::pin!(exchanged);
    tokio::select! {
        biased;
        response = &mut exchanged => response,
        ended = connection => { ended?; exchanged.await }
    }
}

/// Connects to the first of the host's addresses that answers.
async fn connect(tls: &TlsConnector, uri: &Uri) -> Result<TlsStream<TcpStream>, Fault> {
    if uri.scheme_str() != Some("https") {
        return Err("not an https URL".into());
    }
    let host = uri.host().ok_or("no host")?.trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned())?;
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in lookup_host((host, uri.port_u16().unwrap_or(443))).await? {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(tls.connect(name, stream).await?),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last.into())
}

/// When the CA wants to be asked again. What is no such time is removed: the library takes any number for one, and panics where
/// it is beyond all times.
fn take_retry_after(headers: &mut HeaderMap) -> Option<SystemTime> {
    let after = headers.get(header::RETRY_AFTER).and_then(retry_after);
    if after.is_none() {
        headers.remove(header::RETRY_AFTER);
    }
    after
}

/// A `Retry-After` (RFC 9110 §10.2.3) as a time.
fn retry_after(value: &HeaderValue) -> Option<SystemTime> {
    let text = value.to_str().ok()?.trim();
    match text.parse::<u32>() {
        Ok(seconds) => Some(SystemTime::now() + Duration::from_secs(seconds.into())),
        Err(_) => httpdate::parse_http_date(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let parse = |text| retry_after(&HeaderValue::from_static(text));
        let soon = parse("120").unwrap().duration_since(SystemTime::now()).unwrap();
        assert!(soon <= Duration::from_secs(120) && soon > Duration::from_secs(60));
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), Some(date));
        for odd in ["", "-1", "soon", "99999999999999999999"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn what_the_library_would_panic_at_it_is_not_shown() {
        for (text, stays) in
            [("60", true), ("Sun, 06 Nov 1994 08:49:37 GMT", true), ("18446744073709551615", false)]
        {
            let mut headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(take_retry_after(&mut headers).is_some(), stays, "{text}");
            assert_eq!(headers.contains_key(header::RETRY_AFTER), stays, "{text}");
        }
    }
}
