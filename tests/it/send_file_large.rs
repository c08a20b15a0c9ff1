//! Large files, slow clients, and what else a download goes through.

use crate::support::{Answer, Client, Folder, Stage, Thrust, holds_within, wait_until};
use std::{fs, io::Read, time::Duration};

const KB: u64 = 1024;
const MB: u64 = 1024 * KB;
const GB: u64 = 1024 * MB;

/// More than fits between two sockets.
const LARGE: u64 = 256 * MB;

/// Kilobytes that downloads may add.
const SLACK: u64 = 24 * KB;

#[test]
fn a_file_that_shrinks_while_it_is_sent_breaks_off() {
    for fields in [&[][..], &["Cache-Control: public, max-age=60"]] {
        let folder = Folder::new();
        let mut stage = Stage::new();
        stage.script("/a", [Answer::file(&folder.sparse("large", LARGE), fields)]);
        stage.script("/other", [Answer::ok(&[], "other")]);
        let mut slow = stage.client();
        let mut response = slow.send_get("/a").head();
        assert_eq!(response.all("content-length"), [LARGE.to_string()]);
        folder.resize("large", MB);
        let error = slow.body(&mut response).unwrap_err();
        assert!(matches!(
            error.kind(),
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset
        ));
        assert!((response.body.len() as u64) < LARGE);
        assert_eq!(stage.get("/other").text(), "other");
        stage.thrust.await_stderr("broke off while it was sent");
        let record = stage.thrust.await_log(|record| record["path"] == "/a");
        assert!(record["reason"].as_str().is_some_and(|reason| reason.contains("file")), "{record}");
    }
}

#[test]
fn what_is_added_to_a_file_while_it_is_sent_is_not_sent() {
    let folder = Folder::new();
    let stage = Stage::new();
    stage.script("/a", [Answer::file(&folder.sparse("large", 64 * MB), &[])]);
    stage.script("/other", [Answer::ok(&[], "other")]);
    let mut slow = stage.client();
    let mut response = slow.send_get("/a").head();
    folder.resize("large", 65 * MB);
    slow.body(&mut response).unwrap();
    assert_eq!(response.body.len() as u64, 64 * MB);
    assert_eq!(slow.get("/other").text(), "other");
}

#[test]
fn a_file_of_gigabytes_takes_no_memory() {
    let folder = Folder::new();
    let mut stage = Stage::new();
    let size = 2 * GB + 3;
    for (target, fields) in [("/a", &[][..]), ("/kept", &["Cache-Control: public, max-age=60"])] {
        stage.script(target, [Answer::file(&folder.sparse("huge", size), fields)]);
        stage.get("/warm");
        let before = resident(&stage.thrust);
        let mut client = stage.client();
        let response = client.send_get(target).head();
        assert_eq!(response.all("content-length"), [size.to_string()]);
        // Some of it quickly, and the rest not at all.
        let mut taken = vec![0; 64 * MB as usize];
        client.read_exact(&mut taken).unwrap();
        assert!(taken.iter().all(|byte| *byte == 0));
        let peak = resident(&stage.thrust);
        assert!(peak < before + SLACK, "{target}: {peak} KB, {before} KB before");
        let far = stage.ask(&format!("GET {target}"), &["Range: bytes=2147483649-"]);
        assert_eq!((far.status, far.body.len()), (206, 2));
        assert_eq!(far.header("content-range"), Some("bytes 2147483649-2147483650/2147483651"));
        let last = stage.ask(&format!("GET {target}"), &["Range: bytes=-1, 0-0"]);
        assert_eq!(crate::support::parts(&last).len(), 2);
        let head = stage.ask(&format!("HEAD {target}"), &[]);
        assert_eq!(head.all("content-length"), [size.to_string()]);
    }
}

#[test]
fn a_client_that_leaves_closes_the_file() {
    let folder = Folder::new();
    let stage = Stage::new();
    let path = folder.sparse("large", LARGE);
    stage.script("/a", [Answer::file(&path, &[])]);
    stage.script("/kept", [Answer::file(&path, &["Cache-Control: public, max-age=60"])]);
    for target in ["/a", "/kept"] {
        let clients: Vec<_> = (0..10)
            .map(|_| {
                let mut client = stage.client();
                client.send_get(target).head();
                client
            })
            .collect();
        wait_until("ten have it open", || descriptors(&stage.thrust, &path) >= 10);
        drop(clients);
        wait_until("nobody has it open", || descriptors(&stage.thrust, &path) == 0);
    }
    stage.thrust.await_log(|record| record["path"] == "/a" && record["reason"] == "client gone");
}

