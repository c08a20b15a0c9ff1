use super::*;

fn read(bytes: &[u8]) -> Result<Option<Head>, Refusal> {
    super::read(bytes, &mut Places::default())
}

fn status_of(text: &str) -> u16 {
    match read(text.as_bytes()) {
        Err(refusal) => refusal.status.as_u16(),
        Ok(Some(_)) => 200,
        Ok(None) => 0,
    }
}

#[test]
fn sound_heads_with_their_framing() {
    for (text, framing) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Length(0)),
        ("GET / HTTP/1.0\r\n\r\n", Framing::Length(0)),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Length(0)),
        ("GET http://a:80/x?y HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Length(0)),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", Framing::Length(5)),
        ("POST / HTTP/1.1\r\nhost:a\r\ntransfer-encoding:\tChunked \r\n\r\n", Framing::Chunked),
        ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: a, Upgrade\r\n\r\n", Framing::Length(0)),
        ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n", Framing::Length(0)),
        ("GET /?q=[]|{}^`%zz HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", Framing::Length(0)),
    ] {
        let head = read(text.as_bytes()).unwrap().unwrap();
        assert_eq!((head.framing, head.len), (framing, text.len()), "{text:?}");
    }
}

#[test]
fn a_head_in_pieces_is_sound_so_far_at_every_cut() {
    let text = "POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-Y: z\r\n\r\n";
    for cut in 0..text.len() {
        assert_eq!(read(&text.as_bytes()[..cut]), Ok(None), "{:?}", &text[..cut]);
    }
}

/// A GET with one more line.
fn with(line: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n")
}

#[test]
fn malformed_header_lines() {
    for (line, status) in [
        ("X : y", 400),
        ("X", 400),
        (": y", 400),
        ("X[: y", 400),
        ("X\u{e9}: y", 400),
        ("X: \u{e9}", 400),
        ("X: a\rb", 400),
        ("X: a\0", 400),
        ("X: a\x08", 400),
        ("X: a\r\n b", 400),
        (" X: a", 400),
        ("X: a\nY: b", 400),
        ("Host: b", 400),
        ("Content-Type: a/b\r\nContent-Type: c/d", 400),
    ] {
        assert_eq!(status_of(&with(line)), status, "{line:?}");
    }
    for host in ["", "a, b", "u@a", "a/b", "a b", "a:x"] {
        assert_eq!(status_of(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")), 400, "{host:?}");
    }
    assert_eq!(status_of("GET / HTTP/1.1\r\n\r\n"), 400, "no Host");
    assert_eq!(status_of(&with(&"X: y\r\n".repeat(MAX_FIELDS))), 431);
    assert_eq!(status_of(&with(&format!("X: {}", "y".repeat(MAX_HEAD)))), 431);
    assert_eq!(status_of(&with(&format!("X: {}", "y".repeat(60_000)))), 200);
}

#[test]
fn the_largest_head_is_a_limit_to_the_byte() {
    for len in MAX_HEAD - 4..MAX_HEAD + 4 {
        let bare = with("X: ").len();
        let head = with(&format!("X: {}", "y".repeat(len - bare)));
        assert_eq!(head.len(), len);
        assert_eq!(status_of(&head), if len <= MAX_HEAD + 1 { 200 } else { 431 }, "{len}");
        // Without its end, and with more lines in its place, it is too large at the latest then.
        let more = format!("{}{}", &head[..len - 2], "Z: z\r\n".repeat(4));
        assert_eq!(status_of(&more), 431, "{len}");
    }
}

#[test]
fn ambiguous_framing() {
    for (lines, status) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: xchunked\r\nContent-Length: 5", 400),
        ("Content-Length: 5\r\nContent-Length: 5", 400),
        ("Content-Length: 5, 5", 400),
        ("Content-Length: +5", 400),
        ("Content-Length: -0", 400),
        ("Content-Length: 05", 400),
        ("Content-Length: 00", 400),
        ("Content-Length: 0x5", 400),
        ("Content-Length: 1_0", 400),
        ("Content-Length: 1 0", 400),
        ("Content-Length: 5 ", 400),
        ("Content-Length:\t5", 400),
        ("Content-Length:", 400),
        ("Content-Length: 99999999999999999999", 400),
        ("Content-Length: 9223372036854775808", 400),
        ("Transfer-Encoding: gzip", 501),
        ("Transfer-Encoding: gzip, chunked", 501),
        ("Transfer-Encoding: xchunked", 501),
        ("Transfer-Encoding: chunked, gzip", 400),
        ("Transfer-Encoding: chunked, chunked", 400),
        ("Transfer-Encoding: , chunked", 400),
        ("Transfer-Encoding: chunked,", 400),
        ("Transfer-Encoding: chunked;a=b", 400),
        ("Transfer-Encoding: \"chunked\"", 400),
        ("Transfer-Encoding:", 400),
        ("Transfer-Encoding:\r\n chunked", 400),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", 400),
    ] {
        assert_eq!(status_of(&with(lines)), status, "{lines:?}");
    }
    assert_eq!(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}
