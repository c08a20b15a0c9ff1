//! Who the client is: `X-Forwarded-*`, and whom to believe about it.

use super::{ConnectionInfo, Headers, Scheme, host, write};
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// Whose `X-Forwarded-*` headers are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Every peer's (a proxy stands in front of the container).
    Everyone,
    /// No peer's (the container faces the Internet).
    Nobody,
    /// Only those of peers within these networks.
    Peers(Vec<IpNet>),
}

impl Trust {
    /// Whether this peer is believed.
    pub fn covers(&self, peer: IpAddr) -> bool {
        match self {
            Trust::Everyone => true,
            Trust::Nobody => false,
            Trust::Peers(networks) => networks.iter().any(|network| network.contains(&peer)),
        }
    }
}

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whether this field tells who the client is, so that it is worth nothing from a peer that is not trusted.
pub fn is_claim(name: &str) -> bool {
    matches!(name, "x-real-ip" | "client-ip" | "true-client-ip") || name.starts_with("x-forwarded-")
}

/// Whether this field says that somebody passes on another's request. Who asks for themselves may claim another URL, but has
/// no need of it.
pub fn names_another(name: &str) -> bool {
    matches!(
        name,
        "forwarded"
            | "via"
            | "x-real-ip"
            | "x-client-ip"
            | "x-cluster-client-ip"
            | "x-original-forwarded-for"
            | "client-ip"
            | "true-client-ip"
            | "cf-connecting-ip"
            | "fly-client-ip"
    ) || name.starts_with("x-envoy-")
        || (name.starts_with("x-forwarded") && !shapes_url(name))
}

/// Fields that can make an application take a request for one with another method.
pub const METHOD_OVERRIDES: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

/// Whether this field can make an application believe that it was asked for another URL than the request line and `Host`
/// say, or with another method: frameworks build links by them, and some even route by them.
pub fn shapes_url(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("x-") else { return name == "front-end-https" };
    match rest.strip_prefix("forwarded-") {
        Some(rest) => matches!(
            rest,
            "host" | "proto" | "protocol" | "scheme" | "ssl" | "port" | "prefix" | "path" | "uri" | "server"
        ),
        None if METHOD_OVERRIDES.contains(&name) => true,
        None => matches!(
            rest,
            "host"
                | "http-host-override"
                | "original-host"
                | "original-url"
                | "original-uri"
                | "rewrite-url"
                | "url-scheme"
                | "script-name"
        ),
    }
}

/// The client's address: of a trusted peer's `X-Forwarded-For`, the right-most address that is not itself a trusted
/// proxy's; where every peer is trusted, the left-most.
pub fn client(headers: &Headers, trust: &Trust, peer: IpAddr) -> IpAddr {
    if !trust.covers(peer) {
        return peer;
    }
    let mut client = peer;
    for value in headers.get_all(FOR).rev() {
        for entry in value.to_str().unwrap_or("").rsplit(',') {
            let Some(address) = parse_address(entry.trim()) else { return client };
            client = address;
            if !trust.covers(client) {
                return client;
            }
        }
    }
    client
}

/// Says that the visitor's URL is an encrypted one, where the connection is and nobody who is believed says otherwise. From
/// then on such a request differs from the same one on a connection that is not, also to the cache.
pub fn tell_scheme(headers: &mut Headers, connection: &ConnectionInfo) {
    if connection.scheme == Scheme::Https {
        headers.insert_if_absent(PROTO, || HeaderValue::from_static("https"));
    }
}

