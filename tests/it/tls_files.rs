//! Certificate files that are of no use, and those that change.

use crate::support::{
    Backend, Folder, Secure, Thrust, TlsClient,
    certificate::write_pair,
    thrust::{Builder, Ended},
    tls::{make, trusting},
    wait_until,
};
use rcgen::{CertificateParams, KeyPair};
use rustls::ClientConfig;
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

#[test]
fn files_that_are_of_no_use_are_named_with_the_reason() {
    let (folder, other) = (Folder::new(), Folder::new());
    write_pair(&folder);
    write_pair(&other);
    let (certificate, key) = (folder.at("cert.pem"), folder.at("key.pem"));
    let encrypted = folder.at("encrypted.pem");
    make(&["pkey", "-in", &key, "-aes256", "-passout", "pass:secret", "-out", &encrypted]);
    let cut_off = |name: &str| {
        let whole = fs::read(folder.at(name)).unwrap();
        folder.put(&format!("half-{name}"), &whole[..whole.len() / 2])
    };
    let garbled = fs::read_to_string(&certificate).unwrap().replacen("MII", "AAA", 1);
    let (garbled, text) = (folder.put("garbled.pem", garbled), folder.put("text", "no certificate"));
    let (none, dir) = (folder.at("none.pem"), folder.path().to_str().unwrap().to_owned());
    let (half, half_key) = (cut_off("cert.pem"), cut_off("key.pem"));
    let foreign = other.at("key.pem");
    for (certificate, key, at_fault, reason) in [
        (&none, &key, "SSL_CERT_PATH", "there is no such file"),
        (&certificate, &none, "SSL_KEY_PATH", "there is no such file"),
        (&dir, &key, "SSL_CERT_PATH", "cannot be read"),
        (&certificate, &dir, "SSL_KEY_PATH", "cannot be read"),
        (&half, &key, "SSL_CERT_PATH", "is broken"),
        (&garbled, &key, "SSL_CERT_PATH", "is broken"),
        (&certificate, &half_key, "SSL_KEY_PATH", "is broken"),
        (&text, &key, "SSL_CERT_PATH", "no certificate in it"),
        (&certificate, &certificate, "SSL_KEY_PATH", "no private key in it"),
        (&certificate, &encrypted, "SSL_KEY_PATH", "encrypted"),
        (&certificate, &foreign, "SSL_KEY_PATH", "does not belong"),
    ] {
        let path = if at_fault == "SSL_CERT_PATH" { certificate } else { key };
        let said = format!("{at_fault}: {path}: ");
        for ended in both_ways(|thrust| thrust.env("SSL_CERT_PATH", certificate).env("SSL_KEY_PATH", key)) {
            assert_eq!(ended.status.code(), Some(78), "{}", ended.stderr);
            assert!(
                ended.stderr.contains(&said) && ended.stderr.contains(reason),
                "{said}{reason}: {ended:?}"
            );
            assert!(!ended.stdout.contains("the worker runs"), "{ended:?}");
        }
    }
}

#[test]
fn one_without_the_other_is_refused() {
    let folder = Folder::new();
    write_pair(&folder);
    for (set, missing, file) in
        [("SSL_CERT_PATH", "SSL_KEY_PATH", "cert.pem"), ("SSL_KEY_PATH", "SSL_CERT_PATH", "key.pem")]
    {
        for ended in both_ways(|thrust| thrust.env(set, folder.at(file))) {
            assert_eq!(ended.status.code(), Some(78), "{}", ended.stderr);
            assert!(ended.stderr.contains(set) && ended.stderr.contains(missing), "{}", ended.stderr);
        }
    }
}

#[test]
fn an_expired_certificate_is_served_with_a_warning() {
    let folder = Folder::new();
    let day = Duration::from_secs(24 * 60 * 60);
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = (SystemTime::now() - 3 * day).into();
    params.not_after = (SystemTime::now() - day).into();
    let key = KeyPair::generate().unwrap();
    folder.put("cert.pem", params.self_signed(&key).unwrap().pem());
    folder.put("key.pem", key.serialize_pem());
    let checked = Thrust::builder()
        .option("--check")
        .env("SSL_CERT_PATH", folder.at("cert.pem"))
        .env("SSL_KEY_PATH", folder.at("key.pem"))
        .run();
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    assert!(checked.stderr.contains("warning: SSL_CERT_PATH: "), "{}", checked.stderr);
    assert!(checked.stderr.contains("the certificate expired on"), "{}", checked.stderr);
    assert!(checked.stdout.contains("SSL_CERT_PATH"), "{}", checked.stdout);
    let secure = Secure::with_files(folder, Backend::echo_request(), |thrust| thrust);
    secure.thrust.await_stderr("the certificate expired on");
    let said = secure.s_client(&[]);
    assert!(said.contains("certificate has expired") && said.contains("HTTP/1.1 200"), "{said}");
}

#[test]
fn a_good_pair_passes_the_check() {
    let folder = Folder::new();
    write_pair(&folder);
    let checked = Thrust::builder()
        .option("--check")
        .env("SSL_CERT_PATH", folder.at("cert.pem"))
        .env("SSL_KEY_PATH", folder.at("key.pem"))
        .run();
    assert_eq!((checked.status.code(), &*checked.stderr), (Some(0), ""), "{checked:?}");
}

