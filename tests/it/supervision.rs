//! What the worker gets from thrust while both live: its environment, its signals, its end.

use crate::support::{
    Client, TestWorker, Thrust, get,
    thrust::{children, is_alive, kill, proc_status},
    wait_until,
    worker::{OnTerm, SIGNALS, recorded},
};
use std::{process::Command, time::Instant};

#[test]
fn the_worker_is_told_its_port_and_inherits_the_rest() {
    let thrust = Thrust::builder().env("SECRET_KEY", "a=b c").worker(&TestWorker::new()).start();
    let env = |name: &str| get(thrust.port(), &format!("/env/{name}")).text();
    assert_eq!(env("PORT"), thrust.worker_port().to_string());
    assert_eq!(env("THRUST_WORKER_PORT"), thrust.worker_port().to_string());
    assert_eq!(env("SECRET_KEY"), "a=b c");
}

#[test]
fn the_worker_is_told_its_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("worker.sock");
    for value in [path.to_str().unwrap(), "auto"] {
        let builder = Thrust::builder().env("THRUST_WORKER_SOCKET", value).worker(&TestWorker::new());
        let thrust = builder.start();
        let env = |name: &str| get(thrust.port(), &format!("/env/{name}")).text();
        let told = env("THRUST_WORKER_SOCKET");
        assert!(told.starts_with('/') && (value == "auto" || told == value), "{value} became {told}");
        // With a port as well, Rails would listen there.
        assert_eq!((env("PORT"), env("THRUST_WORKER_PORT")), (String::new(), String::new()));
    }
}

#[test]
fn stdin_stdout_and_stderr_are_the_worker_s_own() {
    let thrust = Thrust::builder().stdin("what was piped in").worker(&TestWorker::new()).start();
    assert_eq!(get(thrust.port(), "/stdin").text(), "what was piped in");
    get(thrust.port(), "/print/this");
    thrust.await_stderr("this on stderr");
    wait_until("stdout is handed on", || thrust.stdout_lines().contains(&"this on stdout".to_owned()));
}

#[test]
fn the_worker_starts_as_if_from_a_shell() {
    let ended =
        Thrust::builder().command(["sh", "-c", "ls -l /proc/self/fd; grep Sig /proc/self/status"]).run();
    assert!(!ended.stdout.contains("socket:"), "it inherits a socket: {}", ended.stdout);
    let mask = |name: &str| {
        let line = ended.stdout.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    assert_eq!(mask("SigBlk:"), 0, "it is deaf to signals");
    assert_eq!(mask("SigIgn:") & (1 << (libc::SIGPIPE - 1)), 0, "it ignores SIGPIPE");
}

#[test]
fn every_signal_reaches_the_worker_as_often_as_it_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("signals");
    let thrust = Thrust::builder().worker(&TestWorker::new().record_signals(&file)).start();
    get(thrust.port(), "/");
    for (name, signal) in SIGNALS.into_iter().filter(|(name, _)| !matches!(*name, "TERM" | "INT")) {
        for count in 1..=3 {
            thrust.signal(signal);
            wait_until(&format!("{name} has arrived {count} times"), || recorded(&file, name) >= count);
        }
        assert_eq!(recorded(&file, name), 3, "{name} was multiplied");
    }
    assert_eq!(get(thrust.port(), "/").status, 200);
}

#[test]
fn under_nohup_neither_thrust_nor_the_worker_minds_hup() {
    let mut thrust = Thrust::builder().wrapper(["nohup"]).worker(&TestWorker::new()).start();
    get(thrust.port(), "/");
    let worker = children(thrust.pid())[0];
    for pid in [thrust.pid(), worker] {
        let ignored = u64::from_str_radix(&proc_status(pid, "SigIgn").unwrap(), 16).unwrap();
        assert_eq!(ignored & 1 << (libc::SIGHUP - 1), 1 << (libc::SIGHUP - 1), "{ignored:x}");
        kill(pid, libc::SIGHUP);
    }
    assert_eq!(get(thrust.port(), "/").status, 200);
    assert!(thrust.is_running());
}

#[test]
fn a_worker_that_will_not_end_is_killed_at_the_end_of_the_timeout() {
    let worker = TestWorker::new().on_term(OnTerm::Ignore);
    let mut thrust = Thrust::builder().env("THRUST_SHUTDOWN_TIMEOUT", "1").worker(&worker).start();
    get(thrust.port(), "/");
    let start = Instant::now();
    thrust.signal(libc::SIGTERM);
    assert_eq!(thrust.wait().code(), Some(128 + libc::SIGKILL));
    assert!(start.elapsed().as_secs_f32() > 0.9, "killed too early");
}