/// Adds `X-Forwarded-For`, `-Host`, `-Proto`, `-Port` and `X-Real-IP` for the worker, where they are not there, as lines behind
/// the header; the first of them moves there, since it is longer than it was. Claims of a peer that is not trusted must be gone
/// already (see [`is_claim`]): what is still there is believed and extended.
pub fn extend(headers: &mut Headers, added: &mut Vec<u8>, connection: &ConnectionInfo, client: IpAddr) {
    let peer = &connection.peer_value;
    let said = Said::by(headers);
    let is_encrypted = match said.proto {
        Some(scheme) => scheme.as_bytes().eq_ignore_ascii_case(b"https"),
        None => connection.scheme == Scheme::Https,
    };
    if !said.port {
        let port = said.forwarded_host.or(said.host).and_then(|host| host::port(host.as_bytes()));
        let port = port.unwrap_or(if is_encrypted { 443 } else { 80 });
        write::field(added, "x-forwarded-port", itoa::Buffer::new().format(port).as_bytes());
    }
    if let (None, Some(host)) = (said.forwarded_host, said.host) {
        write::field(added, "x-forwarded-host", host.as_bytes());
    }
    if said.proto.is_none() {
        write::field(added, "x-forwarded-proto", if is_encrypted { b"https" } else { b"http" });
    }
    if !said.real_ip {
        let other = (client != connection.peer).then(|| address_value(client));
        write::field(added, "x-real-ip", other.as_ref().unwrap_or(peer).as_bytes());
    }
    // Whatever has been said of the way so far, and the peer as its last part, in one line.
    write::list(added, "x-forwarded-for", headers.get_all(FOR).chain([peer]).map(HeaderValue::as_bytes));
    if said.forwarded_for {
        headers.remove(FOR);
    }
}

/// What a request says already. Found in one pass: this is on every request's way, and each search would cost as much.
///
/// (The port is the one in the URL that the visitor sees: that which the host names, or the scheme's own. Never the port this
/// program listens on, which a visitor behind a proxy or a published container port has nothing to do with.)
#[derive(Default)]
struct Said<'a> {
    host: Option<&'a HeaderValue>,
    forwarded_host: Option<&'a HeaderValue>,
    proto: Option<&'a HeaderValue>,
    port: bool,
    real_ip: bool,
    forwarded_for: bool,
}

impl<'a> Said<'a> {
    fn by(headers: &'a Headers) -> Self {
        let mut said = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "host" => _ = said.host.get_or_insert(value),
                "x-forwarded-host" => _ = said.forwarded_host.get_or_insert(value),
                "x-forwarded-proto" => _ = said.proto.get_or_insert(value),
                "x-forwarded-port" => said.port = true,
                "x-real-ip" => said.real_ip = true,
                "x-forwarded-for" => said.forwarded_for = true,
                _ => {}
            }
        }
        said
    }
}

