//! Certificates by ACME, from Debian's `pebble`: a real authority, which refuses three of five nonces here.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod ca;
#[path = "../it/support/ports.rs"]
mod ports;
mod site;

use ca::{Ca, EAB_KEY, Kind, Papers, Ports};
use ports::reserved_port;
use serde_json::Value;
use site::{Site, Store};
use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;
use thrust::acme::{Eab, Manager, Options, Pace, StartError, Tokens};

const DOMAIN: &str = "app.example";

/// Waits until the condition holds; fails the test at a deadline that is never how long it should take.
#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Everything about one authority and one folder, but no process yet.
struct Scene {
    ports: Ports,
    papers: Papers,
    folder: TempDir,
    tokens: Arc<Tokens>,
    store: Arc<Store>,
}

impl Scene {
    fn new() -> Self {
        Self {
            ports: Ports::new(),
            papers: Papers::new(),
            folder: tempfile::tempdir().unwrap(),
            tokens: Arc::default(),
            store: Arc::default(),
        }
    }

    fn ca(&self, kind: Kind) -> Ca {
        Ca::start(&self.papers, self.ports, kind)
    }

    /// Pauses are short here.
    fn options(&self) -> Options {
        let short = Duration::from_millis(50);
        Options {
            domains: vec![DOMAIN.to_owned()],
            directory: self.ports.url(),
            email: Some("ops@app.example".to_owned()),
            eab: None,
            storage: self.folder.path().join("storage"),
            roots: Some(self.papers.roots()),
            pace: Pace { first: short, most: Duration::from_secs(1), poll: short, ..Pace::default() },
        }
    }

    fn manage(&self, options: Options) -> Manager {
        Manager::start(options, self.store.clone(), self.tokens.clone()).unwrap()
    }

    async fn plain(&self) -> Site {
        Site::default().plain(self.ports.plain, &self.tokens).await
    }

    /// The folder of this authority.
    fn kept(&self) -> PathBuf {
        let storage = self.folder.path().join("storage");
        storage.join(format!("127.0.0.1-{}-dir", self.ports.directory))
    }

    fn wait_for_certificate(&self) {
        wait_until("there is a certificate", || !self.store.of(DOMAIN).is_empty());
    }

