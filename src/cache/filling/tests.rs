use super::*;
use http_body_util::BodyExt;
use std::task::Waker;
use tokio::sync::mpsc;

/// A body whose frames a test sends when it likes; dropping the sender ends it.
struct Fed {
    frames: mpsc::UnboundedReceiver<Result<Frame<Bytes>, BodyError>>,
    length: Option<u64>,
}

type Sender = mpsc::UnboundedSender<Result<Frame<Bytes>, BodyError>>;

impl Body for Fed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.frames.poll_recv(cx)
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn fed(length: Option<u64>) -> (Sender, Fed) {
    let (sender, frames) = mpsc::unbounded_channel();
    (sender, Fed { frames, length })
}

fn send(sender: &Sender, text: &str) {
    assert!(sender.send(Ok(Frame::data(Bytes::copy_from_slice(text.as_bytes())))).is_ok());
}

fn limits(largest: u64, budget: &Arc<Budget>) -> Limits {
    Limits { largest, budget: budget.clone() }
}

fn begin(length: Option<u64>, largest: u64, budget: &Arc<Budget>) -> (Sender, Collector<Fed>, Reader<Fed>) {
    let (sender, body) = fed(length);
    let (collector, reader) = Collector::begin(body, limits(largest, budget)).ok().unwrap();
    (sender, collector, reader)
}

fn budget(bytes: u64) -> Arc<Budget> {
    Arc::new(Budget::new(bytes))
}

fn left(budget: &Budget) -> u64 {
    budget.left.load(Ordering::Relaxed)
}

/// What can be read without waiting: `None` where there is nothing yet.
fn ready(reader: &mut Reader<Fed>) -> Option<String> {
    let mut cx = Context::from_waker(Waker::noop());
    match Pin::new(reader).poll_frame(&mut cx) {
        Poll::Ready(Some(Ok(frame))) => Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()),
        Poll::Ready(_) => panic!("its end"),
        Poll::Pending => None,
    }
}

async fn rest(reader: Reader<Fed>) -> Result<(Bytes, Option<HeaderMap>), BodyError> {
    let collected = reader.collect().await?;
    let trailers = collected.trailers().cloned();
    Ok((collected.to_bytes(), trailers))
}

/// Gathers all of a body, and stores it.
async fn gather(mut collector: Collector<Fed>) -> Result<Bytes, Reason> {
    let trailers = collector.gather().await?;
    let mut stored = Bytes::new();
    collector.complete(trailers, |body| stored = body);
    Ok(stored)
}

/// Lets the collector's task do all it can.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_reader_gets_each_piece_as_it_comes() {
    let (sender, collector, mut reader) = begin(None, 100, &budget(100));
    let gathered = tokio::spawn(gather(collector));
    assert_eq!(ready(&mut reader), None);
    for piece in ["one ", "two ", "three"] {
        send(&sender, piece);
        let frame = reader.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
        assert_eq!(ready(&mut reader), None);
    }
    drop(sender);
    assert!(reader.frame().await.is_none());
    assert_eq!(gathered.await.unwrap().unwrap(), "one two three");
}

#[tokio::test]
async fn a_slow_reader_holds_nobody_up() {
    let (sender, collector, mut reader) = begin(None, 100, &budget(100));
    send(&sender, "one ");
    send(&sender, "two ");
    drop(sender);
    assert_eq!(gather(collector).await.unwrap(), "one two ");
    // All that is left comes at once, from the memory that is stored.
    assert_eq!(ready(&mut reader).as_deref(), Some("one two "));
    assert!(reader.frame().await.is_none());
}

#[tokio::test]
async fn a_large_body_is_copied_in_pieces_while_it_comes() {
    let (sender, collector, mut reader) = begin(None, 1 << 20, &budget(1 << 20));
    let gathered = tokio::spawn(gather(collector));
    let text: String = (0..PIECE * 5 / 2).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
    send(&sender, &text);
    settle().await;
    let pieces = [(); 3].map(|()| ready(&mut reader).unwrap());
    assert_eq!(pieces.each_ref().map(String::len), [PIECE, PIECE, PIECE / 2]);
    assert!(pieces.concat() == text && ready(&mut reader).is_none());
    drop(sender);
    assert!(reader.frame().await.is_none());
    assert!(gathered.await.unwrap().unwrap() == text);
}

