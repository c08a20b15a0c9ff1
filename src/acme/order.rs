//! One order (RFC 8555 §7.4): the proof that the domain is ours, and the certificate for it.

use super::{
    account::insist,
    certificate::Certificate,
    challenge::{Method, Proof, Stage},
    failure::Failure,
};
use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, Error, Identifier, NewOrder, Order, OrderStatus,
    Problem, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the CA may take to look at a proof.
const VALIDATION: Duration = Duration::from_secs(120);
/// The pauses between two questions grow from here …
const ASK_FIRST: Duration = Duration::from_millis(250);
/// … to here.
const ASK_MOST: Duration = Duration::from_secs(10);
/// How often the CA is asked whether an order has come on.
const PATIENCE: RetryPolicy = RetryPolicy::new().initial_delay(ASK_FIRST).timeout(VALIDATION);

/// Who orders what.
pub struct Ordering<'a> {
    /// On whose behalf.
    pub account: &'a Account,
    /// For this name.
    pub domain: &'a str,
    /// Where the proof is shown.
    pub stage: &'a Stage,
    /// The certificate that this one comes after, where the CA wants to know.
    pub replaces: Option<&'a CertificateIdentifier<'static>>,
}

/// A certificate that has just been obtained.
pub struct Obtained {
    /// Key and chain, as they are kept.
    pub pem: String,
    /// The same.
    pub certificate: Certificate,
}

impl Ordering<'_> {
    /// Orders it, proving that the domain is ours by this method, unless the CA remembers an earlier proof.
    ///
    /// # Errors
    /// The CA cannot be reached, refuses, or does not see the proof.
    pub async fn obtain(&self, method: Method) -> Result<Obtained, Failure> {
        let identifiers = [Identifier::Dns(self.domain.to_owned())];
        let mut wanted = NewOrder::new(&identifiers);
        if let Some(replaces) = self.replaces {
            wanted = wanted.replaces(replaces.clone());
        }
        let mut order = insist!(self.account.new_order(&wanted).await)?;
        self.prove(&mut order, method).await?;
        finish(&mut order, self.domain).await
    }

    /// Shows the proof until the CA has made up its mind.
    async fn prove(&self, order: &mut Order, method: Method) -> Result<(), Failure> {
        if authorization(order).await?.0 == AuthorizationStatus::Valid {
            return Ok(());
        }
        let _proof = self.show(order, method).await?;
        let (deadline, mut pause) = (Instant::now() + VALIDATION, ASK_FIRST);
        loop {
            sleep(pause).await;
            pause = (pause * 2).min(ASK_MOST);
            match authorization(order).await? {
                (AuthorizationStatus::Valid, _) => return Ok(()),
                (AuthorizationStatus::Pending, _) if Instant::now() < deadline => {}
                (AuthorizationStatus::Pending, _) => {
                    return Err(Failure::Trouble("the ACME server takes too long to validate".to_owned()));
                }
                (_, problem) => {
                    let problem = problem.unwrap_or_else(silent);
                    return Err(Failure::Validation { method, problem });
                }
            }
        }
    }

    /// Shows the proof and asks the CA to look.
    async fn show(&self, order: &mut Order, method: Method) -> Result<Proof<'_>, Failure> {
        // Shown once, however often the CA has to be asked: each proof that goes takes what is shown with it.
        let mut proof = None;
        let asked = insist!(self.ask_to_look(order, method, &mut proof).await);
        // A CA that has looked before it answers says in its answer what it has not seen, which the library takes for a refusal.
        if let Err(failure) = asked
            && (proof.is_none() || authorization(order).await?.1.is_none())
        {
            return Err(failure);
        }
        proof.unwrap_or(Err(Failure::NotOffered(method)))
    }

    async fn ask_to_look<'a>(
        &'a self,
        order: &mut Order,
        method: Method,
        proof: &mut Option<Result<Proof<'a>, Failure>>,
    ) -> Result<(), Error> {
        let mut authorizations = order.authorizations();
        let mut found = authorizations.next().await.ok_or(Error::Str("no authorization"))??;
        let Some(mut challenge) = found.challenge(method.challenge()) else { return Ok(()) };
        match proof.get_or_insert_with(|| self.stage.show(method, self.domain, &challenge)) {
            Ok(_) => challenge.set_ready().await,
            Err(_) => Ok(()),
        }
    }
}

/// How the CA's judgement stands, and what it has against the proof.
async fn authorization(order: &mut Order) -> Result<(AuthorizationStatus, Option<Problem>), Failure> {
    insist!(judgement(order).await)
}

async fn judgement(order: &mut Order) -> Result<(AuthorizationStatus, Option<Problem>), Error> {
    let mut authorizations = order.authorizations();
    let mut found = authorizations.next().await.ok_or(Error::Str("no authorization"))??;
    let state = found.refresh().await?;
    let problem = state.challenges.iter().find_map(|challenge| challenge.error.clone());
    Ok((state.status, problem))
}

/// Has the CA sign a new key, and fetches the chain.
async fn finish(order: &mut Order, domain: &str) -> Result<Obtained, Failure> {
    if insist!(order.poll_ready(&PATIENCE).await)? != OrderStatus::Ready {
        return Err(Failure::Refused(order.state().error.clone().unwrap_or_else(silent)));
    }
    let mut parameters = CertificateParams::new(vec![domain.to_owned()])?;
    parameters.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate()?;
    let request = parameters.serialize_request(&key)?;
    insist!(order.finalize_csr(request.der()).await)?;
    let chain = insist!(order.poll_certificate(&PATIENCE).await)?;
    let pem = format!("{}{chain}", key.serialize_pem());
    let certificate = Certificate::parse(&pem, domain).map_err(Failure::Certificate)?;
    Ok(Obtained { pem, certificate })
}

/// A refusal of which the CA does not say why.
fn silent() -> Problem {
    Problem { r#type: None, detail: None, status: None, subproblems: Vec::new() }
}
