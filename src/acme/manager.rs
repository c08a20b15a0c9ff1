//! One task for each domain, which keeps its certificate: takes it from the folder, orders it, renews it.

use super::{
    Certificates, Options, Pace, StartError, Tokens,
    account::{Accounts, lock, off_thread},
    certificate::Certificate,
    challenge::{Method, Stage},
    client::Client,
    failure::Failure,
    history::History,
    order::{Obtained, Ordering},
    renew::{self, Kind},
    storage::Storage,
};
use instant_acme::Account;
use std::{
    fmt, io,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{task::JoinSet, time::sleep};

/// Keeps the certificates of all domains, until it is dropped.
#[derive(Debug)]
pub struct Manager {
    _keepers: JoinSet<()>,
}

impl Manager {
    /// Hands over what is in the folder, then starts to order what is missing and to renew what ages. Must be called
    /// within a runtime. Reads a few small files on this thread.
    ///
    /// # Errors
    /// What no waiting would cure: the folder, a name.
    pub fn start(
        options: Options,
        certificates: Arc<dyn Certificates>,
        tokens: Arc<Tokens>,
    ) -> Result<Self, StartError> {
        if let Some(odd) = options.domains.iter().find(|domain| !is_orderable(domain)) {
            return Err(StartError::Domain(odd.clone()));
        }
        let storage = Arc::new(Storage::open(&options.storage, &options.directory)?);
        let client = Client::new(options.roots.as_deref())?;
        let Options { directory, email, eab, pace, .. } = options;
        let accounts = Accounts { directory, email, eab, storage };
        let shared = Arc::new(Shared { accounts, stage: Stage { tokens, certificates }, client, pace });
        let mut keepers = JoinSet::new();
        for domain in options.domains {
            let mut keeper = Keeper::new(domain, shared.clone());
            match keeper.files.read(&shared.accounts.storage) {
                Ok(found) => drop(keeper.adopt(found)),
                Err(error) => keeper.complain_of_reading(&error),
            }
            keepers.spawn(keeper.run());
        }
        Ok(Self { _keepers: keepers })
    }
}

/// Whether it is a host name that can be part of a file's name too: letters, digits and hyphens between dots.
fn is_orderable(domain: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    domain.len() <= 253 && domain.split('.').all(|label| !label.is_empty() && label.bytes().all(plain))
}

/// What all domains have in common.
struct Shared {
    accounts: Accounts,
    stage: Stage,
    client: Client,
    pace: Pace,
}

/// The names of a domain's files.
#[derive(Debug, Clone)]
struct Files {
    certificate: String,
    history: String,
}

/// Their texts.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Texts {
    certificate: Option<String>,
    history: Option<String>,
}

impl Files {
    fn read(&self, storage: &Storage) -> io::Result<Texts> {
        Ok(Texts { certificate: storage.read(&self.certificate)?, history: storage.read(&self.history)? })
    }
}

/// Keeps one domain's certificate.
struct Keeper {
    domain: String,
    shared: Arc<Shared>,
    files: Files,
    /// As they were last seen: what differs was written by another process.
    seen: Texts,
    history: History,
    held: Option<Held>,
}

/// The certificate in use, and when the next one is due.
struct Held {
    certificate: Certificate,
    renew_at: SystemTime,
    /// Whether that is what the CA has asked for.
    advised: Option<renew::Window>,
    /// When the CA is asked again.
    ask_at: SystemTime,
}

impl Held {
    fn new(certificate: Certificate) -> Self {
        let renew_at = renew::by_lifetime(certificate.validity, fastrand::f64());
        Self { certificate, renew_at, advised: None, ask_at: SystemTime::UNIX_EPOCH }
    }

    /// Takes the CA's advice; a window that has not changed changes nothing, or chance would be tried again and again.
    fn advise(&mut self, window: renew::Window) {
        if self.advised == Some(window) {
            return;
        }
        if let Some(at) = renew::by_window(window, fastrand::f64()) {
            (self.renew_at, self.advised) = (at, Some(window));
        }
    }
}

impl Keeper {
    fn new(domain: String, shared: Arc<Shared>) -> Self {
        let files = Files { certificate: format!("{domain}.pem"), history: format!("{domain}.json") };
        Self { domain, shared, files, seen: Texts::default(), history: History::default(), held: None }
    }