#[tokio::test]
async fn a_reader_that_leaves_takes_nothing_from_the_others() {
    let (sender, collector, reader) = begin(None, 100, &budget(100));
    let gathered = tokio::spawn(gather(collector));
    send(&sender, "one ");
    settle().await;
    drop(reader);
    send(&sender, "two");
    drop(sender);
    assert_eq!(gathered.await.unwrap().unwrap(), "one two");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_stored() {
    let budget = budget(100);
    let (sender, collector, reader) = begin(Some(10), 100, &budget);
    assert_eq!(left(&budget), 90);
    send(&sender, "half ");
    sender.send(Err(BodyError::WorkerGone)).unwrap();
    assert_eq!(gather(collector).await, Err(Reason::BrokenOff));
    let mut reader = reader;
    assert_eq!(ready(&mut reader).as_deref(), Some("half "));
    assert!(!reader.is_end_stream());
    assert_eq!(rest(reader).await, Err(BodyError::WorkerGone));
    assert_eq!(left(&budget), 100);
}

#[tokio::test]
async fn a_collector_that_is_dropped_leaves_no_reader_waiting() {
    let budget = budget(100);
    let (sender, collector, reader) = begin(None, 100, &budget);
    send(&sender, "half");
    let gathering = tokio::spawn(gather(collector));
    let reading = tokio::spawn(rest(reader));
    settle().await;
    gathering.abort();
    assert_eq!(reading.await.unwrap(), Err(BodyError::WorkerGone));
    assert_eq!(left(&budget), 100);
}

#[tokio::test]
async fn trailers_come_last() {
    let (sender, collector, reader) = begin(None, 100, &budget(100));
    let trailers: HeaderMap =
        [(http::header::ETAG, http::HeaderValue::from_static("a"))].into_iter().collect();
    send(&sender, "body");
    sender.send(Ok(Frame::trailers(trailers.clone()))).unwrap();
    assert_eq!(gather(collector).await.unwrap(), "body");
    assert_eq!(rest(reader).await.unwrap(), (Bytes::from("body"), Some(trailers)));
}

#[tokio::test]
async fn what_is_too_large_is_handed_over_where_it_stands() {
    // How many pieces the reader has had by then
    for read in 0..3 {
        for (largest, total, reason) in [(10, 100, Reason::TooLarge), (100, 10, Reason::Busy)] {
            let budget = budget(total);
            let (sender, collector, mut reader) = begin(None, largest, &budget);
            let gathering = tokio::spawn(gather(collector));
            let mut got = String::new();
            for (place, piece) in ["01234", "56789", "abcde"].into_iter().enumerate() {
                send(&sender, piece);
                settle().await;
                if place < read {
                    got += &ready(&mut reader).unwrap();
                }
            }
            assert_eq!(gathering.await.unwrap(), Err(reason));
            assert!(left(&budget) < total, "it is still to be read");
            while let Some(piece) = ready(&mut reader) {
                got += &piece;
            }
            assert_eq!(left(&budget), total, "nothing of it is here any longer");
            send(&sender, "fghij");
            let trailers = HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("a"))]);
            sender.send(Ok(Frame::trailers(trailers.clone()))).unwrap();
            drop(sender);
            let (bytes, found) = rest(reader).await.unwrap();
            got += std::str::from_utf8(&bytes).unwrap();
            assert_eq!((got.as_str(), found), ("0123456789abcdefghij", Some(trailers)), "{read}, {reason:?}");
        }
    }
}

#[tokio::test]
async fn a_rest_that_breaks_off_does_so_for_the_reader() {
    let (sender, collector, reader) = begin(None, 3, &budget(100));
    send(&sender, "01234");
    assert_eq!(gather(collector).await, Err(Reason::TooLarge));
    sender.send(Err(BodyError::WorkerGone)).unwrap();
    assert_eq!(rest(reader).await, Err(BodyError::WorkerGone));
}

#[tokio::test]
async fn what_is_announced_to_be_too_large_is_never_gathered() {
    let budget = budget(10);
    for (length, largest, reason) in [(6, 5, Reason::TooLarge), (11, 20, Reason::Busy)] {
        let (sender, body) = fed(Some(length));
        send(&sender, "all");
        let (mut body, why) = Collector::begin(body, limits(largest, &budget)).err().unwrap();
        assert_eq!((why, left(&budget)), (reason, 10));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "all");
    }
    assert!(Collector::begin(fed(Some(5)).1, limits(5, &budget)).is_ok());
    assert!(Collector::begin(fed(Some(10)).1, limits(10, &budget)).is_ok(), "the one before was given back");
}

#[tokio::test]
async fn the_budget_is_shared_and_given_back() {
    let budget = budget(10);
    let (first, one, reader) = begin(Some(6), 10, &budget);
    assert_eq!(left(&budget), 4);
    let (second, two, other) = begin(None, 10, &budget);
    let gathering = tokio::spawn(gather(two));
    send(&second, "0123");
    settle().await;
    assert_eq!(left(&budget), 0);
    send(&first, "012345");
    drop(first);
    assert_eq!(gather(one).await.unwrap(), "012345");
    assert_eq!(left(&budget), 0, "somebody may still read it");
    drop(reader);
    assert_eq!(left(&budget), 6);
    send(&second, "456789");
    settle().await;
    assert_eq!(left(&budget), 0);
    drop(second);
    assert_eq!(gathering.await.unwrap().unwrap(), "0123456789");
    drop(other);
    assert_eq!(left(&budget), 10);
}

