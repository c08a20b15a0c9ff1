//! How thrust ends: with its worker's own code, or with one that says what it could not do.

use crate::support::{Client, TestWorker, Thrust, get, thrust::Ended};
use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path};

#[test]
fn the_worker_s_exit_code_is_handed_on() {
    for code in [0, 1, 3, 255] {
        let mut thrust = Thrust::builder().worker(&TestWorker::new()).start();
        assert_eq!(get(thrust.port(), &format!("/exit/{code}")).status, 502);
        assert_eq!(thrust.wait().code(), Some(code));
    }
}

#[test]
fn the_signal_that_ended_the_worker_gives_128_and_its_number() {
    for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGABRT, libc::SIGRTMIN() + 6] {
        let mut thrust = Thrust::builder().worker(&TestWorker::new()).start();
        assert_eq!(get(thrust.port(), &format!("/kill/{signal}")).status, 502);
        assert_eq!(thrust.wait().code(), Some(128 + signal));
    }
}

#[test]
fn a_worker_that_ends_before_it_listens_ends_thrust() {
    let ended = Thrust::builder().command(["sh", "-c", "exit 7"]).run();
    assert_code(&ended, 7);
}

#[test]
fn the_command_s_words_are_passed_on_untouched() {
    let ended =
        Thrust::builder().option("--").command(["printf", "<%s>", "a b", "--help", "", "$HOME"]).run();
    assert_code(&ended, 0);
    assert!(ended.stdout.contains("<a b><--help><><$HOME>"), "{ended:?}");
}

#[test]
fn a_command_that_is_not_found_is_127() {
    for command in ["no-such-command-anywhere", "/no/such/command"] {
        let ended = Thrust::builder().command([command]).run();
        assert_code(&ended, 127);
        assert!(ended.stderr.contains(command), "{ended:?}");
    }
}

#[test]
fn a_command_that_cannot_be_executed_is_126() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("script");
    fs::write(&file, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    for command in [file.as_path(), dir.path()] {
        let ended = Thrust::builder().command([command]).run();
        assert_code(&ended, 126);
        assert!(ended.stderr.contains(command.to_str().unwrap()), "{ended:?}");
    }
}

#[test]
fn every_bad_setting_is_reported_at_once_and_nothing_is_started() {
    let dir = tempfile::tempdir().unwrap();
    let marker = dir.path().join("started");
    let ended = Thrust::builder()
        .env("THRUSTER_HTTP_PORT", "seventy")
        .env("THRUST_IDLE_TIMEOUT", "soon")
        .env("THRUST_LOG_FORMAT", "xml")
        .env("THRUST_WORKER_PORT", "0")
        .command(touch(&marker))
        .run();
    assert_code(&ended, 78);
    let faults = ["THRUSTER_HTTP_PORT", "seventy", "THRUST_IDLE_TIMEOUT", "soon", "THRUST_LOG_FORMAT", "xml"];
    for expected in faults.into_iter().chain(["THRUST_WORKER_PORT"]) {
        assert!(ended.stderr.contains(expected), "{expected} is missing: {}", ended.stderr);
    }
    assert!(!marker.exists());
}

#[test]
fn an_application_s_own_variable_is_no_fault() {
    let worker = TestWorker::new();
    let thrust =
        Thrust::builder().env("DEBUG", "app:*").env("HTTP_IDLE_TIMEOUT", "short").worker(&worker).start();
    assert_eq!(get(thrust.port(), "/env/DEBUG").text(), "app:*");
    thrust.await_stderr("HTTP_IDLE_TIMEOUT");
}

#[test]
fn a_misspelt_setting_is_warned_of_with_the_right_name() {
    let thrust = Thrust::builder().env("THRUST_IDLE_TIMEOUTS", "5").worker(&TestWorker::new()).start();
    thrust.await_stderr("THRUST_IDLE_TIMEOUTS");
    let log = thrust.stderr().replace("THRUST_IDLE_TIMEOUTS", "");
    assert!(log.contains("THRUST_IDLE_TIMEOUT"), "no suggestion: {log}");
}

#[test]
fn wrong_usage_is_2() {
    assert_code(&Thrust::builder().run(), 2);
    let ended = Thrust::builder().option("--no-such-option").command(["true"]).run();
    assert_code(&ended, 2);
    assert!(ended.stderr.contains("--no-such-option"), "{ended:?}");
}

#[test]
fn a_port_in_use_is_named_with_its_setting() {
    let dir = tempfile::tempdir().unwrap();
    let marker = dir.path().join("started");
    let taken = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0")).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for name in ["PORT", "HTTP_PORT", "THRUST_HTTP_PORT"] {
        let ended = Thrust::builder().env_remove("PORT").env(name, &port).command(touch(&marker)).run();
        assert_code(&ended, 1);
        assert!(ended.stderr.contains(&port), "{ended:?}");
        assert!(ended.stderr.contains(&format!("set {name} to")), "{ended:?}");
        assert!(!marker.exists(), "the worker was started before the port was bound");
    }
}

#[test]
fn questions_are_answered_without_starting_anything() {
    let dir = tempfile::tempdir().unwrap();
    let marker = dir.path().join("started");
    for (option, expected) in
        [("--help", "THRUST_BOOT_TIMEOUT"), ("--version", "0."), ("--check", "THRUST_WORKER_PORT")]
    {
        let ended = Thrust::builder().option(option).command(touch(&marker)).run();
        assert_code(&ended, 0);
        assert!(ended.stdout.contains(expected), "{option}: {ended:?}");
        assert!(!marker.exists());
    }
    let ended = Thrust::builder().env("THRUST_BOOT_TIMEOUT", "long").option("--check").run();
    assert_code(&ended, 78);
}

#[test]
fn a_worker_that_dies_takes_nobody_down_silently() {
    let thrust = Thrust::builder().worker(&TestWorker::new()).start();
    let port = thrust.port();
    let (mut waiting, mut begun, mut tunnel) =
        (Client::connect(port), Client::connect(port), Client::connect(port));
    waiting.send_get("/when/never");
    let mut response = begun.send_get("/begin/never").head();
    assert_eq!(response.status, 200);
    begun.read_until("begun\n\r\n");
    tunnel.send("GET /echo HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(tunnel.head().status, 101);
    thrust.await_at_worker("/when/never");

    assert_eq!(get(port, "/exit/3").status, 502);

    assert_eq!(waiting.response().status, 502);
    assert!(begun.body(&mut response).is_err(), "the broken body looks whole");
    tunnel.expect_closed();
    thrust.await_log(|record| record["path"] == "/when/never" && record["status"] == 502);
    let broken = thrust.await_log(|record| record["path"] == "/begin/never");
    assert!(broken["reason"].is_string(), "no reason why it was broken off: {broken}");
    let ended = thrust.finish();
    assert_code(&ended, 3);
    assert!(ended.stderr.contains("worker"), "the end of the worker is not logged: {ended:?}");
}

fn touch(file: &Path) -> [&str; 2] {
    ["touch", file.to_str().unwrap()]
}

#[track_caller]
fn assert_code(ended: &Ended, code: i32) {
    assert_eq!(ended.status.code(), Some(code), "{ended:?}");
}
