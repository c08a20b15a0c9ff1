//! Whether a body whose length is not known is worth encoding: its first bytes decide.

use crate::message::{body::BodyError, encodable::SHORTEST};
use bytes::{Bytes, BytesMut};
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
    /// It has ended, and is not worth encoding: all of it.
    Short(Bytes),
    /// It is long enough, or it takes its time: with what was read put back in front.
    Long(Resumed<B>),
}

/// A body of which something was read, from its beginning.
pub struct Resumed<B> {
    read: Bytes,
    /// What came behind that and is no data.
    end: Option<Result<Frame<Bytes>, BodyError>>,
    rest: B,
}

/// Reads until it is known whether the body is worth encoding, but waits no longer than this: what is slower is live,
/// and could become long.
pub async fn begin<B>(mut body: B, wait: Duration) -> Begun<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    let mut read = Bytes::new();
    // The timer does not begin before there is something to wait for.
    match timeout(wait, gather(&mut body, &mut read)).await {
        Ok(Gathered::Ended) => Begun::Short(read),
        Ok(Gathered::Other(frame)) => Begun::Long(Resumed { read, end: Some(frame), rest: body }),
        Ok(Gathered::Enough) | Err(_) => Begun::Long(Resumed { read, end: None, rest: body }),
    }
}

enum Gathered {
    Enough,
    Ended,
    /// Trailers, or what went wrong.
    Other(Result<Frame<Bytes>, BodyError>),
}

/// What was read is kept, wherever this is dropped.
async fn gather<B>(body: &mut B, read: &mut Bytes) -> Gathered
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    while (read.len() as u64) < SHORTEST {
        match poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
            None => return Gathered::Ended,
            Some(Err(error)) => return Gathered::Other(Err(error)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => append(read, data),
                Err(frame) => return Gathered::Other(Ok(frame)),
            },
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
        match self.end.take() {
            Some(end) => Poll::Ready(Some(end)),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.end.is_none() && self.rest.is_end_stream()
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
    use http::HeaderMap;
    use http_body_util::BodyExt;

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
            let Begun::Short(read) = begun(steps).await else { panic!("it is short") };
            assert_eq!(read, vec![b'a'; all]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn trailers_are_not_lost() {
        let Begun::Long(mut resumed) = begun([data(9), Step::Trailers(HeaderMap::new())]).await else {
            panic!("there is more to come")
        };
        assert_eq!(resumed.frame().await.unwrap().unwrap().into_data().unwrap().len(), 9);
        assert!(resumed.frame().await.unwrap().unwrap().is_trailers());
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
}