#[tokio::test]
async fn the_reader_knows_the_length_where_it_is_known() {
    let (sender, collector, mut reader) = begin(Some(5), 10, &budget(10));
    assert_eq!((reader.size_hint().exact(), reader.is_end_stream()), (Some(5), false));
    send(&sender, "01");
    let gathering = tokio::spawn(gather(collector));
    settle().await;
    assert_eq!(ready(&mut reader).as_deref(), Some("01"));
    assert_eq!((reader.size_hint().exact(), reader.is_end_stream()), (Some(3), false));
    send(&sender, "234");
    drop(sender);
    gathering.await.unwrap().unwrap();
    assert_eq!(ready(&mut reader).as_deref(), Some("234"));
    assert_eq!((reader.size_hint().exact(), reader.is_end_stream()), (Some(0), true));
    let (_sender, _collector, reader) = begin(None, 10, &budget(10));
    assert_eq!((reader.size_hint().exact(), reader.is_end_stream()), (None, false));
    let (_sender, _collector, reader) = begin(Some(0), 10, &budget(10));
    assert!(reader.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_is_given_up_if_nobody_reads_it() {
    let (_sender, collector, reader) = begin(None, 10, &budget(10));
    let started = tokio::time::Instant::now();
    drop(reader);
    assert_eq!(gather(collector).await, Err(Reason::BrokenOff));
    assert_eq!(started.elapsed().as_secs(), ORPHANED.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_there_waits_for_as_long_as_it_likes() {
    let (sender, collector, reader) = begin(None, 10, &budget(10));
    let gathering = tokio::spawn(gather(collector));
    tokio::time::sleep(ORPHANED * 10).await;
    send(&sender, "late");
    drop(sender);
    assert_eq!(gathering.await.unwrap().unwrap(), "late");
    assert_eq!(rest(reader).await.unwrap().0, "late");
}

#[tokio::test]
async fn whoever_has_seen_the_end_finds_it_stored() {
    for length in [None, Some(8)] {
        let (sender, mut collector, mut reader) = begin(length, 10, &budget(10));
        send(&sender, "one ");
        send(&sender, "two ");
        drop(sender);
        collector.gather().await.unwrap();
        if length.is_none() {
            assert_eq!(ready(&mut reader).as_deref(), Some("one two "));
        }
        // Where the length is known, its last bytes are its end.
        assert_eq!(ready(&mut reader), None, "{length:?}");
        collector.complete(None, |body| {
            assert_eq!((body, ready(&mut reader)), (Bytes::from("one two "), None), "{length:?}");
        });
        let rest = rest(reader).await.unwrap().0;
        assert_eq!(rest, if length.is_none() { "" } else { "one two " }, "{length:?}");
    }
}

#[tokio::test]
async fn whether_there_is_nothing_to_gather() {
    let begin = |body| Collector::begin(body, limits(10, &budget(10))).ok().unwrap().0;
    let empty = |body: &'static str| http_body_util::Full::from(body).map_err(|never| match never {});
    assert!(begin(empty("")).is_empty() && !begin(empty("a")).is_empty());
}

#[tokio::test]
async fn what_broke_off_counts_until_it_is_read() {
    let budget = budget(10);
    let (sender, collector, reader) = begin(None, 10, &budget);
    send(&sender, "01234");
    sender.send(Err(BodyError::WorkerGone)).unwrap();
    assert_eq!(gather(collector).await, Err(Reason::BrokenOff));
    assert_eq!(left(&budget), 5);
    assert_eq!(rest(reader).await, Err(BodyError::WorkerGone));
    assert_eq!(left(&budget), 10);
}

#[tokio::test]
async fn a_panic_while_it_is_stored_breaks_it_off() {
    let (sender, mut collector, mut reader) = begin(None, 10, &budget(10));
    send(&sender, "01234");
    drop(sender);
    collector.gather().await.unwrap();
    assert_eq!(ready(&mut reader).unwrap(), "01234");
    let storing = std::panic::AssertUnwindSafe(|| collector.complete(None, |_| panic!("on purpose")));
    assert!(std::panic::catch_unwind(storing).is_err());
    assert_eq!(rest(reader).await, Err(BodyError::WorkerGone));
}

#[test]
fn a_body_owns_its_share_until_the_last_copy_is_gone() {
    let budget = budget(10);
    let body = budget.own(Bytes::from_static(b"0123456")).unwrap();
    assert_eq!((&body[..], left(&budget)), (&b"0123456"[..], 3));
    // What does not fit takes nothing.
    assert!(budget.own(Bytes::from_static(b"0123")).is_none());
    assert_eq!(left(&budget), 3);
    assert!(budget.own(Bytes::new()).is_some());
    let slice = body.slice(1..2);
    drop(body);
    assert_eq!(left(&budget), 3);
    drop(slice);
    assert_eq!(left(&budget), 10);
}