#[test]
fn the_worker_gets_term_before_the_end_though_a_request_is_in_flight() {
    let mut thrust =
        Thrust::builder().env("THRUST_SHUTDOWN_TIMEOUT", "2s").worker(&TestWorker::new()).start();
    let mut client = Client::connect(thrust.port());
    client.send_get("/when/never");
    thrust.await_at_worker("/when/never");
    thrust.signal(libc::SIGTERM);
    assert_eq!(client.response().status, 502);
    assert_eq!(thrust.wait().code(), Some(128 + libc::SIGTERM), "ended by KILL, not by TERM");
}

#[test]
fn a_second_term_goes_to_the_worker_at_once() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut thrust =
            Thrust::builder().env("THRUST_SHUTDOWN_TIMEOUT", "10m").worker(&TestWorker::new()).start();
        let mut client = Client::connect(thrust.port());
        client.send_get("/when/never");
        thrust.await_at_worker("/when/never");
        thrust.signal(signal);
        wait_until("nothing is accepted any more", || Client::try_connect(thrust.port()).is_err());
        assert!(thrust.is_running(), "the first one did not wait for the request in flight");
        thrust.signal(signal);
        assert_eq!(client.response().status, 502);
        assert!(thrust.wait().code() > Some(128));
    }
}

#[test]
fn the_worker_does_not_outlive_a_killed_thrust() {
    let mut thrust = Thrust::builder().worker(&TestWorker::new().on_term(OnTerm::Ignore)).start();
    let worker: i32 = get(thrust.port(), "/pid").text().parse().unwrap();
    assert!(is_alive(worker));
    thrust.signal(libc::SIGKILL);
    thrust.wait();
    wait_until("the worker is gone", || !is_alive(worker));
}

#[test]
fn the_worker_gets_the_limit_of_open_files_that_thrust_was_started_with() {
    let thrust = Thrust::builder().open_files(256, 2048).worker(&TestWorker::new()).start();
    assert_eq!(get(thrust.port(), "/open-files").text(), "256 2048");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", thrust.pid())).unwrap();
    let own = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(own.split_whitespace().nth(3), Some("2048"), "thrust has not raised its own: {own}");
}

#[test]
fn as_pid_1_it_reaps_orphans_and_obeys_signals() {
    if !may_be_pid_1() {
        eprintln!("skipped: as_pid_1_it_reaps_orphans_and_obeys_signals (no permission for a PID namespace)");
        return;
    }
    let worker = TestWorker::new().on_term(OnTerm::Exit(5));
    let mut outer = Thrust::builder().wrapper(NAMESPACE).worker(&worker).start();
    assert_ne!(get(outer.port(), "/pid").text(), "");
    let thrust = children(outer.pid())[0];
    assert!(proc_status(thrust, "NSpid").unwrap().ends_with("\t1"), "it is not PID 1");

    get(outer.port(), "/orphan");
    let sleeps = |pid: &i32| proc_status(*pid, "Name").is_some_and(|name| name == "sleep");
    let find_orphan = || children(thrust).into_iter().find(sleeps);
    wait_until("the orphan has come to thrust", || find_orphan().is_some());
    kill(find_orphan().unwrap(), libc::SIGKILL);
    wait_until("the orphan is reaped", || children(thrust).len() == 1);
    assert_eq!(get(outer.port(), "/").status, 200);

    kill(thrust, libc::SIGTERM);
    assert_eq!(outer.wait().code(), Some(5));
}

#[test]
fn as_pid_1_it_reaps_orphans_without_a_worker_too() {
    if !may_be_pid_1() {
        eprintln!(
            "skipped: as_pid_1_it_reaps_orphans_without_a_worker_too (no permission for a PID namespace)"
        );
        return;
    }
    let outer = Thrust::builder().wrapper(NAMESPACE).upstream("http://127.0.0.1:9").start();
    let thrust = children(outer.pid())[0];
    let entered = ["--target", &thrust.to_string(), "--pid", "--mount", "sh", "-c"].map(str::to_owned);
    // `docker exec` does the same.
    let executed = Command::new("nsenter").args(entered).arg("sleep 60 & exit 0").status();
    assert!(executed.unwrap().success());
    wait_until("the orphan has come to thrust", || children(thrust).len() == 1);
    kill(children(thrust)[0], libc::SIGKILL);
    wait_until("the orphan is reaped", || children(thrust).is_empty());
}

const NAMESPACE: [&str; 4] = ["unshare", "--pid", "--kill-child", "--mount-proc"];

fn may_be_pid_1() -> bool {
    let permitted = Command::new(NAMESPACE[0]).args(&NAMESPACE[1..]).arg("true").output();
    permitted.is_ok_and(|output| output.status.success())
}
