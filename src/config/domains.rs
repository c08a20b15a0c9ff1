//! Names that certificates are ordered for (RFC 1123 §2.1, RFC 8555 §7.1.4).

use super::{
    report::shown,
    values::{Invalid, Parsed},
};
use std::net::IpAddr;

/// Domains, comma separated, each once; in lower case.
pub fn domains(text: &str) -> Parsed<Vec<String>> {
    let mut domains: Vec<String> = Vec::new();
    for item in text.split(',').map(str::trim) {
        let wrong = |why: &str| {
            Invalid(format!("is not a comma separated list of domains: {} {why}", shown(item)).into())
        };
        let domain = domain(item).map_err(wrong)?;
        if domains.contains(&domain) {
            return Err(wrong("is in it twice"));
        }
        domains.push(domain);
    }
    Ok(domains)
}

/// One domain, or what is wrong with it, to be read after it.
fn domain(text: &str) -> Result<String, &'static str> {
    let checks = [
        (text.is_empty(), "is no name"),
        (text.contains("://"), "has a scheme: leave it out"),
        (text.contains('/'), "has a path: leave it out"),
        (text.contains('*'), "is a wildcard, which can only be had over DNS: name each domain"),
        (text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok(), "is an address"),
        (text.contains(':'), "has a port: leave it out (THRUST_HTTPS_PORT)"),
        (!text.is_ascii(), "is not in ASCII: write it as xn--…"),
        (text.ends_with('.'), "ends with a dot: leave it out"),
        (text.len() > 253 || !text.split('.').all(is_label), "is no host name"),
        // A name whose last label is a number is taken for an address (RFC 3696 §2).
        (
            text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())),
            "is an address",
        ),
    ];
    match checks.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, why)) => Err(why),
        None => Ok(text.to_ascii_lowercase()),
    }
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::{super::values::tests::table, *};

    #[test]
    fn lists_of_names() {
        let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        table(domains, [("a.example", list(&["a.example"])), ("xn--e1a.com", list(&["xn--e1a.com"]))]);
        table(domains, [("A.example , b-1.Example", list(&["a.example", "b-1.example"]))]);
        table(domains, [("a.example,", None), (",", None), ("a.example,A.EXAMPLE", None)]);
    }

    #[test]
    fn what_is_wrong_with_a_name_is_said() {
        for (text, why) in [
            ("https://a.example", "has a scheme: leave it out"),
            ("a.example/x", "has a path: leave it out"),
            ("*.a.example", "is a wildcard, which can only be had over DNS: name each domain"),
            ("a.example:443", "has a port: leave it out (THRUST_HTTPS_PORT)"),
            ("müller.example", "is not in ASCII: write it as xn--…"),
            ("a.example.", "ends with a dot: leave it out"),
            ("192.0.2.1", "is an address"),
            ("[::1]", "is an address"),
            ("::1", "is an address"),
            ("300.300.300.300", "is an address"),
            ("a..example", "is no host name"),
            ("-a.example", "is no host name"),
            ("a-.example", "is no host name"),
            ("my_app.example", "is no host name"),
            ("a b.example", "is no host name"),
        ] {
            let expected = format!("is not a comma separated list of domains: {text:?} {why}");
            assert_eq!(domains(text), Err(Invalid(expected.into())), "{text}");
        }
        let long = "a".repeat(64);
        assert!(domains(&long).is_err() && domains(&long[1..]).is_ok());
        assert!(domains(&vec!["a".repeat(50); 6].join(".")).is_err());
    }
}
