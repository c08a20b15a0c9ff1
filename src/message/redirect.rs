//! Where the plain port sends requests that belong on the TLS port (RFC 9110 §15.4, RFC 6797 §7.2).

use super::{Refusal, host};
use http::{HeaderValue, Method, StatusCode, Uri};

/// Where the same resource is found over TLS.
#[derive(Debug, Clone, Copy)]
pub struct Redirect<'a> {
    /// The port that clients reach the TLS port by; 443 is not shown.
    pub port: u16,
    /// Where there are certificates for these names alone: nobody is sent to another. In any case.
    pub domains: Option<&'a [String]>,
}

impl Redirect<'_> {
    /// Status and `Location` for a request: 308, which keeps method and body, or 301 where there is neither to keep.
    ///
    /// # Errors
    ///
    /// 400 without a host that is one, 421 where the host is none of the domains.
    pub fn answer(
        &self,
        method: &Method,
        target: &Uri,
        host: Option<&HeaderValue>,
    ) -> Result<(StatusCode, HeaderValue), Refusal> {
        let host = host::asked(target, host).filter(|host| host::is_valid(host));
        let host = host.ok_or(Refusal::bad("no host to redirect to"))?;
        if !self.domains.is_none_or(|domains| host::is_among(host, domains)) {
            return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, "a host without a certificate"));
        }
        let location = HeaderValue::try_from(self.location(host::name(host), target));
        let location = location.map_err(|_| Refusal::bad("a target that cannot be redirected"))?;
        let keeps_nothing = matches!(*method, Method::GET | Method::HEAD);
        let status =
            if keeps_nothing { StatusCode::MOVED_PERMANENTLY } else { StatusCode::PERMANENT_REDIRECT };
        Ok((status, location))
    }

    fn location(&self, name: &[u8], target: &Uri) -> Vec<u8> {
        let mut location = [b"https://", name].concat();
        if self.port != 443 {
            location.push(b':');
            location.extend_from_slice(itoa::Buffer::new().format(self.port).as_bytes());
        }
        // A path that is empty is how `*` is asked for by an absolute target (RFC 9112 §3.2.4).
        let path = target.path_and_query().map_or("", |path| path.as_str());
        location.extend_from_slice(if path == "*" { b"" } else { path.as_bytes() });
        location
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `301 https://…`, or the refusal's status.
    fn answer(redirect: Redirect<'_>, method: &str, target: &str, host: Option<&str>) -> String {
        let (method, target) = (method.parse().unwrap(), target.parse().unwrap());
        match redirect.answer(
            &method,
            &target,
            host.map(|host| HeaderValue::from_str(host).unwrap()).as_ref(),
        ) {
            Ok((status, location)) => format!("{} {}", status.as_u16(), location.to_str().unwrap()),
            Err(refusal) => refusal.status.as_u16().to_string(),
        }
    }

    #[test]
    fn the_same_target_over_tls() {
        let usual = Redirect { port: 443, domains: None };
        for (method, target, host, expected) in [
            ("GET", "/", "a.example", "301 https://a.example/"),
            ("HEAD", "/x?y=%20&z", "a.example:80", "301 https://a.example/x?y=%20&z"),
            ("POST", "/x", "A.example:3000", "308 https://A.example/x"),
            ("DELETE", "//b.example/x", "a.example", "308 https://a.example//b.example/x"),
            ("GET", "http://a.example:80/x", "b.example", "301 https://a.example/x"),
            ("OPTIONS", "*", "a.example", "308 https://a.example"),
            ("GET", "/", "[::1]:80", "301 https://[::1]/"),
            ("GET", "/", "192.0.2.1", "301 https://192.0.2.1/"),
        ] {
            assert_eq!(answer(usual, method, target, Some(host)), expected, "{target} at {host}");
        }
    }

    #[test]
    fn another_port_is_shown() {
        let other = Redirect { port: 8443, domains: None };
        assert_eq!(answer(other, "GET", "/x", Some("a.example:80")), "301 https://a.example:8443/x");
        assert_eq!(answer(other, "GET", "/x", Some("[::1]:80")), "301 https://[::1]:8443/x");
    }

    #[test]
    fn nobody_is_sent_to_a_host_that_is_none() {
        let usual = Redirect { port: 443, domains: None };
        for host in ["", "a.example/x", "u@a.example", "a b", "a.example:x", "a,b"] {
            assert_eq!(answer(usual, "GET", "/", Some(host)), "400", "{host:?}");
        }
        assert_eq!(answer(usual, "GET", "/", None), "400");
    }

    #[test]
    fn a_host_without_a_certificate_is_misdirected() {
        let domains = ["a.example".to_owned(), "b.example".to_owned()];
        let strict = Redirect { port: 443, domains: Some(&domains) };
        for (host, expected) in [
            ("B.EXAMPLE:80", "301 https://B.EXAMPLE/"),
            ("c.example", "421"),
            ("a.example.c.example", "421"),
            ("x.a.example", "421"),
            ("192.0.2.1", "421"),
            ("a.example:x", "400"),
        ] {
            assert_eq!(answer(strict, "GET", "/", Some(host)), expected, "{host}");
        }
        assert_eq!(answer(strict, "GET", "http://c.example/", Some("a.example")), "421");
    }
}
