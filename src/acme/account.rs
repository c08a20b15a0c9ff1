//! Our account with the CA: made once, kept in the folder, shared by all domains.

use super::{
    Eab,
    client::Client,
    failure::Failure,
    storage::{Lock, Storage},
};
use instant_acme::{Account, AccountCredentials, Error, ExternalAccountKey, NewAccount};
use std::{io, sync::Arc, time::Duration};
use tokio::{task::spawn_blocking, time::sleep};

/// Where the account lies.
const FILE: &str = "account.json";
/// How often a nonce may be refused before that is a failure; the library itself tries three times each.
pub(super) const NONCES: u32 = 20;
/// How often a lock that somebody has is asked for.
const KNOCK: Duration = Duration::from_millis(250);

/// How to come by the account.
#[derive(Debug)]
pub struct Accounts {
    /// The CA's directory.
    pub directory: String,
    /// Where the CA may write to.
    pub email: Option<String>,
    /// What the account is bound to.
    pub eab: Option<Eab>,
    /// Where it is kept.
    pub storage: Arc<Storage>,
}

impl Accounts {
    /// The account of the folder, or a new one, which then is there.
    ///
    /// # Errors
    /// The CA cannot be reached or refuses, or the folder cannot be used.
    pub async fn open(&self, client: &Client) -> Result<Account, Failure> {
        if let Some(known) = self.known().await? {
            return reopen(known, client).await;
        }
        let _lock = lock(&self.storage, "account").await?;
        match self.known().await? {
            Some(known) => reopen(known, client).await,
            None => self.create(client).await,
        }
    }

    /// Forgets an account that the CA does not know.
    ///
    /// # Errors
    /// The file is still there.
    pub async fn forget(&self) -> io::Result<()> {
        off_thread(&self.storage, |storage| storage.remove(FILE)).await
    }

    /// What is in the folder. A broken file is as good as none, since an account is easily made anew.
    async fn known(&self) -> Result<Option<AccountCredentials>, Failure> {
        let Some(text) = off_thread(&self.storage, |storage| storage.read(FILE)).await? else {
            return Ok(None);
        };
        let credentials = serde_json::from_str(&text);
        if let Err(error) = &credentials {
            let path = self.storage.path(FILE);
            tracing::warn!(path = %path.display(), %error, "the ACME account's file is broken; making a new account");
        }
        Ok(credentials.ok())
    }

    async fn create(&self, client: &Client) -> Result<Account, Failure> {
        let contact = self.email.as_ref().map(|email| format!("mailto:{email}"));
        let contact: Vec<_> = contact.as_deref().into_iter().collect();
        let wanted =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let bound = self.eab.as_ref().map(|eab| ExternalAccountKey::new(eab.kid.clone(), &eab.hmac_key));
        let builder = || Account::builder_with_http(Box::new(client.clone()));
        let (account, credentials) =
            insist!(builder().create(&wanted, self.directory.clone(), bound.as_ref()).await)?;
        let text = serde_json::to_string(&credentials).map_err(Error::from)?;
        off_thread(&self.storage, move |storage| storage.write(FILE, &text)).await?;
        tracing::info!(directory = %self.directory, "there is a new ACME account");
        Ok(account)
    }
}

async fn reopen(credentials: AccountCredentials, client: &Client) -> Result<Account, Failure> {
    Ok(Account::builder_with_http(Box::new(client.clone())).from_credentials(credentials).await?)
}

/// Takes a step again as long as the CA has something against the nonce (RFC 8555 §6.5). (A macro, since the compiler
/// cannot tell yet that what an async closure returns may change threads.)
macro_rules! insist {
    ($step:expr) => {{
        let mut left = $crate::acme::account::NONCES;
        loop {
            left -= 1;
            match $step {
                Err(::instant_acme::Error::Api(problem))
                    if left > 0 && $crate::acme::failure::is_type(&problem, "badNonce") => {}
                outcome => break outcome.map_err($crate::acme::failure::Failure::from),
            }
        }
    }};
}
pub(super) use insist;

/// Waits for a lock of the folder.
///
/// # Errors
/// The folder or its file system does not let us.
pub async fn lock(storage: &Arc<Storage>, name: &str) -> io::Result<Lock> {
    loop {
        let name = name.to_owned();
        if let Some(lock) = off_thread(storage, move |storage| storage.try_lock(&name)).await? {
            return Ok(lock);
        }
        sleep(KNOCK).await;
    }
}

/// Uses the folder on a thread that may block: it may be on another machine.
///
/// # Errors
/// Those of the work.
pub async fn off_thread<T: Send + 'static>(
    storage: &Arc<Storage>,
    work: impl FnOnce(&Storage) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let storage = storage.clone();
    spawn_blocking(move || work(&storage)).await.map_err(io::Error::other)?
}
