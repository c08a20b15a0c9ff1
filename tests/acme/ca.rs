//! A certificate authority: Debian's `pebble`, with a DNS server that knows every name as 127.0.0.1.

#![allow(dead_code, reason = "two suites use it, each a part")]

use super::{reserved_port, wait_until};
use rcgen::{CertificateParams, KeyPair};
use std::{
    env,
    fs::{self, File},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command},
};
use tempfile::TempDir;

/// The key with which accounts are bound, where that is asked for, and its name.
pub const EAB_KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

/// What kind of authority.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Accounts must be bound to the key `kid-1`.
    pub eab: bool,
    /// How long its certificates hold, in seconds.
    pub lifetime: u32,
    /// It says when a certificate is to be renewed (RFC 9773).
    pub advises: bool,
}

impl Default for Kind {
    fn default() -> Self {
        Self { eab: false, lifetime: 90 * 24 * 3600, advises: false }
    }
}

/// Where everything listens, chosen before it starts.
#[derive(Clone, Copy)]
pub struct Ports {
    /// Where the authority listens.
    pub directory: u16,
    /// Where it looks for HTTP-01 proofs.
    pub plain: u16,
    /// Where it looks for TLS-ALPN-01 proofs.
    pub tls: u16,
    dns: u16,
    others: [u16; 2],
}

impl Ports {
    pub fn new() -> Self {
        let [directory, plain, tls, dns, one, other] = std::array::from_fn(|_| reserved_port());
        Self { directory, plain, tls, dns, others: [one, other] }
    }

    /// The directory's URL.
    pub fn url(self) -> String {
        format!("https://127.0.0.1:{}/dir", self.directory)
    }
}

/// The authority's own certificate, and its log: what outlives the processes.
pub struct Papers {
    folder: TempDir,
}

impl Papers {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        fs::write(folder.path().join("cert.pem"), certificate.pem()).unwrap();
        Self { folder }
    }

    /// What a client has to trust.
    pub fn roots(&self) -> PathBuf {
        self.path("cert.pem")
    }

    /// How many orders the authority has taken.
    pub fn orders(&self) -> usize {
        self.logged("Added order ")
    }

    /// How many lines of its log say this.
    pub fn logged(&self, text: &str) -> usize {
        fs::read_to_string(self.path("log")).unwrap_or_default().matches(text).count()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The running authority; ended when dropped.
pub struct Ca {
    processes: [Child; 2],
}

impl Ca {
    /// Tells it to want this certificate (PEM) to be renewed between these times (RFC 3339).
    pub fn advise(papers: &Papers, ports: Ports, certificate: &str, window: [&str; 2]) {
        let advice = serde_json::json!({ "suggestedWindow": { "start": window[0], "end": window[1] } });
        let body = serde_json::json!({ "Certificate": certificate, "ARIResponse": advice.to_string() });
        let url = format!("https://127.0.0.1:{}/set-renewal-info/", ports.others[0]);
        curl(papers, &["--data", &body.to_string(), &url]);
    }

    /// The file of what a client has to trust that is shown its certificates; it makes a new one with every start.
    pub fn issuer(papers: &Papers, ports: Ports) -> PathBuf {
        let url = format!("https://127.0.0.1:{}/roots/0", ports.others[0]);
        let path = papers.path("issuer.pem");
        fs::write(&path, curl(papers, &[&url])).unwrap();
        path
    }

    /// From now on it looks for a name at this address.
    pub fn resolve(papers: &Papers, ports: Ports, name: &str, address: &str) {
        let body = serde_json::json!({ "host": format!("{name}."), "addresses": [address] });
        let url = format!("http://127.0.0.1:{}/add-a", ports.others[1]);
        curl(papers, &["--data", &body.to_string(), &url]);
    }

    /// Starts it and waits until it can be reached. It refuses three of five nonces.
    pub fn start(papers: &Papers, ports: Ports, kind: Kind) -> Self {
        let config = papers.path("config.json");
        fs::write(&config, configuration(papers, ports, kind)).unwrap();
        let [management, dns_management] = ports.others;
        let dns = Command::new("pebble-challtestsrv")
            .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""])
            .args(["-dns01", &format!("127.0.0.1:{}", ports.dns)])
            .args(["-management", &format!("127.0.0.1:{dns_management}")])
            .stdout(log(&papers.path("dns.log")))
            .stderr(log(&papers.path("dns.log")))
            .spawn()
            .expect("pebble-challtestsrv of the package pebble is needed");
        let pebble = Command::new(program(kind))
            .arg("-config")
            .arg(&config)
            .args(["-strict", "-dnsserver", &format!("127.0.0.1:{}", ports.dns)])
            .env("PEBBLE_WFE_NONCEREJECT", "60")
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_AUTHZREUSE", "0")
            .stdout(log(&papers.path("log")))
            .stderr(log(&papers.path("log")))
            .spawn()
            .expect("pebble is needed");
        let ca = Self { processes: [pebble, dns] };
        for port in [ports.directory, management, ports.dns] {
            wait_until("the authority listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        }
        ca
    }
}

/// Asks one of its two servers for tests; the body of the answer.
fn curl(papers: &Papers, arguments: &[&str]) -> Vec<u8> {
    let always = ["--silent", "--show-error", "--fail", "--noproxy", "*", "--cacert"];
    let output = Command::new("curl").args(always).arg(papers.roots()).args(arguments).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {complaint}");
    output.stdout
}

/// Debian's stable release has a pebble that gives no advice; `bin/test` unpacks a newer one.
fn program(kind: Kind) -> PathBuf {
    if !kind.advises {
        return PathBuf::from("pebble");
    }
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(env::var_os("HOME").unwrap()).join(".cache"));
    let newer = cache.join("thrust/pebble/usr/bin/pebble");
    assert!(newer.exists(), "{} is missing: bin/test puts it there", newer.display());
    newer
}

impl Drop for Ca {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn configuration(papers: &Papers, ports: Ports, kind: Kind) -> String {
    serde_json::json!({ "pebble": {
        "listenAddress": format!("127.0.0.1:{}", ports.directory),
        "managementListenAddress": format!("127.0.0.1:{}", ports.others[0]),
        "certificate": papers.path("cert.pem"),
        "privateKey": papers.path("key.pem"),
        "httpPort": ports.plain,
        "tlsPort": ports.tls,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": kind.eab,
        "externalAccountMACKeys": { "kid-1": EAB_KEY },
        "domainBlocklist": ["blocked.example"],
        "certificateValidityPeriod": kind.lifetime,
        // What newer versions call it.
        "profiles": { "default": { "description": "", "validityPeriod": kind.lifetime } },
    } })
    .to_string()
}

fn log(path: &Path) -> File {
    File::options().create(true).append(true).open(path).unwrap()
}
