//! Which certificate a client is shown.

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{collections::HashMap, sync::Arc};
use tokio::sync::watch;

/// The protocol of TLS-ALPN-01 (RFC 8737 §6.2).
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// Certificates by the name that a client asks for (SNI, RFC 6066 §3).
///
/// One is exchanged for another in one step, and stays until there is a better one. What the lock protects is a look into a
/// table: no handshake waits for longer than that.
#[derive(Debug)]
pub struct CertStore(watch::Sender<Certificates>);

/// What there is for a name.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// This one.
    Found(Arc<CertifiedKey>),
    /// None yet: it has been ordered.
    Awaited,
    /// Never one.
    Unknown,
}

#[derive(Debug, Default)]
struct Certificates {
    /// For whoever asks for a name that is not in the table, or for none.
    default: Option<Arc<CertifiedKey>>,
    /// Names in lower case.
    named: HashMap<String, Option<Arc<CertifiedKey>>>,
    /// Those that prove to an ACME server that the name is ours.
    challenges: HashMap<String, Arc<CertifiedKey>>,
}

impl CertStore {
    /// One certificate for every name, and for clients that ask for none.
    pub fn single(key: Arc<CertifiedKey>) -> Self {
        Self(watch::Sender::new(Certificates { default: Some(key), ..Certificates::default() }))
    }

    /// A certificate of its own for each of these names, none of which is there yet; no other name has one.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let named = names.into_iter().map(|name| (name.to_ascii_lowercase(), None)).collect();
        Self(watch::Sender::new(Certificates { named, ..Certificates::default() }))
    }

    /// What a client that asks for this name is shown.
    pub fn get(&self, name: Option<&str>) -> Lookup {
        let certificates = self.0.borrow();
        match name.and_then(|name| certificates.named.get(name)) {
            Some(Some(key)) => Lookup::Found(Arc::clone(key)),
            Some(None) => Lookup::Awaited,
            None => certificates.default.clone().map_or(Lookup::Unknown, Lookup::Found),
        }
    }

    /// From now on everybody who has none of their own gets this one.
    pub fn set_default(&self, key: Arc<CertifiedKey>) {
        self.0.send_modify(|certificates| certificates.default = Some(key));
    }

    /// From now on this name has this certificate.
    pub fn set(&self, name: &str, key: Arc<CertifiedKey>) {
        let name = name.to_ascii_lowercase();
        self.0.send_modify(|certificates| drop(certificates.named.insert(name, Some(key))));
    }

    /// Lets an ACME server that asks for this name see this certificate (TLS-ALPN-01, RFC 8737 §3); nobody else does.
    pub fn set_challenge(&self, name: &str, key: Arc<CertifiedKey>) {
        let name = name.to_ascii_lowercase();
        self.0.send_modify(|certificates| drop(certificates.challenges.insert(name, key)));
    }

    /// The challenge is over.
    pub fn remove_challenge(&self, name: &str) {
        let name = name.to_ascii_lowercase();
        self.0.send_modify(|certificates| drop(certificates.challenges.remove(&name)));
    }

    /// Waits until something is there for a name that is awaited.
    pub(super) async fn arrival(&self, name: &str) {
        let mut changes = self.0.subscribe();
        // Fails only when the store is gone, which we hold.
        let _ =
            changes.wait_for(|certificates| certificates.named.get(name).is_some_and(Option::is_some)).await;
    }

    fn challenge(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        self.0.borrow().challenges.get(name?).cloned()
    }
}

impl ResolvesServerCert for CertStore {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // The library has put the name into lower case.
        if is_validation(&hello) {
            return self.challenge(hello.server_name());
        }
        match self.get(hello.server_name()) {
            Lookup::Found(key) => Some(key),
            Lookup::Awaited | Lookup::Unknown => None,
        }
    }
}

/// Whether this is an ACME server that wants to see a challenge's certificate: it offers this protocol alone.
pub fn is_validation(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|protocols| protocols.eq([ACME_TLS]))
}

#[cfg(test)]
mod tests {
    use super::{super::testing::Recipe, *};

    fn key() -> Arc<CertifiedKey> {
        Recipe::new(&["a.example"]).make().pair().certified
    }

    fn is(lookup: Lookup, expected: &Arc<CertifiedKey>) -> bool {
        matches!(lookup, Lookup::Found(key) if Arc::ptr_eq(&key, expected))
    }

    #[test]
    fn one_certificate_is_for_everybody() {
        let (one, other) = (key(), key());
        let store = CertStore::single(Arc::clone(&one));
        assert!(is(store.get(None), &one) && is(store.get(Some("b.example")), &one));
        store.set_default(Arc::clone(&other));
        assert!(is(store.get(None), &other) && is(store.get(Some("b.example")), &other));
    }

    #[test]
    fn each_name_has_its_own() {
        let (one, other) = (key(), key());
        let store = CertStore::named(["A.example", "b.example"]);
        assert!(matches!(store.get(Some("a.example")), Lookup::Awaited));
        assert!(matches!(store.get(Some("c.example")), Lookup::Unknown));
        assert!(matches!(store.get(None), Lookup::Unknown));
        store.set("a.EXAMPLE", Arc::clone(&one));
        store.set("b.example", Arc::clone(&other));
        assert!(is(store.get(Some("a.example")), &one) && is(store.get(Some("b.example")), &other));
    }

    #[test]
    fn a_challenge_is_shown_to_nobody_else() {
        let store = CertStore::named(["a.example"]);
        store.set_challenge("A.example", key());
        assert!(matches!(store.get(Some("a.example")), Lookup::Awaited));
        assert!(store.challenge(Some("a.example")).is_some() && store.challenge(None).is_none());
        store.remove_challenge("a.EXAMPLE");
        assert!(store.challenge(Some("a.example")).is_none());
    }

    #[tokio::test]
    async fn whoever_waits_is_told_of_their_own_name() {
        let store = CertStore::named(["a.example", "b.example"]);
        let arrival = store.arrival("a.example");
        tokio::pin!(arrival);
        store.set("b.example", key());
        assert!(once(&mut arrival).await.is_none());
        store.set("a.example", key());
        arrival.await;
    }

    /// What a future says when it is asked once.
    async fn once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = std::future::ready(()) => None,
        }
    }
}