#[test]
fn no_file_stays_open_behind_its_response() {
    let folder = Folder::new();
    let mut stage = Stage::new();
    let path = folder.sparse("file", 2 * MB);
    let head = "Cache-Control: public, max-age=60";
    stage.script("/a", [Answer::file(&path, &[])]);
    stage.script("/kept", [Answer::file(&path, &[head])]);
    for target in ["/a", "/kept", "/kept"] {
        for (method, field) in [
            ("HEAD", "X-A: 1"),
            ("GET", "X-A: 1"),
            ("GET", "Range: bytes=9999999-"),
            ("GET", "If-None-Match: *"),
            ("GET", "Accept-Encoding: gzip"),
        ] {
            stage.ask(&format!("{method} {target}"), &[field]);
        }
    }
    wait_until("it is closed", || descriptors(&stage.thrust, &path) == 0);
}

#[test]
fn slow_downloads_hold_nobody_up() {
    let folder = Folder::new();
    let mut stage = Stage::new();
    stage.script("/large", [Answer::file(&folder.sparse("large", LARGE), &[])]);
    stage.script("/small", [Answer::file(&folder.write("small", "small"), &[])]);
    stage.script("/page", [Answer::ok(&[], "page")]);
    let mut slow: Vec<_> = (0..100)
        .map(|_| {
            let mut client = stage.client();
            client.send_get("/large").head();
            client
        })
        .collect();
    let before = resident(&stage.thrust);
    for _ in 0..20 {
        assert_eq!(stage.get("/small").text(), "small");
        assert_eq!(stage.get("/page").text(), "page");
        let mut piece = vec![0; 64 * KB as usize];
        slow.iter_mut().for_each(|client| client.read_exact(&mut piece).unwrap());
    }
    let after = resident(&stage.thrust);
    assert!(after < before + SLACK, "{after} KB, {before} KB before");
}

#[test]
fn many_at_once_get_the_same_bytes() {
    let folder = Folder::new();
    let mut bytes = vec![0; 3 * MB as usize + 17];
    fastrand::Rng::with_seed(2).fill(&mut bytes);
    let stage = Stage::new();
    let path = folder.write("large", &bytes);
    stage.script("/a", [Answer::file(&path, &[])]);
    stage.script("/kept", [Answer::file(&path, &["Cache-Control: public, max-age=60"])]);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (bytes, port) = (&bytes, stage.thrust.port());
            scope.spawn(move || {
                let mut client = Client::connect(port);
                for target in ["/a", "/kept", "/a"] {
                    assert!(client.get(target).body == *bytes, "{target}");
                    let start = 100_003 * number;
                    let range = format!("Range: bytes={start}-{}", start + 2_000_000);
                    let part = client.ask(&format!("GET {target}"), &[&range]);
                    assert!(part.body == bytes[start..=start + 2_000_000], "{target} {range}");
                }
            });
        }
    });
}

#[test]
fn a_client_that_reads_nothing_is_cut_off() {
    let folder = Folder::new();
    let stage = Stage::with(|thrust| thrust.env("THRUST_WRITE_TIMEOUT", "300ms"));
    let path = folder.sparse("large", LARGE);
    stage.script("/a", [Answer::file(&path, &[])]);
    let mut client = stage.client();
    client.send_get("/a").head();
    wait_until("the file is closed", || descriptors(&stage.thrust, &path) == 0);
    let mut rest = Vec::new();
    let ended = client.stream().try_clone().unwrap().take(LARGE).read_to_end(&mut rest);
    assert!(ended.is_err() || (rest.len() as u64) < LARGE - MB);
    assert!(!holds_within(Duration::ZERO, || descriptors(&stage.thrust, &path) > 0));
}

/// In kilobytes.
fn resident(thrust: &Thrust) -> u64 {
    thrust.proc_status("VmRSS").unwrap().trim_end_matches(" kB").parse().unwrap()
}

/// How often it has the file open.
fn descriptors(thrust: &Thrust, path: &str) -> usize {
    let all = fs::read_dir(format!("/proc/{}/fd", thrust.pid())).unwrap().flatten();
    all.filter(|fd| fs::read_link(fd.path()).is_ok_and(|target| target.as_os_str() == path)).count()
}