/// An address as a header field's value.
pub(super) fn address_value(address: IpAddr) -> HeaderValue {
    // The text of an address is a value.
    HeaderValue::from_str(&address.to_string()).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// An address as proxies write it: bare, with a port, or bracketed.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

    /// The header as the worker gets it.
    fn extended(mut headers: Headers, connection: &ConnectionInfo, client: IpAddr) -> Headers {
        let mut added = Vec::new();
        extend(&mut headers, &mut added, connection, client);
        for line in String::from_utf8(added).unwrap().lines() {
            let (name, value) = line.split_once(": ").unwrap();
            let name = HeaderName::try_from(name).unwrap();
            assert!(!headers.contains_key(&name), "{name} is there already");
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn connection(peer: &str) -> ConnectionInfo {
        ConnectionInfo::new(
            format!("{peer}:5").parse().unwrap(),
            "10.0.0.9:3000".parse().unwrap(),
            Scheme::Http,
        )
    }

    #[test]
    fn an_encrypted_connection_is_told_unless_somebody_has_said_otherwise() {
        let https = ConnectionInfo { scheme: Scheme::Https, ..connection("1.1.1.1") };
        for (connection, said, told, port) in [
            (&connection("1.1.1.1"), None, "http", "80"),
            (&connection("1.1.1.1"), Some("https"), "https", "443"),
            (&https, None, "https", "443"),
            (&https, Some("http"), "http", "80"),
        ] {
            let mut headers = Headers::of(&[("host", "a")]);
            headers.extend(said.map(|scheme| (PROTO, HeaderValue::from_static(scheme))));
            let headers = extended(headers, connection, connection.peer);
            assert_eq!((&headers[PROTO], &headers[PORT]), (&told.parse().unwrap(), &port.parse().unwrap()));
        }
    }

    #[test]
    fn a_request_on_an_encrypted_connection_is_another_one_to_the_cache() {
        let told = |scheme| {
            let mut headers = Headers::of(&[("host", "a")]);
            tell_scheme(&mut headers, &ConnectionInfo { scheme, ..connection("1.1.1.1") });
            headers.iter().any(|(name, _)| shapes_url(name.as_str()))
        };
        assert!(told(Scheme::Https) && !told(Scheme::Http), "the key is made of what shapes the URL");
    }

    #[test]
    fn who_passes_on_says_so() {
        for name in [
            "forwarded",
            "via",
            "x-real-ip",
            "x-forwarded-for",
            "x-forwarded-client-cert",
            "x-envoy-attempt-count",
        ] {
            assert!(names_another(name), "{name}");
        }
        for name in [
            "host",
            "cookie",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-forwarded-port",
            "x-thrust-explain",
        ] {
            assert!(!names_another(name), "{name}");
        }
    }

    #[test]
    fn the_client_is_the_right_most_address_that_is_no_proxy() {
        let proxies = Trust::Peers(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        for (trust, peer, chain, client_is) in [
            (&Trust::Nobody, "1.1.1.1", "9.9.9.9", "1.1.1.1"),
            (&Trust::Everyone, "1.1.1.1", "9.9.9.9, 8.8.8.8", "9.9.9.9"),
            (&proxies, "1.1.1.1", "9.9.9.9", "1.1.1.1"),
            (&proxies, "10.0.0.1", "9.9.9.9, 8.8.8.8", "8.8.8.8"),
            (&proxies, "10.0.0.1", "9.9.9.9, 8.8.8.8, 10.1.1.1", "8.8.8.8"),
            (&proxies, "10.0.0.1", "9.9.9.9, junk, 10.1.1.1", "10.1.1.1"),
            (&proxies, "10.0.0.1", "2001:db8::1, [fd00::1]:443", "2001:db8::1"),
            (&proxies, "10.0.0.1", "8.8.8.8:1234", "8.8.8.8"),
            (&proxies, "10.0.0.1", "", "10.0.0.1"),
        ] {
            let headers = Headers::of(&[("x-forwarded-for", chain)]);
            assert_eq!(
                client(&headers, trust, peer.parse().unwrap()).to_string(),
                client_is,
                "{chain} by {peer}"
            );
        }
    }

    #[test]
    fn what_a_trusted_peer_says_is_kept_and_extended() {
        let map = Headers::of(&[
            ("host", "app:3000"),
            ("x-forwarded-for", "9.9.9.9"),
            ("x-forwarded-for", "8.8.8.8"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "example.com"),
        ]);
        let map = extended(map, &connection("10.0.0.1"), "9.9.9.9".parse().unwrap());
        assert_eq!(map["x-forwarded-for"], "9.9.9.9, 8.8.8.8, 10.0.0.1");
        assert_eq!(map["x-forwarded-proto"], "https");
        assert_eq!(map["x-forwarded-host"], "example.com");
        assert_eq!(map["x-forwarded-port"], "443");
        assert_eq!(map["x-real-ip"], "9.9.9.9");
    }

    #[test]
    fn without_claims_the_connection_speaks() {
        let map = Headers::of(&[("host", "example.com:8080")]);
        let map = extended(map, &connection("1.1.1.1"), "1.1.1.1".parse().unwrap());
        let set = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port"]
            .map(|name| map[name].to_str().unwrap().to_owned());
        assert_eq!(set, ["1.1.1.1", "example.com:8080", "http", "8080"]);
        assert_eq!(map["x-real-ip"], "1.1.1.1");
    }
}
