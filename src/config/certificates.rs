//! Where certificates come from, and what the values of it mean.

use super::{
    domains::domains,
    env::{Environment, Raw},
    read::Reader,
    settings::{Facts, Setting},
    values::{self, Invalid, Parsed},
};
use crate::{acme, tls};
use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::Uri;

/// Whether TLS is spoken, and where its certificates come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Tls {
    /// It is not.
    #[default]
    Off,
    /// From files, which somebody else renews.
    Files(tls::Files),
    /// Ordered by ACME.
    Acme(acme::Options),
}

impl Tls {
    /// Whether TLS is spoken at all.
    pub const fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }
}

/// Keys are handed out with padding and without.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether the environment asks for TLS, and whether by Thruster's own name: the defaults depend on it. A domain that may be the
/// application's own and is none asks for nothing.
pub fn facts(environment: &Environment, terminal: bool) -> Facts {
    let facts = Facts { terminal, tls: false, thruster_tls: false };
    let files = ["SSL_CERT_PATH", "SSL_KEY_PATH"].iter().any(|name| environment.sets(name));
    let domain = Setting::known_as("THRUST_ACME_DOMAIN")
        .and_then(|setting| environment.choose(setting, None, facts))
        .filter(|domain| !domain.setting.is_borrowed(&domain.name) || domains(&domain.value).is_ok());
    let thruster_tls = domain.as_ref().is_some_and(|domain| domain.name != domain.setting.name);
    Facts { tls: files || domain.is_some(), thruster_tls, ..facts }
}

/// Reads the settings. What does not go together is found later; it is as if there were none.
pub fn read(raw: &Raw, read: &mut Reader) -> Tls {
    let certificate = read.optional(raw.ssl_cert_path.clone(), values::file);
    let key = read.optional(raw.ssl_key_path.clone(), values::file);
    let domains = read.optional(raw.acme_domain.clone(), domains);
    let directory = read.value(raw.acme_directory.clone(), directory);
    let email = read.optional(raw.acme_email.clone(), email);
    let kid = read.optional(raw.eab_kid.clone(), kid);
    let hmac_key = read.optional(raw.eab_hmac_key.clone(), hmac_key);
    let storage = read.value(raw.storage_path.clone(), values::file);
    match (certificate.zip(key), domains) {
        (Some((certificate, key)), _) => Tls::Files(tls::Files { certificate, key }),
        (None, Some(domains)) => {
            let eab = kid.zip(hmac_key).map(|(kid, hmac_key)| acme::Eab { kid, hmac_key });
            // As OpenSSL and what is built with it have it.
            let roots = read.foreign("SSL_CERT_FILE").map(Into::into);
            let pace = acme::Pace::default();
            Tls::Acme(acme::Options { domains, directory, email, eab, storage, roots, pace })
        }
        (None, None) => Tls::Off,
    }
}

/// RFC 8555 §6.1: nothing but HTTPS.
fn directory(text: &str) -> Parsed<String> {
    let is_https =
        |uri: &Uri| uri.scheme_str() == Some("https") && uri.host().is_some_and(|host| !host.is_empty());
    match text.parse::<Uri>() {
        Ok(uri) if is_https(&uri) => Ok(text.to_owned()),
        _ => Err(Invalid("is not the URL of an ACME directory: https://…".into())),
    }
}

/// An address and nothing around it; whether it exists the certificate authority will say.
fn email(text: &str) -> Parsed<String> {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic() && !b",:;<>@".contains(&byte))
    };
    let valid = text.split_once('@').is_some_and(|(name, host)| plain(name) && plain(host));
    valid.then(|| text.to_owned()).ok_or(Invalid("is not an e-mail address, such as me@example.com".into()))
}

fn kid(text: &str) -> Parsed<String> {
    let valid = text.bytes().all(|byte| byte.is_ascii_graphic());
    valid.then(|| text.to_owned()).ok_or(Invalid("is not a key's identifier: ASCII without spaces".into()))
}

fn hmac_key(text: &str) -> Parsed<Vec<u8>> {
    BASE64URL.decode(text).map_err(|_| Invalid("is not a key in base64url".into()))
}

#[cfg(test)]
mod tests {
    use super::{super::values::tests::table, *};

    #[test]
    fn directories() {
        let same = |text: &str| Some(text.to_owned());
        table(
            directory,
            [("https://a.example/dir", same("https://a.example/dir")), ("http://a.example/dir", None)],
        );
        table(directory, [("a.example", None), ("https://", None), ("https:///dir", None), ("/dir", None)]);
    }

    #[test]
    fn addresses() {
        let same = |text: &str| Some(text.to_owned());
        table(email, [("me+x@a.example", same("me+x@a.example")), ("me", None), ("@a.example", None)]);
        table(
            email,
            [("mailto:me@a.example", None), ("me@a@b", None), ("me@a,you@a", None), ("m e@a", None)],
        );
    }

    #[test]
    fn keys() {
        table(hmac_key, [("-_8", Some(vec![251, 255])), ("-_8=", Some(vec![251, 255]))]);
        table(hmac_key, [("+/8", None), ("a", None), ("a b", None)]);
        table(kid, [("kid-1", Some("kid-1".to_owned())), ("k d", None), ("ké", None)]);
    }
}
