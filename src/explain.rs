//! `thrust explain`: asks the thrust that runs here why it answers a request as it does, and prints what it says.
//!
//! The words come from the running server (`proxy::explain`), which answers them to nobody but who asks on its own machine.
//! Here is the client alone: one request, one answer.

use crate::{config::Config, message::forwarded};
use http::{HeaderName, HeaderValue, Uri, uri::Authority};
use std::{
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// sysexits(3): nothing answers.
pub const EX_UNAVAILABLE: u8 = 69;
/// sysexits(3): what answers explains nothing.
pub const EX_PROTOCOL: u8 = 76;

/// A connection on this machine is there at once, or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The application may be slow: it is often asked because it is.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// More of an answer is not read.
const LONGEST_ANSWER: u64 = 1 << 20;

/// What is asked for where the request does not say it: as a browser does.
const AS_BROWSERS: [(&str, &str); 3] =
    [("Accept", "*/*"), ("Accept-Encoding", "gzip, deflate, br, zstd"), ("User-Agent", "thrust explain")];

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    target: String,
    /// Of a whole URL.
    site: Option<Site>,
    fields: Vec<(HeaderName, HeaderValue)>,
}

/// Scheme and host of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Site {
    is_https: bool,
    authority: Authority,
}

/// Why there is no explanation.
#[derive(Debug)]
pub enum Unexplained {
    /// The port is a free one, which only the start-up line names.
    AnyPort {
        /// The variable that says so.
        setting: String,
    },
    /// Nothing answers there.
    Unavailable {
        /// Where.
        address: SocketAddr,
        /// Who says so.
        setting: String,
        /// Why.
        error: io::Error,
    },
    /// Something answers, but explains nothing.
    Answered {
        /// Where.
        address: SocketAddr,
        /// With what: the status line, and what an error's body says.
        answer: String,
    },
}

impl Question {
    /// Of a path or a URL, and fields as curl takes them (`Name: value`).
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn new(asked: &str, fields: &[String]) -> Result<Self, String> {
        let unclear = || format!("{asked:?} is none: a path begins with /, a URL with http:// or https://");
        let uri: Uri = asked.parse().map_err(|_| unclear())?;
        let is_https = uri.scheme_str() == Some("https");
        let site = match (uri.scheme_str(), uri.authority()) {
            (None, None) if asked.starts_with('/') => None,
            (Some("http" | "https"), Some(authority)) if !authority.as_str().contains('@') => {
                Some(Site { is_https, authority: authority.clone() })
            }
            _ => return Err(unclear()),
        };
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let fields = fields.iter().map(|field| read_field(field)).collect::<Result<_, _>>()?;
        Ok(Self { target, site, fields })
    }

    /// Asks, and gives the answer.
    ///
    /// # Errors
    /// Nothing answers, or nothing that explains.
    pub fn ask(&self, config: &Config) -> Result<String, Unexplained> {
        let (address, setting) = self.address(config)?;
        let exchange = || -> io::Result<Answer> {
            let mut stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
            stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
            stream.write_all(self.request(config, address.port()).as_slice())?;
            Answer::read(BufReader::new(stream))
        };
        match exchange() {
            Ok(Answer { explains: true, body, .. }) => Ok(body),
            Ok(Answer { status_line, body, .. }) => {
                let first = body.lines().next().unwrap_or_default();
                let answer = format!("{status_line}; {first}");
                Err(Unexplained::Answered { address, answer: answer.escape_debug().take(300).collect() })
            }
            Err(error) => Err(Unexplained::Unavailable { address, setting, error }),
        }
    }

    /// Where to ask, and what says so: that of a URL on this machine, otherwise where thrust listens.
    fn address(&self, config: &Config) -> Result<(SocketAddr, String), Unexplained> {
        if let Some(Site { is_https: false, authority }) = &self.site
            && let Some(address) = loopback(authority.host())
        {
            return Ok(((address, authority.port_u16().unwrap_or(80)).into(), "the URL".to_owned()));
        }
        let setting = config.variable("PORT").to_owned();
        let bound = config.server.address.filter(|address| !address.is_unspecified());
        match config.server.port {
            0 => Err(Unexplained::AnyPort { setting }),
            port => Ok(((bound.unwrap_or(Ipv4Addr::LOCALHOST.into()), port).into(), setting)),
        }
    }

