//! Responses to one URL beside each other, by the fields that they vary by.

use crate::support::{Answer, Backend, Client, Thrust};

#[test]
fn variants_stand_beside_each_other() {
    let (thrust, backend) = echoing("Vary: Accept-Language, X-Own");
    let mut client = Client::connect(thrust.port());
    let variants: [&[&str]; 5] = [
        &[],
        &["Accept-Language: en"],
        &["Accept-Language: de"],
        &["Accept-Language: de", "X-Own: 1"],
        &["Accept-Language: de", "X-Own: 2"],
    ];
    for (number, fields) in variants.iter().enumerate() {
        let miss = client.ask("GET /a", fields);
        assert_eq!((miss.x_cache(), miss.text()), ("miss", shown(fields)), "{fields:?}");
        let forward = if number == 0 { "fwd=uri-miss" } else { "fwd=vary-miss" };
        assert_eq!(miss.cache_status(), format!("thrust; {forward}; stored"), "{fields:?}");
    }
    for fields in variants.iter().rev() {
        let hit = client.ask("GET /a", fields);
        assert_eq!((hit.x_cache(), hit.text()), ("hit", shown(fields)), "{fields:?}");
        assert_eq!(hit.header("vary"), Some("Accept-Language, X-Own"));
    }
    assert_eq!(backend.requests().len(), variants.len());
    assert_eq!(client.ask("HEAD /a", &["Accept-Language: fr"]).x_cache(), "miss");
}

#[test]
fn which_requests_get_the_same_variant() {
    for (vary, one, other, same) in [
        ("Vary: Accept-Encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: br;q=1.0,GZIP", true),
        ("Vary: Accept-Encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: gzip", false),
        ("vary: accept-LANGUAGE", "Accept-Language: en,de;q=0.5", "accept-language: DE;q=0.50, EN", true),
        ("Vary: Accept-Language", "Accept-Language: en;q=0.5,de", "Accept-Language: en,de;q=0.5", false),
        ("Vary: Accept", "Accept: text/html, a/b", "Accept: TEXT/HTML,a/b", true),
        ("Vary: Accept", "Accept: text/html, a/b", "Accept: a/b, text/html", false),
        ("Vary: Cookie", "Cookie: user=a", "Cookie: user=A", false),
        ("Vary: Authorization", "Authorization: Basic YTpi", "Authorization: Basic YTpC", false),
        ("Vary: X-Own", "X-Own: a", "X-Other: a", false),
        ("Vary: X-Own", "X-Own:", "X-Other: a", false),
        ("Vary: X-Own\r\nVary: X-Other", "X-Own: a", "X-Own: a", true),
        ("Vary: X-Own\r\nVary: X-Other", "X-Other: a", "X-Other: b", false),
        ("Vary: , X-Own ,", "X-Own: a", "X-Own: b", false),
        ("Vary: X-Unsent", "X-Own: a", "X-Own: b", true),
    ] {
        let (thrust, _backend) = echoing(vary);
        let mut client = Client::connect(thrust.port());
        assert_eq!(client.ask("GET /", &[one]).x_cache(), "miss", "{vary}");
        let second = client.ask("GET /", &[other]);
        assert_eq!(second.x_cache(), if same { "hit" } else { "miss" }, "{vary}: {one}, {other}");
        assert_eq!(second.text(), shown(&[if same { one } else { other }]), "{vary}: {one}, {other}");
        assert_eq!(client.ask("GET /", &[one]).text(), shown(&[one]), "{vary}: {one}, {other}");
    }
}

#[test]
fn what_varies_by_everything_is_not_stored() {
    let many = (0..17).map(|number| format!("X-{number}")).collect::<Vec<_>>().join(", ");
    for vary in ["*", ", *", "*, Accept", "Accept, *", "Accept\r\nVary: *", "Ac cept", &many] {
        let (thrust, backend) = echoing(&format!("Vary: {vary}"));
        let mut client = Client::connect(thrust.port());
        for number in 1..3 {
            let response = client.ask("GET /", &[]);
            assert_eq!(response.cache_status(), "thrust; fwd=uri-miss; detail=vary", "{vary}");
            assert_eq!(backend.requests().len(), number, "{vary}");
        }
    }
}

