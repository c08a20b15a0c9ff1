//! TLS as it was asked for: where the certificates come from, and what the plain port does meanwhile.

use crate::{
    acme,
    config::{Config, Tls},
    proxy::Challenges,
    tls::{self, CertStore, Part, Reload},
};
use rustls::sign::CertifiedKey;
use std::{fmt, sync::Arc, time::SystemTime};

const CERTIFICATE: &str = "SSL_CERT_PATH";
const KEY: &str = "SSL_KEY_PATH";

/// TLS, ready for its first client.
pub struct Secured {
    /// Performs the handshakes.
    pub acceptor: tls::Acceptor,
    /// Has certificate files looked at anew.
    pub reload: Reload,
    /// Where the certificate authority's challenges are answered, if there is one.
    pub challenges: Option<Challenges>,
    /// What orders certificates, started once both ports listen.
    orders: Option<Orders>,
}

struct Orders {
    options: acme::Options,
    store: Arc<CertStore>,
    tokens: Arc<acme::Tokens>,
}

/// Why there can be no TLS.
#[derive(Debug)]
pub enum Refusal {
    /// A certificate file that is of no use; the variable that names it.
    Certificate(String, tls::Unusable),
    /// Certificates cannot be ordered; the variable that is to blame.
    Acme(String, acme::StartError),
    /// The library.
    Library(rustls::Error),
}

impl Secured {
    /// Loads what there is; `None` where no TLS was asked for.
    ///
    /// # Errors
    /// Certificate files that are of no use.
    pub fn prepare(config: &Config) -> Result<Option<Self>, Refusal> {
        let (store, reload, orders) = match &config.tls {
            Tls::Off => return Ok(None),
            Tls::Files(files) => {
                let reload = Reload::default();
                (open(config, files, &reload)?, reload, None)
            }
            Tls::Acme(options) => {
                let store = Arc::new(CertStore::named(options.domains.iter().map(String::as_str)));
                let orders =
                    Orders { options: options.clone(), store: store.clone(), tokens: Arc::default() };
                (store, Reload::default(), Some(orders))
            }
        };
        let acceptor = tls::Acceptor::new(store, config.http2).map_err(Refusal::Library)?;
        let challenges = orders.as_ref().map(|orders| {
            let tokens = orders.tokens.clone();
            Arc::new(move |token: &str| tokens.answer(token)) as Challenges
        });
        Ok(Some(Self { acceptor, reload, challenges, orders }))
    }

    /// Orders certificates for as long as what is returned is held.
    ///
    /// # Errors
    /// What keeps them from being ordered or stored.
    pub fn order(&mut self, config: &Config) -> Result<Option<acme::Manager>, Refusal> {
        let Some(Orders { options, store, tokens }) = self.orders.take() else { return Ok(None) };
        let started = acme::Manager::start(options, Arc::new(Store(store)), tokens);
        started.map(Some).map_err(|error| {
            let setting = match error {
                acme::StartError::Storage { .. } => config.variable("THRUST_STORAGE_PATH"),
                acme::StartError::Domain(_) | acme::StartError::Tls(_) => {
                    config.variable("THRUST_ACME_DOMAIN")
                }
            };
            Refusal::Acme(setting.to_owned(), error)
        })
    }
}

/// Looks at the certificate files without using them: what would be of no use, and what would be warned of.
///
/// # Errors
/// Certificate files that are of no use.
pub fn inspect(config: &Config) -> Result<Option<String>, Refusal> {
    let Tls::Files(files) = &config.tls else { return Ok(None) };
    let pair = tls::Pair::load(files).map_err(|unusable| blame(config, unusable))?;
    Ok(pair.facts.untimely(SystemTime::now()).map(|untimely| {
        format!("{}: {}: {untimely}", config.variable(CERTIFICATE), files.certificate.display())
    }))
}

/// The store of a pair of files, which is kept up to date. Within a runtime.
fn open(config: &Config, files: &tls::Files, reload: &Reload) -> Result<Arc<CertStore>, Refusal> {
    let opened = tls::Watch::open(files.clone());
    let (watch, facts) = opened.map_err(|unusable| blame(config, unusable))?;
    if let Some(untimely) = facts.untimely(SystemTime::now()) {
        tracing::warn!(path = %files.certificate.display(), "{untimely}");
    }
    let store = watch.store();
    tokio::spawn(watch.run(reload.clone(), tls::POLL));
    Ok(store)
}

fn blame(config: &Config, unusable: tls::Unusable) -> Refusal {
    let setting = match unusable.fault.part {
        Part::Certificate => CERTIFICATE,
        Part::Key => KEY,
    };
    Refusal::Certificate(config.variable(setting).to_owned(), unusable)
}

/// The store as those see it who order certificates.
struct Store(Arc<CertStore>);

impl acme::Certificates for Store {
    fn set(&self, domain: &str, certificate: Arc<CertifiedKey>) {
        self.0.set(domain, certificate);
    }

    fn challenge(&self, domain: &str, certificate: Arc<CertifiedKey>) {
        self.0.set_challenge(domain, certificate);
    }

    fn unchallenge(&self, domain: &str) {
        self.0.remove_challenge(domain);
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(setting, unusable) => write!(f, "{setting}: {unusable}"),
            Self::Acme(setting, error) => write!(f, "{setting}: {error}"),
            Self::Library(error) => write!(f, "cannot set TLS up: {error}"),
        }
    }
}
