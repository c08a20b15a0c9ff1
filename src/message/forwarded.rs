//! Who the client is: `X-Forwarded-*`, and whom to believe about it.

use super::{ConnectionInfo, Scheme, host};
use bytes::BytesMut;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, Entry},
};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// A header field.
pub type Field = (HeaderName, HeaderValue);

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
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

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
pub fn client(headers: &HeaderMap, trust: &Trust, peer: IpAddr) -> IpAddr {
    if !trust.covers(peer) {
        return peer;
    }
    let mut client = peer;
    for value in headers.get_all(FOR).iter().rev() {
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
pub fn tell_scheme(headers: &mut HeaderMap, connection: &ConnectionInfo) {
    if connection.scheme == Scheme::Https {
        headers.entry(PROTO).or_insert(HeaderValue::from_static("https"));
    }
}

/// Adds `X-Forwarded-For`, `-Host`, `-Proto`, `-Port` and `X-Real-IP` for the worker, where they are not there. Claims of a peer
/// that is not trusted must be gone already (see [`is_claim`]): what is still there is believed and extended.
pub fn extend(headers: &mut HeaderMap, added: &mut Vec<Field>, connection: &ConnectionInfo, client: IpAddr) {
    let peer = &connection.peer_value;
    match headers.entry(FOR) {
        Entry::Vacant(_) => added.push((FOR, peer.clone())),
        Entry::Occupied(mut chain) => drop(chain.insert(joined(chain.iter(), peer))),
    }
    let host = headers.get(header::HOST);
    let named = headers.get(HOST);
    let scheme = headers.get(PROTO);
    let is_encrypted = match scheme {
        Some(scheme) => scheme.as_bytes().eq_ignore_ascii_case(b"https"),
        None => connection.scheme == Scheme::Https,
    };
    if !headers.contains_key(PORT) {
        added.push((PORT, public_port(named.or(host), is_encrypted)));
    }
    if named.is_none() {
        added.extend(host.map(|host| (HOST, host.clone())));
    }
    if scheme.is_none() {
        added.push((PROTO, HeaderValue::from_static(if is_encrypted { "https" } else { "http" })));
    }
    if !headers.contains_key(REAL_IP) {
        let value = if client == connection.peer { peer.clone() } else { address_value(client) };
        added.push((REAL_IP, value));
    }
}

/// The port in the URL that the visitor sees: the one that the host names, or the scheme's own. (Never the port this
/// program listens on, which a visitor behind a proxy or a published container port has nothing to do with.)
fn public_port(host: Option<&HeaderValue>, is_encrypted: bool) -> HeaderValue {
    match host.and_then(|host| host::port(host.as_bytes())) {
        Some(port) => HeaderValue::from(port),
        None => HeaderValue::from_static(if is_encrypted { "443" } else { "80" }),
    }
}

/// All lines of `X-Forwarded-For` and the peer as one list.
fn joined<'a>(lines: impl Iterator<Item = &'a HeaderValue>, peer: &HeaderValue) -> HeaderValue {
    let mut list = BytesMut::new();
    for line in lines {
        list.extend_from_slice(line.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(peer.as_bytes());
    // Values with commas between them are a value.
    HeaderValue::from_maybe_shared(list.freeze()).unwrap_or_else(|_| peer.clone())
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
    use crate::message::testing::map;

    /// The header as the worker gets it.
    fn extended(mut headers: HeaderMap, connection: &ConnectionInfo, client: IpAddr) -> HeaderMap {
        let mut added = Vec::new();
        extend(&mut headers, &mut added, connection, client);
        for (name, value) in added {
            assert!(headers.insert(&name, value).is_none(), "{name} is there already");
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
            let mut headers = map(&[("host", "a")]);
            headers.extend(said.map(|scheme| (PROTO, HeaderValue::from_static(scheme))));
            let headers = extended(headers, connection, connection.peer);
            assert_eq!((&headers[PROTO], &headers[PORT]), (&told.parse().unwrap(), &port.parse().unwrap()));
        }
    }

    #[test]
    fn a_request_on_an_encrypted_connection_is_another_one_to_the_cache() {
        let told = |scheme| {
            let mut headers = map(&[("host", "a")]);
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
            let headers = map(&[("x-forwarded-for", chain)]);
            assert_eq!(
                client(&headers, trust, peer.parse().unwrap()).to_string(),
                client_is,
                "{chain} by {peer}"
            );
        }
    }

    #[test]
    fn what_a_trusted_peer_says_is_kept_and_extended() {
        let map = map(&[
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
        let map = map(&[("host", "example.com:8080")]);
        let map = extended(map, &connection("1.1.1.1"), "1.1.1.1".parse().unwrap());
        let set = ["for", "host", "proto", "port"]
            .map(|name| map[format!("x-forwarded-{name}")].to_str().unwrap().to_owned());
        assert_eq!(set, ["1.1.1.1", "example.com:8080", "http", "8080"]);
        assert_eq!(map["x-real-ip"], "1.1.1.1");
    }
}
