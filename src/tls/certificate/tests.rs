//! Keys and chains as rcgen and OpenSSL write them, and all that can be wrong with them.

use super::{
    super::testing::{Made, Recipe},
    *,
};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use std::process::{Command, Stdio};

fn made() -> Made {
    Recipe::new(&["a.example"]).make()
}

/// What is wrong with this text.
fn fault(chain: &str, key: &str) -> (Part, String) {
    let fault = Pair::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err();
    (fault.part, fault.to_string())
}

/// `openssl` with these arguments, of which `KEY` is a file with that key.
fn openssl(key: &str, arguments: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    fs::write(&path, key).unwrap();
    let arguments =
        arguments.split(' ').map(|word| if word == "KEY" { path.as_os_str() } else { word.as_ref() });
    let output = Command::new("openssl").args(arguments).stderr(Stdio::null()).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn keys_of_each_kind_are_taken() {
    for kind in [&PKCS_RSA_SHA256, &PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        let made = Recipe::new(&["a.example"]).kind(kind).make();
        let pair = Pair::from_pem(made.pem.as_bytes(), made.key_pem.as_bytes()).unwrap();
        assert_eq!((pair.certified.cert.len(), pair.facts.names), (1, vec!["a.example".to_owned()]));
    }
}

#[test]
fn keys_are_taken_in_each_form() {
    for (kind, form, begins) in [
        (&PKCS_RSA_SHA256, "rsa -traditional -in KEY", "-----BEGIN RSA PRIVATE KEY-----"),
        (&PKCS_ECDSA_P256_SHA256, "ec -in KEY", "-----BEGIN EC PRIVATE KEY-----"),
        (&PKCS_ECDSA_P384_SHA384, "ec -in KEY", "-----BEGIN EC PRIVATE KEY-----"),
    ] {
        let made = Recipe::new(&["a.example"]).kind(kind).make();
        let key = openssl(&made.key_pem, form);
        assert!(key.starts_with(begins), "{key}");
        Pair::from_pem(made.pem.as_bytes(), key.as_bytes()).unwrap();
    }
    let made =
        Recipe::new(&["a.example"]).signed_with(&openssl("", "genpkey -algorithm ED25519"), &PKCS_ED25519);
    Pair::from_pem(made.pem.as_bytes(), made.key_pem.as_bytes()).unwrap();
}

#[test]
fn what_surrounds_a_section_does_not_matter() {
    let (one, other) = (made(), made());
    let chain = format!("subject=/CN=a\n{}\n# the issuer's\n{}", one.pem, other.pem).replace('\n', "\r\n");
    let key = format!(
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{}",
        one.key_pem
    );
    let pair = Pair::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    assert_eq!(pair.certified.cert.len(), 2);
    let both = format!("{}{}", one.key_pem, one.pem);
    Pair::from_pem(both.as_bytes(), both.as_bytes()).unwrap();
}

#[test]
fn encrypted_keys_are_told_from_broken_ones() {
    let made = Recipe::new(&["a.example"]).kind(&PKCS_RSA_SHA256).make();
    let expected =
        (Part::Key, "the key is encrypted: nobody can be asked for its passphrase here".to_owned());
    for form in
        ["pkcs8 -topk8 -passout pass:secret -in KEY", "rsa -traditional -aes128 -passout pass:secret -in KEY"]
    {
        assert_eq!(fault(&made.pem, &openssl(&made.key_pem, form)), expected);
    }
}

#[test]
fn each_fault_is_told_from_the_others() {
    let (one, other) = (made(), made());
    let unended = one.pem.replace("-----END CERTIFICATE-----", "");
    let damaged = one.pem.replacen("MII", "M*I", 1);
    let short = openssl("", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024");
    let certificate = |text: &str| (Part::Certificate, text.to_owned());
    let key = |text: &str| (Part::Key, text.to_owned());
    let of_key = |body: &str| format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    for (chain, private, expected) in [
        ("", one.key_pem.as_str(), certificate("there is no certificate in it (in PEM)")),
        (&one.key_pem, &one.key_pem, certificate("there is no certificate in it (in PEM)")),
        (&unended, &one.key_pem, certificate("is broken: CERTIFICATE has no end")),
        (&damaged, &one.key_pem, certificate("is broken: a section is not in base64")),
        (
            &format!("{}-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", one.pem),
            &one.key_pem,
            certificate("is broken: certificate 2"),
        ),
        (
            "-----BEGIN CERTIFICATE\n",
            &one.key_pem,
            certificate("is broken: \"-----BEGIN CERTIFICATE\" begins no section"),
        ),
        (&one.pem, "", key("there is no private key in it (in PEM)")),
        (&one.pem, &one.pem, key("there is no private key in it (in PEM)")),
        (&one.pem, &of_key("MIIB"), key("is broken: the key")),
        (&one.pem, &of_key("M*IB"), key("is broken: a section is not in base64")),
        (
            &one.pem,
            &short,
            key("the key is none of RSA (2048 to 8192 bits), ECDSA (P-256, P-384, P-521) and Ed25519"),
        ),
        (&one.pem, &other.key_pem, key("the key does not belong to the (first) certificate")),
        (
            &format!("{}{}", other.pem, one.pem),
            &one.key_pem,
            key("the key does not belong to the (first) certificate"),
        ),
    ] {
        assert_eq!(fault(chain, private), expected);
    }
}

#[test]
fn the_file_at_fault_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let files = made().write(folder.path());
    assert_eq!(Pair::load(&files).unwrap().facts.names, ["a.example"]);
    let elsewhere = folder.path().join("nowhere.pem");
    let load = |certificate: &Path, key: &Path| {
        let unusable = Pair::load(&Files { certificate: certificate.into(), key: key.into() }).unwrap_err();
        unusable.to_string()
    };
    let missing = format!("{}: there is no such file", elsewhere.display());
    assert_eq!(load(&elsewhere, &files.key), missing);
    assert_eq!(load(&files.certificate, &elsewhere), missing);
    let unreadable = format!("{}: cannot be read: ", folder.path().display());
    assert!(load(folder.path(), &files.key).starts_with(&unreadable));
    let no_key = format!("{}: there is no private key in it (in PEM)", files.certificate.display());
    assert_eq!(load(&files.certificate, &files.certificate), no_key);
}