    /// Without end.
    async fn run(mut self) {
        loop {
            if let Err(error) = self.look().await {
                self.complain_of_reading(&error);
            }
            self.ask().await;
            let wait = self.due().duration_since(SystemTime::now()).unwrap_or_default();
            if wait.is_zero() {
                self.attempt().await;
            } else {
                sleep(wait.min(self.shared.pace.poll)).await;
            }
        }
    }

    /// Takes what another process has put into the folder. Whether there was something.
    async fn look(&mut self) -> io::Result<bool> {
        let files = self.files.clone();
        let found = off_thread(&self.shared.accounts.storage, move |storage| files.read(storage)).await?;
        Ok(self.adopt(found))
    }

    fn adopt(&mut self, found: Texts) -> bool {
        if found == self.seen {
            return false;
        }
        if let Some(text) = found.certificate.as_ref().filter(|_| found.certificate != self.seen.certificate)
        {
            match Certificate::parse(text, &self.domain) {
                Ok(certificate) => self.hold(certificate),
                Err(error) => self.complain(&self.files.certificate, &error),
            }
        }
        if let Some(text) = found.history.as_ref().filter(|_| found.history != self.seen.history) {
            match serde_json::from_str(text) {
                Ok(history) => self.history = history,
                Err(error) => self.complain(&self.files.history, &error),
            }
        }
        self.seen = found;
        true
    }

    fn complain(&self, file: &str, error: &dyn fmt::Display) {
        let path = self.shared.accounts.storage.path(file);
        tracing::warn!(path = %path.display(), %error, "this file is broken and is not used");
    }

    fn complain_of_reading(&self, error: &io::Error) {
        tracing::warn!(domain = self.domain, %error, "cannot read a certificate's files");
    }

    fn complain_of_writing(&self, error: &io::Error) {
        tracing::error!(domain = self.domain, %error, "cannot keep what a restart will need");
    }

    fn hold(&mut self, certificate: Certificate) {
        self.shared.stage.certificates.set(&self.domain, certificate.key.clone());
        let held = Held::new(certificate);
        let until = httpdate::fmt_http_date(held.certificate.validity.not_after);
        let renewal = httpdate::fmt_http_date(held.renew_at);
        tracing::info!(domain = self.domain, until, renewal, "there is a certificate");
        self.held = Some(held);
    }

    /// When to order: never before the pause after a failure is over.
    fn due(&self) -> SystemTime {
        let now = SystemTime::now();
        let renew_at = self.held.as_ref().map(|held| {
            let validity = held.certificate.validity;
            let obtained = self.history.obtained(now).unwrap_or(SystemTime::UNIX_EPOCH);
            held.renew_at.max(renew::soonest(validity, obtained, held.advised.is_some()))
        });
        [renew_at, self.history.retry_at(now, &self.shared.pace)].into_iter().flatten().max().unwrap_or(now)
    }

    /// Asks the CA when it would like the certificate to be renewed, when that is due (RFC 9773).
    async fn ask(&mut self) {
        let Some(held) = self.held.as_mut().filter(|held| held.ask_at <= SystemTime::now()) else { return };
        let pause = match advice(&self.shared, &held.certificate).await {
            Ok(Some((window, again))) => {
                held.advise(window);
                again
            }
            Ok(None) => renew::ask_again(Duration::MAX),
            Err(error) => {
                tracing::warn!(domain = self.domain, %error, "cannot learn when to renew the certificate");
                renew::ASK_EVERY
            }
        };
        held.ask_at = SystemTime::now() + pause;
    }

    /// Orders a certificate, unless another process on the same folder has done so while we waited for our turn.
    async fn attempt(&mut self) {
        let client = self.shared.client.afresh();
        if let Err(error) = self.order_in_turn(&client).await {
            let now = SystemTime::now();
            let retry = self.history.retry_at(now, &self.shared.pace).unwrap_or(now);
            let retry = httpdate::fmt_http_date(retry);
            let held = self.held.is_some();
            tracing::error!(domain = self.domain, %error, retry, held, "cannot obtain a certificate");
        }
    }

    async fn order_in_turn(&mut self, client: &Client) -> Result<(), Failure> {
        let storage = self.shared.accounts.storage.clone();
        let turn = async {
            let lock = lock(&storage, &self.domain).await?;
            // What cannot be read may be a certificate: then none is ordered.
            Ok::<_, io::Error>((lock, self.look().await?))
        };
        match turn.await {
            Ok((_, true)) => Ok(()),
            Ok((_lock, false)) => {
                let outcome = self.obtain(client).await;
                self.conclude(outcome, client).await
            }
            Err(error) => Err(self.failed(error.into(), client)),
        }
    }