    fn request(&self, config: &Config, port: u16) -> Vec<u8> {
        let mut fields: Vec<(String, Vec<u8>)> = self.own_fields(config, port);
        fields.extend(AS_BROWSERS.map(|(name, value)| (name.to_owned(), value.into())));
        fields.retain(|(name, _)| {
            !self.fields.iter().any(|(given, _)| given.as_str().eq_ignore_ascii_case(name))
        });
        let given = self.fields.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        let ours = [("X-Thrust-Explain", "1"), ("Connection", "close")];
        fields.extend(given.chain(ours.map(|(name, value)| (name.to_owned(), value.into()))));
        let mut request = format!("GET {} HTTP/1.1\r\n", self.target).into_bytes();
        for (name, value) in fields {
            request.extend([name.as_bytes(), b": ", &value, b"\r\n"].concat());
        }
        request.extend(b"\r\n");
        request
    }

    /// The host that is asked for. A URL that is not this machine's is asked for as kamal-proxy passes it on, so that it is the
    /// visitors' own to the application and to the cache.
    fn own_fields(&self, config: &Config, port: u16) -> Vec<(String, Vec<u8>)> {
        let field = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let domain = config.proxy.domains.as_ref().and_then(|domains| domains.first());
        match &self.site {
            None => vec![field("Host", domain.unwrap_or(&format!("localhost:{port}")))],
            Some(Site { authority, .. }) if loopback(authority.host()).is_some() => {
                vec![field("Host", authority.as_str())]
            }
            Some(Site { authority, is_https }) => vec![
                field("Host", authority.as_str()),
                field("X-Forwarded-Host", authority.as_str()),
                field("X-Forwarded-Proto", if *is_https { "https" } else { "http" }),
            ],
        }
    }
}

/// A field as curl takes it.
fn read_field(field: &str) -> Result<(HeaderName, HeaderValue), String> {
    let malformed = || format!("{field:?} is no header field: write 'Name: value'");
    let (name, value) = field.split_once(':').ok_or_else(malformed)?;
    let name: HeaderName = name.parse().map_err(|_| malformed())?;
    let value = value.trim().parse().map_err(|_| malformed())?;
    if forwarded::names_another(name.as_str()) {
        return Err(format!("{name}: what a proxy has passed on is not explained; leave that field out"));
    }
    Ok((name, value))
}

/// The address of this machine that a URL's host stands for, if it does.
fn loopback(host: &str) -> Option<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok().filter(IpAddr::is_loopback)
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status_line: String,
    explains: bool,
    body: String,
}

impl Answer {
    /// Reads as much as it needs: an explanation has a length, and of anything else the beginning is enough.
    fn read(mut stream: impl BufRead) -> io::Result<Self> {
        let mut head = stream.by_ref().take(LONGEST_ANSWER);
        let status_line = line(&mut head)?;
        let (mut explains, mut length) = (false, 0);
        loop {
            let field = line(&mut head)?;
            match field.split_once(':') {
                _ if field.is_empty() => break,
                Some((name, _)) if name.eq_ignore_ascii_case("x-thrust-explain") => explains = true,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().unwrap_or(0);
                }
                _ => {}
            }
        }
        let mut body = Vec::new();
        stream.take(length.min(LONGEST_ANSWER)).read_to_end(&mut body)?;
        Ok(Self { status_line, explains, body: String::from_utf8_lossy(&body).into_owned() })
    }
}

/// The next line, without its end.
fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

impl Unexplained {
    /// The program's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::AnyPort { .. } | Self::Unavailable { .. } => EX_UNAVAILABLE,
            Self::Answered { .. } => EX_PROTOCOL,
        }
    }
}

impl fmt::Display for Unexplained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyPort { setting } => write!(
                f,
                "{setting} is 0: which port thrust listens on, its start-up line says. Ask by it: thrust explain \
                 http://localhost:PORT/…"
            ),
            Self::Unavailable { address, setting, error } => {
                write!(f, "nothing answers at {address} ({error}). ")?;
                if setting == "the URL" {
                    return f.write_str("The URL names that port. Does thrust run on this machine?");
                }
                write!(
                    f,
                    "The port is set by {setting}: is it the same where thrust runs? Run this inside of its \
                     container,\nor name the port: thrust explain http://localhost:PORT/…"
                )
            }
            Self::Answered { address, answer } => write!(
                f,
                "what answers at {address} explains nothing: {answer}\nIs it thrust, of this version, with nothing \
                 in between, and is the request one that it takes?"
            ),
        }
    }
}

