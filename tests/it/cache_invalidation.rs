//! What an unsafe request changes is forgotten (RFC 9111 §4.4).

use crate::support::{Answer, Latch, Stage};
use std::time::{Duration, Instant};

const KEPT: &str = "Cache-Control: max-age=60";

#[test]
fn what_is_forgotten() {
    let mut stage = Stage::new();
    for (line, status, forgotten) in [
        ("POST /a", "200 OK", true),
        ("POST /a", "201 Created", true),
        ("POST /a", "204 No Content", true),
        ("PUT /a", "303 See Other", true),
        ("DELETE /a", "200 OK", true),
        ("PATCH /a", "200 OK", true),
        ("PURGE /a", "200 OK", true),
        ("POST /a", "400 Bad Request", false),
        ("POST /a", "404 Not Found", false),
        ("POST /a", "422 Unprocessable Content", false),
        ("DELETE /a", "500 Internal Server Error", false),
        ("OPTIONS /a", "200 OK", false),
        ("GET /a", "200 OK", false),
        ("HEAD /a", "200 OK", false),
        ("POST /a?b", "200 OK", false),
        ("POST /A", "200 OK", false),
    ] {
        let path = line.split_once(' ').unwrap().1;
        stage.script("/a", [Answer::ok(&[KEPT], "old")]);
        // In place of whatever the last row has left.
        stage.ask("GET /a", &["Cache-Control: no-cache"]);
        let body = if status.starts_with("204") { "" } else { "done" };
        stage.script(path, [Answer::new(status, &[], body)]);
        stage.ask(line, &[]);
        stage.script("/a", [Answer::ok(&[KEPT], "new")]);
        assert_eq!(stage.get("/a").text(), if forgotten { "new" } else { "old" }, "{line}: {status}");
    }
}

#[test]
fn a_worker_that_gives_no_answer_has_changed_nothing() {
    let mut stage = Stage::new();
    stage.script("/a", [Answer::ok(&[KEPT], "old"), Answer::none()]);
    stage.get("/a");
    assert_eq!(stage.ask("POST /a", &[]).status, 502);
    assert_eq!(stage.get("/a").x_cache(), "hit");
}

#[test]
fn what_the_response_points_to_is_forgotten_on_the_same_host_alone() {
    let mut stage = Stage::new();
    for (number, (field, status, forgotten)) in [
        ("Location: /dir/item?1", "201 Created", true),
        ("Location: http://app.test/dir/item?1", "303 See Other", true),
        ("Location: https://APP.test:443/dir/item?1#part", "303 See Other", true),
        ("Location: //app.test/dir/./x/../item?1", "302 Found", true),
        ("Location: item?1", "201 Created", true),
        ("Content-Location: /dir/item?1", "200 OK", true),
        ("Content-Location: ../dir/item?1", "200 OK", true),
        ("Location: http://other.test/dir/item?1", "201 Created", false),
        ("Location: //other.test/dir/item?1", "201 Created", false),
        ("Location: http://app.test:8080/dir/item?1", "201 Created", false),
        ("Location: http://app.test@other.test/dir/item?1", "201 Created", false),
        ("Content-Location: http://app.test.other.test/dir/item?1", "200 OK", false),
        ("Location: /dir/item", "201 Created", false),
        ("Location: /dir/item?1", "400 Bad Request", false),
        ("Link: </dir/item?1>", "200 OK", false),
    ]
    .into_iter()
    .enumerate()
    {
        // Each row has an item of its own.
        let (item, field) = (format!("/dir/item?1{number}"), field.replace("?1", &format!("?1{number}")));
        stage.script(&item, [Answer::ok(&[KEPT], "old"), Answer::ok(&[KEPT], "new")]);
        assert_eq!(stage.get(&item).text(), "old");
        stage.script("/dir/form", [Answer::new(status, &[&field], "")]);
        stage.ask("POST /dir/form", &[]);
        assert_eq!(stage.get(&item).text(), if forgotten { "new" } else { "old" }, "{field}: {status}");
    }
}