    /// Tries one way of proof after the other.
    async fn obtain(&mut self, client: &Client) -> Result<(Obtained, Method), Failure> {
        let mut failure = Failure::TooManyValidations;
        for method in self.history.methods() {
            if !self.history.has_room(SystemTime::now(), &self.shared.pace) {
                break;
            }
            self.expect_the_worst().await?;
            let account = self.shared.accounts.open(client).await?;
            match self.order(&account, *method).await {
                Ok(obtained) => return Ok((obtained, *method)),
                Err(failed @ (Failure::Validation { .. } | Failure::NotOffered(_))) => {
                    if let Failure::Validation { .. } = failed {
                        self.history.validation_failed(SystemTime::now(), &self.shared.pace);
                    }
                    tracing::warn!(domain = self.domain, error = %failed, "a proof of the domain was not seen");
                    failure = failed;
                }
                Err(failed) => return Err(failed),
            }
        }
        Err(failure)
    }

    /// Writes down that a validation has failed, before it is asked for: should we be ended meanwhile, the CA counts it all
    /// the same. Where nothing can be written nothing is asked for, or a container that restarts would do so each time.
    async fn expect_the_worst(&mut self) -> io::Result<()> {
        let (now, pace) = (SystemTime::now(), &self.shared.pace);
        let mut worst = self.history.clone();
        worst.validation_failed(now, pace);
        worst.failed(now, Kind::Trouble, None, pace, fastrand::f64());
        self.write_down(&worst).await
    }

    async fn order(&self, account: &Account, method: Method) -> Result<Obtained, Failure> {
        // A CA that does not want this one to be replaced says so, and the next attempt orders as for a new name.
        let held = self.held.as_ref().filter(|held| held.advised.is_some() && !self.history.is_failing());
        let replaces = held.and_then(|held| held.certificate.id.as_ref());
        let ordering = Ordering { account, domain: &self.domain, stage: &self.shared.stage, replaces };
        ordering.obtain(method).await
    }

    /// Keeps what came of it in the folder, under the lock. A certificate that cannot be kept is used all the same.
    async fn conclude(
        &mut self,
        outcome: Result<(Obtained, Method), Failure>,
        client: &Client,
    ) -> Result<(), Failure> {
        let outcome = match outcome {
            Ok((Obtained { pem, certificate }, method)) => {
                self.history.succeeded(SystemTime::now(), method);
                if let Err(error) = self.save(&self.files.certificate, &pem).await {
                    self.complain_of_writing(&error);
                } else {
                    self.seen.certificate = Some(pem);
                }
                self.hold(certificate);
                Ok(())
            }
            Err(error) => {
                if error.is_lost_account()
                    && let Err(error) = self.shared.accounts.forget().await
                {
                    tracing::warn!(%error, "cannot remove an ACME account that the server does not know");
                }
                Err(self.failed(error, client))
            }
        };
        if let Err(error) = self.write_down(&self.history.clone()).await {
            self.complain_of_writing(&error);
        }
        outcome
    }

    /// Puts a past into the folder. Only what is there was seen: otherwise what is older would be taken for news.
    async fn write_down(&mut self, history: &History) -> io::Result<()> {
        let text = serde_json::to_string(history)?;
        self.save(&self.files.history, &text).await?;
        self.seen.history = Some(text);
        Ok(())
    }

    async fn save(&self, file: &str, text: &str) -> io::Result<()> {
        let (file, text) = (file.to_owned(), text.to_owned());
        off_thread(&self.shared.accounts.storage, move |storage| storage.write(&file, &text)).await
    }

    /// Decides when to try again.
    fn failed(&mut self, error: Failure, client: &Client) -> Failure {
        let (now, pace) = (SystemTime::now(), &self.shared.pace);
        self.history.failed(now, error.kind(), client.asked_to_wait(), pace, fastrand::f64());
        error
    }
}

/// When the CA would like the certificate to be renewed, and when to ask again; none where it has no opinion.
async fn advice(
    shared: &Shared,
    certificate: &Certificate,
) -> Result<Option<(renew::Window, Duration)>, Failure> {
    let Some(id) = &certificate.id else { return Ok(None) };
    let account = shared.accounts.open(&shared.client).await?;
    match account.renewal_info(id).await {
        Ok((info, after)) => {
            let window = info.suggested_window;
            let window = renew::Window { start: window.start.into(), end: window.end.into() };
            Ok(Some((window, renew::ask_again(after))))
        }
        Err(instant_acme::Error::Unsupported(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
