//! The demo page in a real browser, over TLS and HTTP/2.

use crate::support::{Folder, Thrust, browser::Browser, certificate::write_pair, free_port, wait_until};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

#[test]
fn the_demo_page_works_over_http_2() {
    let folder = Folder::new();
    write_pair(&folder);
    let mut thrust =
        Thrust::builder().tls(&folder, free_port()).env("THRUST_HTTP2", "1").command([demo()]).start();
    let page = format!("http://localhost:{}/", thrust.port());
    let mut browser = Browser::start();

    browser.visit(&page);
    is_alive_and_came_by_http_2(&mut browser);
    echoes_and_takes_an_upload(&mut browser);
    browser.visit(&page);
    is_alive_and_came_by_http_2(&mut browser);
    assets_came_from_the_cache_the_second_time(&thrust);

    // Pages that are open do not keep it from ending.
    thrust.signal(libc::SIGTERM);
    assert_eq!(thrust.wait().code(), Some(0));
    browser.await_true("document.querySelector('#echo .state').textContent.startsWith('closed')");
    for (path, status) in [("/echo", 101), ("/events", 200)] {
        let is_one = |record: &Value| record["path"] == path && record["status"] == status;
        wait_until(path, || thrust.access_log().into_iter().filter(is_one).count() >= 2);
    }
    let (redirects, others): (Vec<_>, Vec<_>) =
        thrust.access_log().into_iter().partition(|record| record["status"] == 301);
    assert_eq!(redirects.len(), 2);
    assert!(others.iter().all(|record| record["proto"] == "HTTP/2.0"), "{others:#?}");
}

/// The plain port has sent the browser to the other one; event stream and WebSocket are open.
fn is_alive_and_came_by_http_2(browser: &mut Browser) {
    browser.await_true("location.protocol === 'https:' && document.readyState === 'complete'");
    browser.await_true("document.querySelector('#events.live output').textContent > 0");
    browser.await_true("document.querySelector('#echo.live .state').textContent === 'open'");
    browser.await_true(
        "document.querySelector('#headers pre').textContent.includes('x-forwarded-proto: https')",
    );
    let protocols = browser.run(
        "[...new Set(['navigation', 'resource'].flatMap((type) => performance.getEntriesByType(type))
           .map((entry) => entry.nextHopProtocol).filter(Boolean))].join()",
    );
    assert_eq!(protocols, "h2");
    let encoded = browser.run(
        "(({ encodedBodySize, decodedBodySize }) => encodedBodySize < decodedBodySize)
           (performance.getEntriesByType('navigation')[0])",
    );
    assert_eq!(encoded, true);
}

fn echoes_and_takes_an_upload(browser: &mut Browser) {
    browser.run("document.querySelector('#echo input').value = 'Grüße'");
    browser.run("document.querySelector('#echo button').click()");
    browser.await_true("document.querySelector('#echo .log').textContent.includes('← Grüße')");
    browser.run("document.querySelector('#upload button').click()");
    browser.await_true("document.querySelector('#upload output').textContent.includes('16,777,216 bytes')");
}

fn assets_came_from_the_cache_the_second_time(thrust: &Thrust) {
    for extension in [".css", ".js"] {
        let asset = |record: &Value| record["path"].as_str().is_some_and(|path| path.ends_with(extension));
        let mut cache = Vec::new();
        wait_until("it was asked for twice", || {
            cache =
                thrust.access_log().into_iter().filter(asset).map(|record| record["cache"].clone()).collect();
            cache.len() >= 2
        });
        assert_eq!(cache, ["miss", "hit"], "{extension}");
    }
}

/// The demo application, built as thrust was.
fn demo() -> PathBuf {
    let profile = Path::new(env!("CARGO_BIN_EXE_thrust")).parent().unwrap();
    let name = profile.file_name().unwrap().to_str().unwrap();
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--example",
            "demo",
            "--profile",
            if name == "debug" { "dev" } else { name },
        ])
        .arg("--target-dir")
        .arg(profile.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.unwrap().success(), "the demo application cannot be built");
    profile.join("examples/demo")
}