impl std::error::Error for Unexplained {}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Config {
        Config::from_env(variables.iter().map(|(name, value)| (name.into(), value.into())), false).unwrap().0
    }

    fn question(asked: &str, fields: &[&str]) -> Result<Question, String> {
        Question::new(asked, &fields.iter().map(|&field| field.to_owned()).collect::<Vec<_>>())
    }

    /// Where it is asked, and the request's lines.
    fn request(asked: &str, fields: &[&str], variables: &[(&str, &str)]) -> (String, String) {
        let (question, config) = (question(asked, fields).unwrap(), config(variables));
        let (address, _) = question.address(&config).unwrap();
        (address.to_string(), String::from_utf8(question.request(&config, address.port())).unwrap())
    }

    #[test]
    fn a_path_is_asked_for_where_thrust_listens() {
        let (address, text) = request("/a?b=c", &[], &[("PORT", "8080")]);
        assert_eq!(address, "127.0.0.1:8080");
        assert_eq!(
            text,
            "GET /a?b=c HTTP/1.1\r\nHost: localhost:8080\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
             User-Agent: thrust explain\r\nX-Thrust-Explain: 1\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(request("/", &[], &[("THRUST_BIND", "127.0.0.2")]).0, "127.0.0.2:3000");
        assert_eq!(request("/", &[], &[("THRUST_BIND", "0.0.0.0")]).0, "127.0.0.1:3000");
        let tls = [("THRUST_ACME_DOMAIN", "a.example,b.example")];
        let (address, text) = request("/", &[], &tls);
        assert!(address == "127.0.0.1:80" && text.contains("\r\nHost: a.example\r\n"), "{address} {text}");
    }

    #[test]
    fn a_url_of_this_machine_says_where() {
        for (url, address, host) in [
            ("http://localhost:4000/a", "127.0.0.1:4000", "localhost:4000"),
            ("http://127.0.0.1/a", "127.0.0.1:80", "127.0.0.1"),
            ("http://[::1]:4000/a", "[::1]:4000", "[::1]:4000"),
            // TLS is not spoken here; thrust's plain port answers for it.
            ("https://localhost/a", "127.0.0.1:3000", "localhost"),
        ] {
            let (asked, text) = request(url, &[], &[]);
            assert_eq!(asked, address, "{url}");
            assert!(text.starts_with(&format!("GET /a HTTP/1.1\r\nHost: {host}\r\nAccept")), "{text}");
        }
    }

    #[test]
    fn a_visitor_s_url_is_asked_for_as_a_proxy_passes_it_on() {
        let (address, text) = request("https://shop.example.com/a", &[], &[]);
        assert_eq!(address, "127.0.0.1:3000");
        assert!(text.contains(
            "\r\nHost: shop.example.com\r\nX-Forwarded-Host: shop.example.com\r\nX-Forwarded-Proto: https\r\n"
        ));
    }

    #[test]
    fn fields_take_the_place_of_ours() {
        let fields = ["Accept-Encoding: br", "cookie:a=b", "Host: example.com"];
        let (_, text) = request("/", &fields, &[]);
        assert!(text.contains("\r\naccept-encoding: br\r\ncookie: a=b\r\nhost: example.com\r\n"), "{text}");
        assert!(!text.contains("Accept-Encoding") && !text.contains("Host"), "{text}");
    }

    #[test]
    fn what_cannot_be_asked_is_refused_in_words() {
        for (asked, fields, word) in [
            ("assets/a.css", &[][..], "begins with /"),
            ("ftp://localhost/", &[], "http://"),
            ("localhost:3000", &[], "http://"),
            ("http://a@localhost/", &[], "http://"),
            ("/ a", &[], "begins with /"),
            ("", &[], "begins with /"),
            ("/", &["a"], "Name: value"),
            ("/", &["a b: c"], "Name: value"),
            ("/", &["a: b\r\nc: d"], "Name: value"),
            ("/", &["X-Forwarded-For: 1.1.1.1"], "proxy"),
        ] {
            let error = question(asked, fields).unwrap_err();
            assert!(error.contains(word), "{asked} {fields:?}: {error}");
        }
    }

    #[test]
    fn any_port_is_no_port_to_ask() {
        let error = question("/", &[]).unwrap().ask(&config(&[("THRUST_HTTP_PORT", "0")])).unwrap_err();
        assert!(
            error.exit_code() == EX_UNAVAILABLE && error.to_string().contains("THRUST_HTTP_PORT is 0"),
            "{error}"
        );
    }

    #[test]
    fn answers_are_told_apart() {
        let read = |text: &str| Answer::read(text.as_bytes());
        let explained =
            read("HTTP/1.1 200 OK\r\nX-Thrust-Explain: 1\r\nContent-Length: 2\r\n\r\nok and more").unwrap();
        assert!(explained.explains && explained.body == "ok");
        let other = read("HTTP/1.1 404 Not Found\r\n\r\n").unwrap();
        assert!(!other.explains && other.status_line == "HTTP/1.1 404 Not Found");
        for broken in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nA: b"] {
            assert!(read(broken).is_err(), "{broken:?}");
        }
    }
}
