//! What the worker is told of the client, and what of a client's own claims it gets to see.

use crate::support::{Backend, Client, Message, Thrust};
use std::time::{SystemTime, UNIX_EPOCH};

const CLAIMS: &str = concat!(
    "X-Forwarded-For: 9.9.9.9, 8.8.8.8\r\nX-Forwarded-Host: public.test\r\nX-Forwarded-Proto: https\r\n",
    "X-Forwarded-Port: 444\r\nX-Forwarded-Ssl: on\r\nX-Real-IP: 9.9.9.9\r\nClient-IP: 9.9.9.9\r\n",
    "True-Client-IP: 9.9.9.9\r\n",
);

#[test]
fn without_claims_the_connection_speaks() {
    for settings in [&[][..], &[("THRUST_FORWARD_HEADERS", "0")], &[("THRUST_TRUSTED_PROXIES", "10.0.0.0/8")]]
    {
        let (request, remote) = forwarded(settings, "Host: app.test:8080\r\n");
        assert_eq!(request.all("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(request.all("x-forwarded-host"), ["app.test:8080"]);
        assert_eq!(request.all("x-forwarded-proto"), ["http"]);
        assert_eq!(request.all("x-forwarded-port"), ["8080"]);
        assert_eq!(request.all("x-real-ip"), ["127.0.0.1"]);
        assert_eq!(remote, "127.0.0.1");
    }
}

#[test]
fn a_trusted_client_s_claims_are_kept_and_extended() {
    for settings in [
        &[][..],
        &[("THRUST_FORWARD_HEADERS", "1")],
        &[("FORWARD_HEADERS", "true")],
        &[("THRUST_TRUSTED_PROXIES", "127.0.0.0/8, ::1")],
    ] {
        let (request, remote) = forwarded(settings, &format!("Host: app.test\r\n{CLAIMS}"));
        assert_eq!(request.all("x-forwarded-for"), ["9.9.9.9, 8.8.8.8, 127.0.0.1"], "{settings:?}");
        assert_eq!(request.all("x-forwarded-host"), ["public.test"]);
        assert_eq!(request.all("x-forwarded-proto"), ["https"]);
        assert_eq!(request.all("x-forwarded-port"), ["444"]);
        assert_eq!(request.all("x-real-ip"), ["9.9.9.9"]);
        assert_eq!(request.all("client-ip"), ["9.9.9.9"]);
        let by_list = settings.iter().any(|(name, _)| *name == "THRUST_TRUSTED_PROXIES");
        assert_eq!(remote, if by_list { "8.8.8.8" } else { "9.9.9.9" }, "{settings:?}");
    }
}

#[test]
fn an_untrusted_client_s_claims_are_replaced() {
    for settings in [
        &[("THRUST_FORWARD_HEADERS", "0")][..],
        &[("THRUST_TRUSTED_PROXIES", "10.0.0.0/8")],
        &[("THRUST_TRUSTED_PROXIES", "10.0.0.0/8"), ("THRUST_FORWARD_HEADERS", "1")],
    ] {
        let (request, remote) = forwarded(settings, &format!("Host: app.test\r\n{CLAIMS}"));
        assert_eq!(request.all("x-forwarded-for"), ["127.0.0.1"], "{settings:?}");
        assert_eq!(request.all("x-forwarded-host"), ["app.test"]);
        assert_eq!(request.all("x-forwarded-proto"), ["http"]);
        assert_eq!(request.all("x-forwarded-port"), ["80"]);
        assert_eq!(request.all("x-real-ip"), ["127.0.0.1"]);
        for name in ["client-ip", "true-client-ip", "x-forwarded-ssl"] {
            assert!(request.header(name).is_none(), "{name}");
        }
        assert_eq!(remote, "127.0.0.1");
    }
}

#[test]
fn several_lines_of_addresses_become_one_list() {
    let (request, remote) =
        forwarded(&[], "Host: app.test\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 8.8.8.8\r\n");
    assert_eq!(request.all("x-forwarded-for"), ["9.9.9.9, 8.8.8.8, 127.0.0.1"]);
    assert_eq!(remote, "9.9.9.9");
}

#[test]
fn the_client_is_the_right_most_address_that_no_trusted_proxy_has() {
    let settings = [("THRUST_TRUSTED_PROXIES", "127.0.0.1/32,10.0.0.0/8,2001:db8::/32")];
    for (chain, client) in [
        ("6.6.6.6, 7.7.7.7, 10.1.2.3", "7.7.7.7"),
        ("7.7.7.7, 2001:db8::1, 10.0.0.1", "7.7.7.7"),
        ("2001:4860::1", "2001:4860::1"),
        ("7.7.7.7:1234", "7.7.7.7"),
    ] {
        let (_, remote) = forwarded(&settings, &format!("Host: app.test\r\nX-Forwarded-For: {chain}\r\n"));
        assert_eq!(remote, client, "{chain}");
    }
}

#[test]
fn a_connection_header_cannot_take_away_what_we_say() {
    let (request, _) = forwarded(
        &[("THRUST_FORWARD_HEADERS", "0")],
        "Host: app.test\r\nConnection: X-Forwarded-For, X-Real-IP, X-Forwarded-Proto, X-Request-Id, Host\r\n",
    );
    for name in ["x-forwarded-for", "x-real-ip", "x-forwarded-proto", "x-request-id", "host"] {
        assert_eq!(request.all(name).len(), 1, "{name}");
    }
}

#[test]
fn the_time_of_arrival_and_a_name_are_given_where_absent() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let before = now();
    let (request, _) = forwarded(&[], "Host: app.test\r\n");
    let start = request.header("x-request-start").unwrap().strip_prefix("t=").unwrap();
    assert!((before..=now()).contains(&start.parse().unwrap()), "{start}");
    let id = request.header("x-request-id").unwrap();
    let groups: Vec<_> = id.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
    let (other, _) = forwarded(&[], "Host: app.test\r\n");
    assert_ne!(other.header("x-request-id"), Some(id));
}

#[test]
fn the_time_of_arrival_and_the_name_are_kept_where_present() {
    let (request, _) = forwarded(
        &[],
        "Host: app.test\r\nX-Request-Start: t=1700000000000\r\nX-Request-Id: from-outside\r\n",
    );
    assert_eq!(request.all("x-request-start"), ["t=1700000000000"]);
    assert_eq!(request.all("x-request-id"), ["from-outside"]);
}

#[test]
fn the_request_s_name_is_logged() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    Client::connect(thrust.port()).get("/");
    let record = thrust.await_log(|record| record["path"] == "/");
    assert_eq!(record["request_id"].as_str(), backend.requests()[0].header("x-request-id"));
}

/// The request as the worker gets it, and the client's address as it is logged.
#[track_caller]
fn forwarded(settings: &[(&str, &str)], headers: &str) -> (Message, String) {
    let backend = Backend::respond("HTTP/1.1 204 No Content\r\n\r\n");
    let builder = Thrust::builder().upstream(backend.url());
    let thrust = settings.iter().fold(builder, |builder, (name, value)| builder.env(name, value)).start();
    let mut client = Client::connect(thrust.port());
    client.send(format!("GET /who HTTP/1.1\r\n{headers}\r\n"));
    assert_eq!(client.response().status, 204);
    let record = thrust.await_log(|record| record["path"] == "/who");
    (backend.requests().pop().unwrap(), record["remote_addr"].as_str().unwrap().to_owned())
}
