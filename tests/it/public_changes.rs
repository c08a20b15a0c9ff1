//! The public folder while it changes: what is in memory is looked at again, what is not is opened each time.

use crate::{
    public::{LARGE, serving, stage},
    support::{Answer, Client, Folder, Stage, wait_until},
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

/// What happens to a file, in words and in deed.
pub type Change = (&'static str, fn(&Folder));

#[test]
fn a_change_is_noticed() {
    let changes: [Change; 4] = [
        ("written over", |folder| drop(folder.put("public/a.txt", "new"))),
        ("replaced", |folder| folder.replace("public/a.txt", "new")),
        ("truncated", |folder| folder.resize("public/a.txt", 3)),
        ("of the same length, and as old", |folder| drop(folder.write("public/a.txt", "other"))),
    ];
    let mut stages = changes.map(|(what, change)| {
        let (folder, mut stage) = stage();
        folder.write("public/a.txt", "small");
        let etag = stage.get("/a.txt").header("etag").unwrap().to_owned();
        change(&folder);
        (what, folder, stage, etag)
    });
    for (what, folder, stage, etag) in &mut stages {
        let new = std::fs::read_to_string(folder.at("public/a.txt")).unwrap();
        wait_until(&format!("it is noticed: {what}"), || stage.get("/a.txt").text() == new);
        assert_ne!(stage.get("/a.txt").header("etag"), Some(&**etag), "{what}");
        assert_eq!(stage.backend.requests().len(), 0);
    }
}

/// It is often made a while after the file: who got the old one beside the new file must not keep it for good.
#[test]
fn what_is_beside_a_file_is_told_from_what_it_was_before() {
    const ACCEPT: &str = "Accept-Encoding: gzip";
    for length in [10, LARGE] {
        let (folder, mut stage) = stage();
        folder.write("public/a.css", "x".repeat(length));
        folder.write("public/a.css.gz", "old");
        let old = stage.ask("GET /a.css", &[ACCEPT]);
        assert_eq!((old.header("content-encoding"), &*old.text()), (Some("gzip"), "old"));
        folder.replace("public/a.css.gz", "new one");
        wait_until("it is noticed", || stage.ask("GET /a.css", &[ACCEPT]).text() == "new one");
        let condition = format!("If-None-Match: {}", old.header("etag").unwrap());
        let asked = stage.ask("GET /a.css", &[ACCEPT, &condition]);
        assert_eq!((asked.status, &*asked.text()), (200, "new one"), "{length}");
    }
}

#[test]
fn large_files_and_all_without_a_cache_are_never_old() {
    for (cache, length) in [("64MB", LARGE), ("0", 10)] {
        let folder = Folder::new();
        let serve = serving(&folder);
        let mut stage = Stage::with(|thrust| serve(thrust).env("THRUST_CACHE_SIZE", cache));
        for number in 0..5 {
            let body = number.to_string().repeat(length);
            folder.replace("public/a.txt", &body);
            assert!(stage.get("/a.txt").body == body.as_bytes());
        }
        folder.remove("public/a.txt");
        assert_eq!(stage.get("/a.txt").status, 404);
    }
}

#[test]
fn files_that_come_and_go() {
    let (folder, mut stage) = stage();
    stage.script("/a", [Answer::ok(&[], "worker")]);
    assert_eq!(stage.get("/a").text(), "worker");
    folder.write("public/a/index.html", "index");
    wait_until("a file that was not there is found", || stage.get("/a").text() == "index");
    folder.write("public/a.html", "page");
    wait_until("the page is before the index", || stage.get("/a").text() == "page");
    folder.remove("public/a.html");
    wait_until("the index is there again", || stage.get("/a").text() == "index");
    folder.remove("public/a/index.html");
    wait_until("the worker is asked", || stage.get("/a").text() == "worker");
}

#[test]
fn siblings_that_come_change_and_go() {
    let (folder, mut stage) = stage();
    let accept = ["Accept-Encoding: zstd, br, gzip"];
    // Of a type that is not encoded by us.
    folder.write("public/a.png", "x".repeat(2000));
    assert_eq!(stage.ask("GET /a.png", &accept).header("content-encoding"), None);
    let mut await_text = |text: &str| {
        wait_until(text, || stage.ask("GET /a.png", &accept).text().starts_with(text));
    };
    folder.write("public/a.png.gz", "first");
    await_text("first");
    folder.write("public/a.png.gz", "second");
    await_text("second");
    folder.remove("public/a.png.gz");
    await_text("x");
}

#[test]
fn a_file_that_becomes_large_and_small_again() {
    let (folder, mut stage) = stage();
    for length in [10, LARGE, 20] {
        let body = "x".repeat(length);
        folder.replace("public/a.txt", &body);
        wait_until("it is noticed", || stage.get("/a.txt").body.len() == length);
    }
}

#[test]
fn a_file_that_becomes_a_link_to_the_outside_is_gone() {
    let (folder, mut stage) = stage();
    folder.write("secret", "secret");
    folder.write("public/a.txt", "public");
    assert_eq!(stage.get("/a.txt").text(), "public");
    folder.link("public/new", "../secret");
    std::fs::rename(folder.at("public/new"), folder.at("public/a.txt")).unwrap();
    wait_until("it is noticed", || {
        let response = stage.get("/a.txt");
        assert_ne!(response.text(), "secret");
        response.status == 404
    });
}

#[test]
fn links_that_are_swapped_while_a_file_is_opened() {
    let folder = Folder::new();
    // One that was not there a moment ago is not looked for again: there are many.
    for number in 0..300 {
        folder.write(&format!("secret/{number}.txt"), "secret");
        folder.write(&format!("public/folder/{number}.txt"), "public");
    }
    let serve = serving(&folder);
    folder.link("public/link", "../secret");
    // Without a cache, so that each request opens it.
    let stage = Stage::with(|thrust| serve(thrust).env("THRUST_CACHE_SIZE", "0"));
    let over = AtomicBool::new(false);
    let swap = || {
        while !over.load(Ordering::Relaxed) {
            folder.exchange("public/folder", "public/link");
        }
    };
    let ask = || {
        let mut client = Client::connect(stage.thrust.port());
        let names = (0..1500).map(|number| format!("/folder/{}.txt", number % 300));
        let texts: Vec<_> = names.map(|name| client.get(&name).text()).collect();
        assert!(texts.iter().all(|text| text == "public" || text == "nothing written down"), "{texts:?}");
        assert!(texts.iter().any(|text| text == "public"));
    };
    thread::scope(|scope| {
        scope.spawn(swap);
        let ended = scope.spawn(ask).join();
        over.store(true, Ordering::Relaxed);
        assert!(ended.is_ok());
    });
}

#[test]
fn the_cache_keeps_what_is_asked_for_and_no_more_than_fits() {
    let folder = Folder::new();
    let serve = serving(&folder);
    for number in 0..40 {
        folder.write(&format!("public/{number}.png"), number.to_string().repeat(300_000));
    }
    let stage = Stage::with(|thrust| serve(thrust).env("THRUST_CACHE_SIZE", "4MB"));
    let resident =
        || -> u64 { stage.thrust.proc_status("VmRSS").unwrap().trim_end_matches(" kB").parse().unwrap() };
    let mut client = stage.client();
    client.get("/0.png");
    let before = resident();
    for number in 0..40 {
        let response = client.get(&format!("/{number}.png"));
        assert!(response.body == number.to_string().repeat(300_000).as_bytes());
    }
    let after = resident();
    assert!(after < before + 4 * 1024 * 13 / 10 + 4 * 1024, "{after} KB, {before} KB before");
}

#[test]
fn many_requests_for_files_hold_nobody_up() {
    let (folder, stage) = stage();
    folder.write("public/a.txt", "file");
    stage.script("/page", [Answer::ok(&[], "page")]);
    let mut clients: Vec<_> = (0..200).map(|_| stage.client()).collect();
    for client in &mut clients {
        client.send_get("/a.txt").send_get("/missing");
    }
    assert_eq!(stage.client().get("/page").text(), "page");
    for client in &mut clients {
        assert_eq!((client.response().status, client.response().status), (200, 404));
    }
}
