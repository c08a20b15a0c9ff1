//! Whether a body whose length is not known is worth encoding: its first bytes decide.

use crate::message::{body::BodyError, encodable::SHORTEST};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::{
    future::poll_fn,
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::timeout;

/// What a body has turned out to be.
pub enum Begun<B> {
    /// It has ended, and is not worth encoding: all of it, and its trailers.
    Short(Bytes, Option<HeaderMap>),
    /// It has said itself that it will be too short to be worth encoding. Nothing of it was read.
    Brief(B),
    /// It is long enough, or it takes its time: with what was read put back in front.
    Long(Resumed<B>),
}

/// A body of which something was read, from its beginning.
pub struct Resumed<B> {
    read: Bytes,
    failed: Option<BodyError>,
    rest: B,
}

enum Gathered {
    Enough,
    Ended(Option<HeaderMap>),
    Failed(BodyError),
}

/// Reads until it is known whether the body is worth encoding, but waits no longer than this: what is slower is live,
/// and could become long. One that knows its length is not read.
pub async fn begin<B>(mut body: B, wait: Duration) -> Begun<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    let mut read = Bytes::new();
    let mut failed = None;
    match body.size_hint().exact() {
        Some(length) if length < SHORTEST => return Begun::Brief(body),
        Some(_) => {}
        // The timer does not begin before there is something to wait for.
        None => match timeout(wait, gather(&mut body, &mut read)).await {
            Ok(Gathered::Ended(trailers)) => return Begun::Short(read, trailers),
            Ok(Gathered::Failed(error)) => failed = Some(error),
            Ok(Gathered::Enough) | Err(_) => {}
        },
    }
    Begun::Long(Resumed { read, failed, rest: body })
}

/// What was read is kept, wherever this is dropped.
async fn gather<B>(body: &mut B, read: &mut Bytes) -> Gathered
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    while (read.len() as u64) < SHORTEST {
        let frame = match poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Gathered::Failed(error),
            None => return Gathered::Ended(None),
        };
        match frame.into_data() {
            Ok(data) => append(read, data),
            Err(frame) => return Gathered::Ended(frame.into_trailers().ok()),
        }
    }
    Gathered::Enough
}

fn append(read: &mut Bytes, data: Bytes) {
    *read = if read.is_empty() {
        data
    } else {
        let mut joined = BytesMut::from(mem::take(read));
        joined.extend_from_slice(&data);
        joined.freeze()
    };
}

impl<B> Body for Resumed<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.read.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(mem::take(&mut self.read)))));
        }
        match self.failed.take() {
            Some(error) => Poll::Ready(Some(Err(error))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.failed.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let read = self.read.len() as u64;
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
            hint.set_upper(upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::{Script, Step};
    use http_body_util::{BodyExt, Full};

    const SOON: Duration = Duration::from_millis(5);

    fn data(length: usize) -> Step {
        Step::Data(vec![b'a'; length].into())
    }

    async fn begun(steps: impl IntoIterator<Item = Step>) -> Begun<Script> {
        begin(Script::new(steps), SOON).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_ends_soon_is_short() {
        for steps in [vec![], vec![data(1023)], vec![data(500), Step::Wait, data(500), data(23)]] {
            let all: usize = steps.iter().map(Step::length).sum();
            let Begun::Short(read, None) = begun(steps).await else { panic!("it is short") };
            assert_eq!(read, vec![b'a'; all]);
        }
        let Begun::Short(read, Some(_)) = begun([data(9), Step::Trailers(HeaderMap::new())]).await else {
            panic!("it is short and has trailers")
        };
        assert_eq!(read.len(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_one_is_given_back_as_it_came() {
        for steps in
            [vec![data(1024)], vec![data(1), data(1022), data(5000), data(7)], vec![data(1023), data(1)]]
        {
            let all: usize = steps.iter().map(Step::length).sum();
            let Begun::Long(resumed) = begun(steps).await else { panic!("it is long") };
            assert!(!resumed.is_end_stream());
            assert_eq!(resumed.collect().await.unwrap().to_bytes(), vec![b'a'; all]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_one_is_live() {
        let started = tokio::time::Instant::now();
        let Begun::Long(mut resumed) = begun([data(10), Step::Stuck]).await else { panic!("it is live") };
        assert!(started.elapsed() >= SOON);
        assert_eq!(resumed.frame().await.unwrap().unwrap().into_data().unwrap().len(), 10);
        assert_eq!(resumed.size_hint().lower(), 0);
        assert!(!resumed.is_end_stream());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_comes_behind_what_was_read() {
        let Begun::Long(mut resumed) = begun([data(10), Step::Fails(BodyError::WorkerGone)]).await else {
            panic!("it failed")
        };
        assert_eq!(resumed.frame().await.unwrap().unwrap().into_data().unwrap().len(), 10);
        assert_eq!(resumed.frame().await.unwrap().unwrap_err(), BodyError::WorkerGone);
    }

    #[tokio::test]
    async fn one_that_knows_its_length_is_not_read() {
        let known = |length| Full::new(Bytes::from(vec![0; length])).map_err(|never| match never {});
        assert!(matches!(begin(known(1023), SOON).await, Begun::Brief(_)));
        let Begun::Long(resumed) = begin(known(1024), SOON).await else { panic!("it is long") };
        assert!(resumed.read.is_empty());
        assert_eq!(resumed.size_hint().exact(), Some(1024));
    }
}