#[test]
fn all_variants_are_forgotten() {
    let mut stage = Stage::new();
    stage.script("/a", [Answer::ok(&[KEPT, "Vary: X-Own"], "old")]);
    let variants = ["X-Own: 1", "X-Own: 2"];
    for own in variants {
        assert_eq!(stage.ask("GET /a", &[own]).x_cache(), "miss");
    }
    stage.ask("POST /a", &[]);
    for own in variants {
        assert_eq!(stage.ask("GET /a", &[own]).x_cache(), "miss", "{own}");
    }
}

#[test]
fn other_hosts_keep_theirs() {
    let mut stage = Stage::new();
    stage.script("/a", [Answer::ok(&[KEPT], "body")]);
    let mut other = stage.client();
    let mut ask_other = |method: &str| {
        let request = format!("{method} /a HTTP/1.1\r\nHost: other.test\r\n\r\n");
        other.send(request).response().x_cache().to_owned()
    };
    assert_eq!((stage.get("/a").x_cache(), &*ask_other("GET")), ("miss", "miss"));
    stage.ask("POST /a", &[]);
    assert_eq!((stage.get("/a").x_cache(), &*ask_other("GET")), ("miss", "hit"));
    ask_other("DELETE");
    assert_eq!((stage.get("/a").x_cache(), &*ask_other("GET")), ("hit", "miss"));
}

#[test]
fn what_is_on_its_way_meanwhile_is_not_stored() {
    let mut stage = Stage::new();
    let latch = Latch::default();
    let old = Answer::ok(&[KEPT], "old").behind(&latch);
    stage.script("/a", [old, Answer::ok(&[], "done"), Answer::ok(&[KEPT], "new")]);
    let mut first = stage.client();
    first.send_get("/a");
    stage.await_asked("/a", 1);
    assert_eq!(stage.ask("POST /a", &[]).text(), "done");
    let start = Instant::now();
    assert_eq!(stage.get("/a").text(), "new");
    assert!(start.elapsed() < Duration::from_secs(4), "somebody waits for it still");
    latch.open();
    assert_eq!(first.response().text(), "old", "its own client gets it");
    assert_eq!(stage.get("/a").text(), "new");
    assert_eq!(stage.asked("/a").len(), 3);
}

#[test]
fn a_validation_on_its_way_meanwhile_renews_nothing() {
    let mut stage = Stage::new();
    let latch = Latch::default();
    let stale = Answer::ok(&[KEPT, "Age: 90", "ETag: \"v1\""], "old");
    let renewal = Answer::not_modified(&[KEPT]).behind(&latch);
    stage.script("/a", [stale, renewal, Answer::ok(&[], "done"), Answer::ok(&[KEPT], "new")]);
    stage.get("/a");
    let mut first = stage.client();
    first.send_get("/a");
    stage.await_asked("/a", 2);
    stage.ask("DELETE /a", &[]);
    latch.open();
    assert_eq!(first.response().text(), "old", "it was asked before the other");
    assert_eq!(stage.get("/a").text(), "new");
    assert_eq!(stage.asked("/a")[3].header("if-none-match"), None);
}

#[test]
fn a_request_that_is_meant_as_another_invalidates_the_page_that_is_read() {
    let mut stage = Stage::new();
    for field in [
        "X-HTTP-Method-Override: PATCH",
        "X-Method-Override: DELETE",
        "Connection: Upgrade\r\nUpgrade: websocket",
    ] {
        stage.script("/a", [Answer::ok(&[KEPT], "old")]);
        stage.ask("GET /a", &["Cache-Control: no-cache"]);
        stage.script("/a", [Answer::ok(&[], "done"), Answer::ok(&[KEPT], "new")]);
        assert_eq!(stage.ask("POST /a", &[field]).text(), "done");
        assert_eq!(stage.get("/a").text(), "new", "{field}");
    }
}