    /// What is written down of a domain's past.
    fn history(&self, domain: &str) -> Value {
        let text = fs::read_to_string(self.kept().join(format!("{domain}.json"))).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn failures(&self, domain: &str) -> u64 {
        self.history(domain)["failures"].as_u64().unwrap_or(0)
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn ordered_by_http_and_kept_for_the_next_start() {
    let scene = Scene::new();
    let (ca, _site) = (scene.ca(Kind::default()), scene.plain().await);
    let manager = scene.manage(scene.options());
    scene.wait_for_certificate();
    wait_until("that is written down", || scene.history(DOMAIN)["method"] == "http-01");
    assert_eq!(mode(&scene.kept()), 0o700);
    for entry in fs::read_dir(scene.kept()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    drop((manager, ca));

    // No authority is needed now, nor any time.
    let later = Arc::new(Store::default());
    let _manager = Manager::start(scene.options(), later.clone(), scene.tokens.clone()).unwrap();
    assert_eq!(later.of(DOMAIN), scene.store.of(DOMAIN));
    assert_eq!(scene.papers.orders(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ordered_by_tls_where_the_plain_port_is_closed() {
    let scene = Scene::new();
    let _ca = scene.ca(Kind::default());
    let _site = Site::default().tls(scene.ports.tls, &scene.store).await;
    let _manager = scene.manage(scene.options());
    scene.wait_for_certificate();
    wait_until("that is written down", || scene.history(DOMAIN)["method"] == "tls-alpn-01");
    assert_eq!(scene.papers.orders(), 2, "one by HTTP in vain");
    assert!(!scene.store.is_challenged(), "the proof is taken away");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_worked_last_is_tried_first() {
    let scene = Scene::new();
    let _ca = scene.ca(Kind::default());
    let _site = Site::default().tls(scene.ports.tls, &scene.store).await;
    fs::create_dir_all(scene.kept()).unwrap();
    fs::write(scene.kept().join(format!("{DOMAIN}.json")), r#"{"method":"tls-alpn-01"}"#).unwrap();
    let _manager = scene.manage(scene.options());
    scene.wait_for_certificate();
    assert_eq!(scene.papers.orders(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_bound_where_that_is_asked_for() {
    let scene = Scene::new();
    let (_ca, _site) = (scene.ca(Kind { eab: true, ..Kind::default() }), scene.plain().await);
    let unbound = scene.manage(scene.options());
    wait_until("that has failed", || scene.failures(DOMAIN) > 0);
    drop(unbound);
    assert!(scene.store.of(DOMAIN).is_empty());

    let key = base64url(EAB_KEY);
    let eab = Some(Eab { kid: "kid-1".to_owned(), hmac_key: key });
    let _manager = scene.manage(Options { eab, ..scene.options() });
    scene.wait_for_certificate();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_comes_later_is_waited_for() {
    let scene = Scene::new();
    let _site = scene.plain().await;
    let _manager = scene.manage(scene.options());
    wait_until("that has failed", || scene.failures(DOMAIN) > 1);
    let _ca = scene.ca(Kind::default());
    scene.wait_for_certificate();
    wait_until("that is forgotten", || scene.failures(DOMAIN) == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_on_one_folder_order_once() {
    let scene = Scene::new();
    let (_ca, _site) = (scene.ca(Kind::default()), scene.plain().await);
    let other = Arc::new(Store::default());
    let _one = scene.manage(scene.options());
    let _two = Manager::start(scene.options(), other.clone(), scene.tokens.clone()).unwrap();
    scene.wait_for_certificate();
    wait_until("the other has it too", || !other.of(DOMAIN).is_empty());
    assert_eq!(other.of(DOMAIN), scene.store.of(DOMAIN));
    assert_eq!(scene.papers.orders(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn short_lived_certificates_are_renewed_once_for_all() {
    let scene = Scene::new();
    let (_ca, _site) = (scene.ca(Kind { lifetime: 12, ..Kind::default() }), scene.plain().await);
    let other = Arc::new(Store::default());
    let _one = scene.manage(scene.options());
    let _two = Manager::start(scene.options(), other.clone(), scene.tokens.clone()).unwrap();
    wait_until("it was renewed twice", || scene.store.of(DOMAIN).len() > 2);
    let (certificates, orders) = (scene.store.of(DOMAIN), scene.papers.orders());
    assert!(certificates.windows(2).all(|pair| pair[0] != pair[1]), "each is a new one");
    assert!(orders <= certificates.len() + 1, "{orders} orders for {}", certificates.len());
    wait_until("the other has them too", || other.of(DOMAIN).contains(&certificates[2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn renewed_when_the_authority_asks_for_it() {
    let scene = Scene::new();
    let kind = Kind { advises: true, ..Kind::default() };
    let (_ca, _site) = (scene.ca(kind), scene.plain().await);
    let manager = scene.manage(scene.options());
    scene.wait_for_certificate();
    wait_until("that is written down", || scene.history(DOMAIN)["method"] == "http-01");
    drop(manager);

    let file = fs::read_to_string(scene.kept().join(format!("{DOMAIN}.pem"))).unwrap();
    let certificate = &file[file.find("-----BEGIN CERTIFICATE").unwrap()..];
    Ca::advise(&scene.papers, scene.ports, certificate, ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]);
    // One that has only just come would be kept for an hour all the same.
    fs::remove_file(scene.kept().join(format!("{DOMAIN}.json"))).unwrap();
    let _manager = scene.manage(scene.options());
    wait_until("it is renewed", || scene.store.of(DOMAIN).len() == 3);
    let [_, old, new] = scene.store.of(DOMAIN).try_into().unwrap();
    assert_ne!(old, new);
    assert_eq!(scene.papers.orders(), 2);
    assert_eq!(scene.papers.logged("is a replacement of"), 1, "the authority is told which one it replaces");
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_validations_stay_within_the_limit_also_after_a_restart() {
    let scene = Scene::new();
    let _ca = scene.ca(Kind::default());
    let manager = scene.manage(scene.options());
    let refused = || scene.history(DOMAIN)["refused"].as_array().map_or(0, Vec::len);
    wait_until("five have failed", || refused() == 5);
    let retry = scene.history(DOMAIN)["retry_at"]["secs_since_epoch"].as_u64().unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!(retry > now + 3000, "the next may be made in {} s", retry.saturating_sub(now));
    drop(manager);

    // Once a name that has room has failed, one that had none would have been tried as well.
    let before = scene.history(DOMAIN);
    let domains = vec![DOMAIN.to_owned(), "other.example".to_owned()];
    let _manager = scene.manage(Options { domains, ..scene.options() });
    wait_until("another name has failed", || scene.failures("other.example") > 0);
    assert_eq!(scene.history(DOMAIN), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validation_that_we_do_not_live_to_see_counts_all_the_same() {
    let scene = Scene::new();
    let plain = TcpListener::bind((Ipv4Addr::LOCALHOST, scene.ports.plain)).unwrap();
    let _ca = scene.ca(Kind::default());
    let manager = scene.manage(scene.options());
    // The authority looks at the proof, and is answered never.
    let _looking = plain.accept().unwrap();
    drop(manager);
    assert_eq!(scene.failures(DOMAIN), 1);
    assert_eq!(scene.history(DOMAIN)["refused"].as_array().map_or(0, Vec::len), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_name_that_is_refused_does_not_hold_up_another() {
    let scene = Scene::new();
    let (_ca, _site) = (scene.ca(Kind::default()), scene.plain().await);
    let domains = vec!["blocked.example".to_owned(), DOMAIN.to_owned(), "www.app.example".to_owned()];
    let _manager = scene.manage(Options { domains, ..scene.options() });
    scene.wait_for_certificate();
    wait_until("the other has one too", || scene.store.of("www.app.example").len() == 1);
    wait_until("the third has failed", || scene.failures("blocked.example") > 0);
    assert!(scene.store.of("blocked.example").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_the_authority_has_lost_is_made_anew() {
    let scene = Scene::new();
    let (ca, _site) = (scene.ca(Kind::default()), scene.plain().await);
    let manager = scene.manage(scene.options());
    scene.wait_for_certificate();
    drop((manager, ca));
    // It keeps nothing when it ends.
    let _ca = scene.ca(Kind::default());
    fs::remove_file(scene.kept().join(format!("{DOMAIN}.pem"))).unwrap();
    let _manager = scene.manage(scene.options());
    wait_until("there is another", || scene.store.of(DOMAIN).len() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_files_are_replaced() {
    let scene = Scene::new();
    let (_ca, _site) = (scene.ca(Kind::default()), scene.plain().await);
    fs::create_dir_all(scene.kept()).unwrap();
    for name in ["account.json", "app.example.json", "app.example.pem"] {
        fs::write(scene.kept().join(name), "-----BEGIN rubbish").unwrap();
    }
    let _manager = scene.manage(scene.options());
    scene.wait_for_certificate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_read_just_now_is_not_ordered_again() {
    let scene = Scene::new();
    let (_ca, _site) = (scene.ca(Kind::default()), scene.plain().await);
    fs::create_dir_all(scene.kept().join(format!("{DOMAIN}.pem"))).unwrap();
    let domains = vec![DOMAIN.to_owned(), "other.example".to_owned()];
    let _manager = scene.manage(Options { domains, ..scene.options() });
    wait_until("another name has one", || !scene.store.of("other.example").is_empty());
    assert_eq!(scene.papers.orders(), 1);
}

#[tokio::test]
async fn what_no_waiting_would_cure_is_an_error_at_start() {
    let scene = Scene::new();
    let start = |options| Manager::start(options, scene.store.clone(), scene.tokens.clone()).unwrap_err();
    for domain in ["*.example", "../app.example", "", "App.example", "app..example"] {
        let error = start(Options { domains: vec![domain.to_owned()], ..scene.options() });
        assert!(matches!(error, StartError::Domain(_)), "{domain}: {error}");
    }
    let file = scene.papers.roots();
    let error = start(Options { storage: file.join("storage"), ..scene.options() });
    assert!(matches!(error, StartError::Storage { .. }), "{error}");
}

/// Base64 without padding, in the alphabet for URLs.
fn base64url(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for c in text.bytes() {
        bits = bits << 6 | ALPHABET.iter().position(|a| *a == c).unwrap() as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}
