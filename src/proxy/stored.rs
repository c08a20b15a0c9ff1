//! What is answered from what is stored.

use super::{body::Source, exchange::Answer, failure::Failure, pipeline::Proxy, send_file};
use crate::message::{Request, Response};
use crate::{
    cache::{self, CacheKey, Entry, Lookup, Served, Status, Wanted},
    encode::{Encoded, Turn},
    files::{OpenError, OpenFile},
    message::Incoming,
};
use std::{sync::Arc, time::Instant};

impl Proxy {
    /// What the cache has to say. A stored file is opened again, or looked at now and then; what is no longer what it was is
    /// forgotten, and looked up once more.
    pub(super) async fn look_up(
        &self,
        request: &Request<Incoming>,
        now: Instant,
    ) -> (Lookup, Option<OpenFile>) {
        loop {
            let lookup = self.cache.look_up(request, now).await;
            let entry = lookup.entry().filter(|entry| entry.is_to_be_looked_at(now));
            let Some((entry, origin)) = entry.and_then(|entry| Some((entry, entry.origin()?))) else {
                return (lookup, None);
            };
            // In a box: most of what is stored is no file.
            match Box::pin(send_file::reopen(origin, &self.files)).await {
                Ok(file) => return (lookup, Some(file)),
                Err(_) => self.cache.forget(request, entry),
            }
        }
    }

    /// A stored response as the answer to a request. `file` is its body's, where that is not in memory. `key` says under what it
    /// is stored.
    pub(super) fn serve(
        &self,
        entry: &Arc<Entry>,
        status: Option<&Status>,
        file: Option<OpenFile>,
        wanted: &Wanted,
        key: impl FnOnce() -> CacheKey,
    ) -> Result<Answer, Failure> {
        let (response, prepared) = cache::serve(entry, status, wanted);
        // Behind that: what is made of it is for the next request.
        if let Some(job) = self.cache.job(entry, wanted, key) {
            // The claim is given up with the job, if the queue is too long for it.
            let job = Arc::new(job);
            let (body, encoding, asked) = (job.body(), job.encoding(), job.clone());
            let turn = if job.is_there_for_now() { Turn::Second } else { Turn::First };
            self.encoder.submit(
                body,
                encoding,
                turn,
                move || asked.is_wanted(),
                move |encoded| match encoded {
                    Encoded::ForNow(encoded) => job.keep_for_now(encoded),
                    Encoded::ForGood(encoded) => job.finish(encoded),
                },
            );
        }
        let (head, served) = response.into_parts();
        let source = match served {
            Served::Nothing => Source::Empty,
            Served::Bytes(bytes) => Source::Bytes(bytes),
            Served::Pieces(pieces) => Source::Pieces(pieces),
            Served::Encode(bytes, encoding) => {
                let length = bytes.len() as u64;
                Source::Bytes(bytes).encoded(encoding, Some(length), 0)
            }
            Served::File(extent, encoding) => {
                let file = file.ok_or(OpenError::Missing)?;
                Source::of_file(file, extent, encoding.map(|encoding| (encoding, 0)))
            }
        };
        Ok(Answer { prepared, ..Response::from_parts(head, source).into() })
    }
}