#[test]
fn a_url_has_a_bounded_number_of_variants() {
    const COUNT: usize = 50;
    let (thrust, _backend) = echoing("Vary: X-Bomb");
    let mut client = Client::connect(thrust.port());
    client.ask("GET /other", &[]);
    let mut ask = |number: usize, wish: &str| client.ask("GET /a", &[&format!("X-Bomb: {number}"), wish]);
    for number in 0..COUNT {
        assert_eq!(ask(number, "Accept: */*").x_cache(), "miss");
    }
    let stored: Vec<_> =
        (0..COUNT).filter(|&number| ask(number, "Cache-Control: only-if-cached").status == 200).collect();
    assert!((2..COUNT / 2).contains(&stored.len()), "{stored:?}");
    assert_eq!(stored.last(), Some(&(COUNT - 1)), "the newest stay");
    assert_eq!(stored.len(), COUNT - stored[0], "the oldest go: {stored:?}");
    assert_eq!(client.ask("GET /other", &[]).x_cache(), "hit");
}

#[test]
fn a_response_that_no_longer_varies_takes_the_place_of_all() {
    let mut stage = crate::support::Stage::new();
    let one = Answer::ok(&["Cache-Control: max-age=60", "Vary: X-Own"], "one");
    stage.script("/a", [one, Answer::ok(&["Cache-Control: max-age=60"], "two")]);
    assert_eq!(stage.ask("GET /a", &["X-Own: 1"]).text(), "one");
    assert_eq!(stage.ask("GET /a", &["X-Own: 2"]).text(), "two");
    assert_eq!(stage.ask("GET /a", &["X-Own: 1"]).text(), "two");
    assert_eq!(stage.asked("/a").len(), 2);
}

#[test]
fn each_variant_is_validated_by_its_own_validator() {
    let mut stage = crate::support::Stage::new();
    let old = ["Cache-Control: max-age=60", "Age: 90", "Vary: X-Own"];
    let variant = |tag: &str, body: &str| Answer::ok(&[&old[..], &[tag]].concat(), body);
    let renewed = Answer::not_modified(&["Cache-Control: max-age=60"]);
    stage.script("/a", [variant("ETag: \"1\"", "one"), variant("ETag: \"2\"", "two"), renewed]);
    for (own, body) in [("X-Own: 1", "one"), ("X-Own: 2", "two"), ("X-Own: 1", "one")] {
        assert_eq!(stage.ask("GET /a", &[own]).text(), body);
    }
    let conditions: Vec<_> =
        stage.asked("/a").iter().map(|request| request.header("if-none-match").map(str::to_owned)).collect();
    assert_eq!(conditions, [None, None, Some("\"1\"".to_owned())]);
    assert!(stage.ask("GET /a", &["X-Own: 1"]).cache_status().starts_with("thrust; hit"));
    assert_eq!(stage.asked("/a").len(), 3, "the one that was validated is fresh again");
    stage.ask("GET /a", &["X-Own: 2"]);
    assert_eq!(stage.asked("/a").len(), 4, "the other is not");
}

/// Fields that the tests send to be told apart by.
const SENT: [&str; 7] =
    ["Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cookie", "X-Other", "X-Own"];

/// A backend that shows what it was asked with, for a minute, and varies so.
fn echoing(vary: &str) -> (Thrust, Backend) {
    let vary = vary.to_owned();
    let backend = Backend::start(move |connection| {
        while let Some(request) = connection.request() {
            let sent = |name: &str| SENT.iter().any(|known| known.eq_ignore_ascii_case(name));
            let fields = request.headers.iter().filter(|(name, _)| sent(name));
            let fields: Vec<_> = fields.map(|(name, value)| format!("{name}: {value}")).collect();
            let fields: Vec<_> = fields.iter().map(String::as_str).collect();
            let body = shown(&fields);
            let length = body.len();
            let head = request.start_line().starts_with("HEAD ");
            let body = if head { "" } else { &body };
            connection.send(format!(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n{vary}\r\nContent-Length: {length}\r\n\r\n{body}"
            ));
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    (thrust, backend)
}

/// Fields as the backend shows them.
fn shown(fields: &[&str]) -> String {
    let line = |field: &&str| {
        let (name, value) = field.split_once(':').unwrap();
        format!("{}:{}\n", name.to_lowercase(), value.trim())
    };
    fields.iter().map(line).collect()
}
