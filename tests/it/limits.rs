//! Resources that run out: open files, and a stdout that nobody reads.

use crate::support::{
    Answer, Backend, Client, Folder, Latch, Stage, TestWorker, Thrust, get, thrust::proc_status,
};
use std::time::Duration;

#[test]
fn more_clients_than_files_are_served_one_after_the_other() {
    let backend = Backend::respond("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let mut thrust = Thrust::builder().upstream(backend.url()).open_files(64, 64).start();
    let mut clients: Vec<_> = (0..100).map(|_| Client::connect(thrust.port())).collect();
    for client in &mut clients {
        client.send_get("/");
    }
    assert!(clients.last_mut().unwrap().is_silent_for(Duration::from_millis(300)), "all of them fit?");
    let mut served = 0;
    for mut client in clients {
        assert_eq!(client.response().status, 200, "the {served}th");
        served += 1;
    }
    assert_eq!(served, 100);
    assert!(thrust.is_running());
    assert_eq!(get(thrust.port(), "/").status, 200);
}

#[test]
fn clients_that_stay_do_not_harm_each_other_where_files_are_few() {
    let backend = Backend::respond("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let mut thrust = Thrust::builder().upstream(backend.url()).open_files(64, 64).start();
    // As many as are served at a time, and stay connected.
    let mut staying: Vec<_> = (0..12).map(|_| Client::connect(thrust.port())).collect();
    for _ in 0..3 {
        for client in &mut staying {
            client.send_get("/");
        }
        for client in &mut staying {
            assert_eq!(client.response().status, 200);
        }
    }
    assert!(thrust.is_running());
}

#[test]
fn downloads_leave_room_for_each_other_where_files_are_few() {
    let folder = Folder::new();
    // More than fits between two sockets, so that it stays open.
    let path = folder.sparse("large", 64 << 20);
    let stage = Stage::with(|thrust| thrust.open_files(64, 64));
    let latch = Latch::new();
    let head = format!("HTTP/1.1 200 OK\r\nX-Sendfile: {path}\r\nContent-Length: 0\r\n\r\n");
    let mut clients: Vec<_> = (0..30).map(|_| stage.client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        // Different ones, so that nobody waits for another's.
        stage.script(&format!("/{number}"), [Answer::raw(&head).behind(&latch)]);
        client.send_get(&format!("/{number}"));
    }
    // Each of them has a connection to the worker, which stays open.
    stage.backend.await_requests(12);
    latch.open();
    for (number, mut client) in clients.into_iter().enumerate() {
        assert_eq!(client.head().status, 200, "the {number}th");
    }
}

#[test]
fn files_that_run_out_altogether_do_not_end_thrust() {
    let backend = Backend::respond("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let mut thrust = Thrust::builder().upstream(backend.url()).open_files(22, 22).start();
    let mut clients: Vec<_> = (0..40).map(|_| Client::connect(thrust.port())).collect();
    for client in &mut clients {
        client.send_get("/");
    }
    // Some may get 502, since there is no file for a connection to the worker; nobody is forgotten.
    for mut client in clients {
        assert!(matches!(client.response().status, 200 | 502));
    }
    assert!(thrust.is_running());
    crate::support::wait_until("it has recovered", || get(thrust.port(), "/").status == 200);
}

#[test]
fn the_soft_limit_is_raised_for_us_and_not_for_the_worker() {
    let thrust = Thrust::builder().open_files(64, 256).worker(&TestWorker::new()).start();
    assert_eq!(get(thrust.port(), "/").status, 200);
    let worker = crate::support::thrust::children(thrust.pid());
    let limits = |pid: i32| {
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned();
        line.split_whitespace().skip(3).take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(limits(thrust.pid()), ["256", "256"]);
    let worker = worker.into_iter().find(|pid| proc_status(*pid, "State").is_some()).unwrap();
    assert_eq!(limits(worker), ["64", "256"]);
}

#[test]
fn a_stdout_that_nobody_reads_stalls_no_request() {
    let backend = Backend::respond("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let thrust = Thrust::builder().upstream(backend.url()).unread_stdout().start();
    let mut client = Client::connect(thrust.port());
    // Some megabytes of lines, where a pipe holds 64 KB.
    let path = format!("/{}", "x".repeat(4_000));
    for _ in 0..1_000 {
        assert_eq!(client.get(&path).status, 200);
    }
    assert_eq!(backend.requests().len(), 1_000);
}
