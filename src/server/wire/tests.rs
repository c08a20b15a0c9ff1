use super::*;
use std::collections::VecDeque;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const MESSAGES: [(&str, &str); 5] = [
    ("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", ""),
    ("POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nhello\r\n\r\nyou", "hello\r\n\r\nyou"),
    (
        "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nSum: 1\r\n\r\n",
        "hello!",
    ),
    ("HEAD /d HTTP/1.0\r\n\r\n", ""),
    ("PUT /e HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", ""),
];

/// A socket whose bytes come in pieces; then nothing comes, but it stays open unless it is over.
#[derive(Default)]
struct Pieces {
    pieces: VecDeque<Vec<u8>>,
    is_over: bool,
    is_blocked: bool,
    holds_back: bool,
}

impl Pieces {
    fn of(bytes: &[u8], random: &mut fastrand::Rng) -> Self {
        let (mut pieces, mut rest) = (VecDeque::new(), bytes);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(random.usize(1..=rest.len().min(60)));
            pieces.push_back(piece.to_vec());
            rest = after;
        }
        Self { pieces, ..Self::default() }
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(mut piece) = self.pieces.pop_front() else {
            return if self.is_over { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        let rest = piece.split_off(piece.len().min(buf.remaining()));
        buf.put_slice(&piece);
        if !rest.is_empty() {
            self.pieces.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

/// Takes whatever it is given, unless it is blocked.
impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_blocked { Poll::Pending } else { Poll::Ready(Ok(bytes.len())) }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.holds_back { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Transport for Pieces {
    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<bool> {
        if self.pieces.is_empty() { Poll::Pending } else { Poll::Ready(true) }
    }
}

fn wire_of(bytes: &[u8], random: &mut fastrand::Rng) -> Wire<Pieces> {
    Wire::new(Pieces::of(bytes, random), BytesMut::new())
}

fn next(wire: &mut Wire<Pieces>) -> Option<Next> {
    next_into(&mut Request::new(()), wire)
}

fn next_into(request: &mut Request<()>, wire: &mut Wire<Pieces>) -> Option<Next> {
    match wire.poll_request(&mut Context::from_waker(Waker::noop()), request, &mut Places::default()) {
        Poll::Ready(next) => Some(next),
        Poll::Pending => None,
    }
}

/// The body of the request that was read last, and how many trailer fields there were.
fn body(wire: &mut Wire<Pieces>) -> Result<(String, usize), BodyError> {
    let (mut body, mut trailers) = (String::new(), 0);
    loop {
        let number = wire.request_number();
        match wire.poll_body(&mut Context::from_waker(Waker::noop()), number) {
            Poll::Ready(Some(frame)) => match frame?.into_data() {
                Ok(data) => body.push_str(str::from_utf8(&data).unwrap()),
                Err(frame) => trailers += frame.into_trailers().unwrap().len(),
            },
            Poll::Ready(None) => return Ok((body, trailers)),
            Poll::Pending => panic!("the body is all there"),
        }
    }
}

#[tokio::test]
async fn requests_come_one_after_another_however_they_are_cut() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..2_000 {
        let messages: Vec<_> =
            (0..random.usize(1..6)).map(|_| MESSAGES[random.usize(..MESSAGES.len())]).collect();
        let sent: String = messages.iter().map(|(text, _)| *text).collect();
        let (mut wire, mut request) = (wire_of(sent.as_bytes(), &mut random), Request::new(()));
        for (text, expected) in messages {
            let is_next = matches!(next_into(&mut request, &mut wire), Some(Next::Request(_)));
            assert!(is_next, "no request: {sent:?}");
            let line = format!("{} {} {:?}\r\n", request.method(), request.uri(), request.version());
            assert!(text.starts_with(&line), "{line} of {text:?}");
            assert_eq!(request.headers().contains_key("host"), text.contains("Host"), "{text:?}");
            let trailers = usize::from(text.contains("Sum"));
            assert_eq!(body(&mut wire), Ok((expected.to_owned(), trailers)), "{text:?}");
            assert!(wire.is_between_requests());
        }
        assert!(next(&mut wire).is_none() && !wire.has_received());
    }
}

#[tokio::test]
async fn what_is_malformed_is_refused_in_its_turn() {
    let mut random = fastrand::Rng::with_seed(7);
    for before in 0..4 {
        let sound = MESSAGES[1].0.repeat(before);
        let sent = format!("{sound}GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{}", MESSAGES[0].0);
        let mut wire = wire_of(sent.as_bytes(), &mut random);
        for _ in 0..before {
            assert!(matches!(next(&mut wire), Some(Next::Request(_))));
            body(&mut wire).unwrap();
        }
        let Some(Next::Refused(refused)) = next(&mut wire) else { panic!("taken for a sound request") };
        assert_eq!(refused.refusal, Refusal::bad("more than one Host"));
        assert!(refused.start.starts_with(b"GET / HTTP/1.1\r\n"));
        assert!(!wire.is_between_requests(), "nothing behind it is read");
    }
}

#[tokio::test]
async fn a_body_breaks_off_for_good_where_it_is_malformed() {
    let mut random = fastrand::Rng::with_seed(7);
    let sent = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokx\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut wire = wire_of(sent.as_bytes(), &mut random);
    assert!(matches!(next(&mut wire), Some(Next::Request(_))));
    for _ in 0..3 {
        assert_eq!(body(&mut wire), Err(BodyError::Malformed));
    }
    assert!(!wire.is_between_requests());
}

#[tokio::test]
async fn a_body_is_that_of_its_own_request_only() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut wire = wire_of(MESSAGES[1].0.repeat(2).as_bytes(), &mut random);
    assert!(matches!(next(&mut wire), Some(Next::Request(_))));
    body(&mut wire).unwrap();
    assert!(matches!(next(&mut wire), Some(Next::Request(_))));
    let stale = wire.poll_body(&mut Context::from_waker(Waker::noop()), 1);
    assert!(matches!(stale, Poll::Ready(Some(Err(BodyError::ClientGone)))));
    assert_eq!(body(&mut wire).unwrap().0, MESSAGES[1].1);
}

#[tokio::test]
async fn what_has_arrived_of_an_unwanted_body_is_skipped() {
    let mut random = fastrand::Rng::with_seed(7);
    for (text, _) in MESSAGES {
        let mut wire = wire_of(text.repeat(2).as_bytes(), &mut random);
        for _ in 0..2 {
            assert!(matches!(next(&mut wire), Some(Next::Request(_))), "{text:?}");
            wire.skip_body();
            assert!(wire.is_between_requests(), "{text:?}");
        }
        let mut wire = wire_of(&text.as_bytes()[..text.len() - 1], &mut random);
        if matches!(next(&mut wire), Some(Next::Request(_))) {
            wire.skip_body();
            assert!(!wire.is_between_requests(), "{text:?}");
        }
    }
}

const EXPECTING: &str = "POST /f HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

#[tokio::test]
async fn a_body_that_comes_unasked_is_read_though_the_client_takes_nothing() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut wire = wire_of(EXPECTING.as_bytes(), &mut random);
    assert!(matches!(next(&mut wire), Some(Next::Request(_))));
    let socket = wire.socket.as_mut().unwrap();
    socket.is_blocked = true;
    socket.pieces.push_back(b"hello".to_vec());
    assert_eq!(body(&mut wire).unwrap().0, "hello");
}

#[tokio::test]
async fn the_permission_to_go_on_is_not_held_back() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut wire = wire_of(EXPECTING.as_bytes(), &mut random);
    assert!(matches!(next(&mut wire), Some(Next::Request(_))));
    for holds_back in [true, true, false] {
        wire.socket.as_mut().unwrap().holds_back = holds_back;
        assert!(wire.poll_body(&mut Context::from_waker(Waker::noop()), 1).is_pending());
        assert_eq!(wire.interim.is_some(), holds_back);
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_a_body_that_nobody_wants_is_noticed() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut wire = wire_of(format!("{EXPECTING}hel").as_bytes(), &mut random);
    assert!(matches!(next(&mut wire), Some(Next::Request(_))));
    let cx = &mut Context::from_waker(Waker::noop());
    wire.socket.as_mut().unwrap().is_over = true;
    assert!(wire.poll_gone(cx).is_pending(), "that is for who reads the body");
    wire.let_go(0);
    assert!(wire.poll_gone(cx).is_pending(), "another request's");
    wire.let_go(1);
    assert!(wire.poll_gone(cx).is_ready());
}

#[tokio::test]
async fn of_a_body_that_nobody_wants_nothing_is_left() {
    let mut random = fastrand::Rng::with_seed(7);
    for (text, _) in MESSAGES {
        let mut wire = wire_of(text.repeat(2).as_bytes(), &mut random);
        for number in 1..=2 {
            assert!(matches!(next(&mut wire), Some(Next::Request(_))), "{text:?}");
            wire.let_go(number);
            assert!(wire.poll_gone(&mut Context::from_waker(Waker::noop())).is_pending());
            assert!(wire.is_between_requests(), "{text:?}");
        }
    }
}

#[tokio::test]
async fn a_response_is_the_last_where_nobody_reads_what_may_come() {
    let mut random = fastrand::Rng::with_seed(7);
    for (body, is_read, is_wanted, goes_on) in [
        ("", false, true, false),
        ("", true, true, true),
        ("", true, false, false),
        ("hel", true, true, true),
        ("hel", true, false, false),
        ("hello", false, false, true),
        ("hello", true, true, true),
    ] {
        let mut wire = wire_of(format!("{EXPECTING}{body}").as_bytes(), &mut random);
        assert!(matches!(next(&mut wire), Some(Next::Request(_))));
        let cx = &mut Context::from_waker(Waker::noop());
        while is_read && matches!(wire.poll_body(cx, 1), Poll::Ready(Some(Ok(_)))) {}
        if !is_wanted {
            wire.let_go(1);
        }
        assert_eq!(wire.begin_response(), goes_on, "{body:?}, {is_read}, {is_wanted}");
        assert!(wire.interim.is_none());
    }
}