#[test]
fn new_files_are_taken_on_hup_without_dropping_a_connection() {
    let secure = Secure::start(|thrust| thrust);
    let both = trusting_old_and_new(&secure.folder, || write_pair(&secure.folder));
    let load = Load::start(secure.port, &both);
    load.await_more(50);
    secure.thrust.signal(libc::SIGHUP);
    await_new(&secure);
    load.await_more(50);
    load.finish();
}

#[test]
fn a_folder_s_link_that_is_exchanged_is_noticed() {
    // As Kubernetes does it: the files are links into `..data`, which is a link that is replaced in one step.
    let folder = Folder::new();
    for version in ["..1", "..2"] {
        let made = Folder::new();
        write_pair(&made);
        for file in ["cert.pem", "key.pem"] {
            folder.put(&format!("{version}/{file}"), fs::read(made.at(file)).unwrap());
        }
    }
    folder.link("..data", "..1");
    folder.link("cert.pem", "..data/cert.pem");
    folder.link("key.pem", "..data/key.pem");
    let both = trusting(&[folder.at("..1/cert.pem"), folder.at("..2/cert.pem")]);
    let secure = Secure::with_files(folder, Backend::echo_request(), |thrust| thrust);
    let load = Load::start(secure.port, &both);
    load.await_more(50);
    secure.folder.link("..data_tmp", "..2");
    fs::rename(secure.folder.at("..data_tmp"), secure.folder.at("..data")).unwrap();
    await_new(&secure);
    load.await_more(50);
    load.finish();
}

#[test]
fn a_bad_pair_is_refused_and_the_old_one_stays() {
    let secure = Secure::start(|thrust| thrust);
    let old = trusting(&[secure.folder.at("cert.pem")]);
    let load = Load::start(secure.port, &old);
    let key = fs::read(secure.folder.at("key.pem")).unwrap();
    for (file, content) in
        [("cert.pem", "no certificate".into()), ("key.pem", "no key".into()), ("key.pem", key)]
    {
        secure.folder.replace(file, content as Vec<u8>);
        let errors = || secure.thrust.stderr().matches("the old ones stay in use").count();
        let before = errors();
        secure.thrust.signal(libc::SIGHUP);
        wait_until("it is refused", || errors() > before);
        assert_eq!(TlsClient::connect(secure.port, &old).get("/").status, 200);
    }
    assert!(secure.thrust.stderr().contains(&secure.folder.at("cert.pem")));
    // What is refused once is not in the way of the next.
    write_pair(&secure.folder);
    let new = trusting(&[secure.folder.at("cert.pem")]);
    load.finish();
    secure.thrust.signal(libc::SIGHUP);
    wait_until("the new one is shown", || TlsClient::try_connect(secure.port, &new, None).is_ok());
}

/// Started, and only checked.
fn both_ways(configure: impl Fn(Builder) -> Builder) -> [Ended; 2] {
    let builder = || configure(Thrust::builder().env("THRUST_HTTPS_PORT", "0"));
    [builder().command(["echo", "the worker runs"]).run(), builder().option("--check").run()]
}

/// A client that trusts what is in the folder before and after it is changed.
fn trusting_old_and_new(folder: &Folder, change: impl FnOnce()) -> Arc<ClientConfig> {
    folder.put("old.pem", fs::read(folder.at("cert.pem")).unwrap());
    change();
    trusting(&[folder.at("old.pem"), folder.at("cert.pem")])
}

/// Waits until who trusts only what is in the folder now is served.
fn await_new(secure: &Secure) {
    let new = trusting(&[secure.folder.at("cert.pem")]);
    wait_until("the new one is shown", || TlsClient::try_connect(secure.port, &new, None).is_ok());
    assert_eq!(secure.client().get("/").status, 200);
}

/// Clients that ask and ask again: four on connections that they keep, and one that makes new ones.
struct Load {
    answered: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(port: u16, config: &Arc<ClientConfig>) -> Load {
        let (answered, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let client = |per_connection: usize| {
            let (answered, stop, config) = (answered.clone(), stop.clone(), config.clone());
            thread::spawn(move || {
                while !stop.load(SeqCst) {
                    let mut client = TlsClient::connect(port, &config);
                    for _ in 0..per_connection {
                        assert_eq!(client.get("/").status, 200);
                        answered.fetch_add(1, SeqCst);
                        if stop.load(SeqCst) {
                            return;
                        }
                        thread::sleep(Duration::from_millis(5));
                    }
                }
            })
        };
        let threads = [usize::MAX, usize::MAX, usize::MAX, usize::MAX, 1].map(client).into();
        Load { answered, stop, threads }
    }

    /// Waits until so many more are answered.
    #[track_caller]
    fn await_more(&self, count: usize) {
        let goal = self.answered.load(SeqCst) + count;
        wait_until("the load goes on", || self.answered.load(SeqCst) >= goal);
    }

    /// Fails where any client was not answered.
    fn finish(self) {
        self.stop.store(true, SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
