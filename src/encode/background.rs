//! Stored bodies are encoded here, one at a time, on a thread of its own that gets out of everybody's way.
//!
//! Each of them twice: first quickly, as it would be for one client alone, and with care when nothing else is left to be done quickly.
//! Who asks meanwhile is sent what there is. Where the machine is busy because nothing lies ready yet, as behind a deploy, it
//! could take seconds until the first body is encoded with care, and everybody would have all of them encoded for themselves.

use super::{encoder::Encoder, levels::Effort};
use crate::message::encoding::Encoding;
use bytes::Bytes;
use std::{
    collections::VecDeque,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Encodes bodies that are kept. Clones share one queue and one thread, which is there while there is work.
#[derive(Clone, Default)]
pub struct Background {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Default)]
struct Queue {
    /// What nothing has been done for yet.
    new: VecDeque<Job>,
    /// What is still to be encoded with care.
    begun: VecDeque<Job>,
    /// Whether there is a thread.
    attended: bool,
}

struct Job {
    body: Bytes,
    encoding: Encoding,
    wanted: Box<dyn Fn() -> bool + Send>,
    done: Box<dyn FnMut(Encoded) + Send>,
}

/// What has become of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Encoded {
    /// This, until something better comes.
    ForNow(Bytes),
    /// The best that there will be; `None` if it saves less than 5 %, or fails.
    ForGood(Option<Bytes>),
}

/// How often a body has its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    First,
    Second,
}

/// More jobs than this do not wait.
const MOST: usize = 1024;

/// The thread ends when nothing has come for so long.
const IDLE: Duration = Duration::from_secs(10);

/// Everything else on the machine comes first, the worker too.
const NICE: i32 = 10;

/// So much is given to the encoder at once.
const SLICE: usize = 64 * 1024;

impl Background {
    /// Without a thread so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has `body` encoded, if it is still `wanted` when its turn comes, and `done` called with the outcome on that thread, perhaps
    /// with one for now before. False if too much is waiting already; then nothing is called.
    pub fn submit(
        &self,
        body: Bytes,
        encoding: Encoding,
        wanted: impl Fn() -> bool + Send + 'static,
        done: impl FnMut(Encoded) + Send + 'static,
    ) -> bool {
        let mut queue = self.shared.lock();
        if queue.new.len() + queue.begun.len() >= MOST || !self.attend(&mut queue) {
            return false;
        }
        queue.new.push_back(Job { body, encoding, wanted: Box::new(wanted), done: Box::new(done) });
        self.shared.arrived.notify_one();
        true
    }

    /// Starts the thread if there is none. False if the system allows no further one.
    fn attend(&self, queue: &mut Queue) -> bool {
        if !queue.attended {
            let shared = self.shared.clone();
            queue.attended =
                thread::Builder::new().name("encode".into()).spawn(move || shared.work()).is_ok();
        }
        queue.attended
    }
}

impl Shared {
    fn work(&self) {
        // On Linux this concerns the thread that calls it alone. Where it is not allowed, it goes without.
        let _ = rustix::process::nice(NICE);
        while let Some((job, turn)) = self.next() {
            // What panics in there is of no concern to the next job.
            let left = panic::catch_unwind(AssertUnwindSafe(|| job.run(turn)));
            self.lock().begun.extend(left.unwrap_or_default());
        }
    }

    /// Waits for a job. With `None` there is no thread any more.
    fn next(&self) -> Option<(Job, Turn)> {
        let idle = |queue: &mut Queue| queue.new.is_empty() && queue.begun.is_empty();
        let waited = self.arrived.wait_timeout_while(self.lock(), IDLE, idle);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        let new = queue.new.pop_front().map(|job| (job, Turn::First));
        let job = new.or_else(|| queue.begun.pop_front().map(|job| (job, Turn::Second)));
        if job.is_none() {
            *queue = Queue::default();
        }
        job
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    /// Gives itself back if it wants another turn.
    fn run(mut self, turn: Turn) -> Option<Self> {
        if !(self.wanted)() {
            return None;
        }
        // The best of gzip takes hardly longer.
        let is_last = turn == Turn::Second || self.encoding == Encoding::Gzip;
        let effort = if is_last { Effort::Stored } else { Effort::Live };
        let encoded = panic::catch_unwind(|| encode(&self.body, self.encoding, effort)).unwrap_or_default();
        if is_last {
            drop(self.body);
            (self.done)(Encoded::ForGood(encoded));
            return None;
        }
        if let Some(encoded) = encoded {
            (self.done)(Encoded::ForNow(encoded));
        }
        Some(self)
    }
}

/// The encoded body, in as much memory as it needs. Given up as soon as it is not worth it.
fn encode(body: &Bytes, encoding: Encoding, effort: Effort) -> Option<Bytes> {
    let most = body.len() - body.len().div_ceil(20);
    let mut encoder = Encoder::new(encoding, effort, Some(body.len() as u64));
    for slice in body.chunks(SLICE) {
        encoder.write(slice).ok()?;
        if encoder.ready() > most {
            return None;
        }
    }
    encoder.finish().ok()?;
    (encoder.ready() <= most && !body.is_empty()).then(|| Bytes::copy_from_slice(&encoder.take()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing;
    use std::sync::mpsc;

    fn text() -> Bytes {
        testing::text(50_000).into()
    }

    #[test]
    fn a_body_comes_back_smaller_in_no_more_memory_than_it_needs() {
        let background = Background::new();
        for encoding in Encoding::ALL {
            let (sender, results) = mpsc::channel();
            let done = move |encoded| sender.send(encoded).unwrap();
            assert!(background.submit(text(), encoding, || true, done));
            let mut lengths = Vec::new();
            for result in results {
                let (Encoded::ForNow(encoded) | Encoded::ForGood(Some(encoded))) = result else {
                    panic!("{encoding:?} is worth it");
                };
                assert_eq!(testing::whole(encoding, &encoded).as_deref(), Some(&text()[..]));
                lengths.push(encoded.len());
                assert_eq!(encoded.try_into_mut().unwrap().capacity(), lengths[lengths.len() - 1]);
            }
            match lengths[..] {
                [best] if encoding == Encoding::Gzip => assert!(best < text().len() / 2),
                [for_now, best] => assert!(best < for_now && for_now < text().len() / 2, "{encoding:?}"),
                _ => panic!("{encoding:?}: {lengths:?}"),
            }
        }
    }

    #[test]
    fn nothing_is_encoded_with_care_while_something_waits_for_its_first_turn() {
        let background = Background::new();
        let (sender, results) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        assert!(background.submit(text(), Encoding::Gzip, || true, move |_| wait.recv().unwrap()));
        for number in [1, 2] {
            let sender = sender.clone();
            let done = move |encoded| sender.send((number, matches!(encoded, Encoded::ForNow(_)))).unwrap();
            assert!(background.submit(text(), Encoding::Brotli, || true, done));
        }
        drop(sender);
        go.send(()).unwrap();
        assert_eq!(results.iter().collect::<Vec<_>>(), [(1, true), (2, true), (1, false), (2, false)]);
    }

    #[test]
    fn what_does_not_become_smaller_is_not_worth_it() {
        let background = Background::new();
        let (sender, results) = mpsc::channel();
        let mut nearly = testing::noise(100_000);
        nearly.extend_from_slice(&[0; 4_000]);
        for body in [Vec::new(), testing::noise(1), testing::noise(300_000), nearly] {
            for encoding in Encoding::ALL {
                let sender = sender.clone();
                background.submit(
                    body.clone().into(),
                    encoding,
                    || true,
                    move |encoded| sender.send(encoded).unwrap(),
                );
                assert_eq!(results.recv().unwrap(), Encoded::ForGood(None), "{encoding:?} {}", body.len());
            }
        }
    }

    #[test]
    fn jobs_are_done_in_turn_on_one_thread_and_too_many_are_turned_down() {
        let background = Background::new();
        let (sender, results) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let (started, has_started) = mpsc::channel();
        assert!(background.submit(
            text(),
            Encoding::Gzip,
            || true,
            move |_| {
                started.send(()).unwrap();
                wait.recv().unwrap();
            }
        ));
        has_started.recv().unwrap();
        for number in 0..MOST {
            let sender = sender.clone();
            let done = move |_| sender.send((number, thread::current().id())).unwrap();
            assert!(background.clone().submit(Bytes::new(), Encoding::Zstd, || true, done));
        }
        assert!(!background.submit(text(), Encoding::Zstd, || true, |_| unreachable!()));
        assert!(results.try_recv().is_err(), "the first is not done yet");
        go.send(()).unwrap();
        let done: Vec<_> = (0..MOST).map(|_| results.recv().unwrap()).collect();
        assert!(done.iter().enumerate().all(|(place, (number, _))| place == *number));
        assert!(done.iter().all(|(_, thread)| *thread == done[0].1));
    }

    #[test]
    fn a_panic_ends_nothing_else() {
        let background = Background::new();
        let (sender, results) = mpsc::channel();
        background.submit(text(), Encoding::Gzip, || true, |_| panic!("on purpose"));
        background.submit(text(), Encoding::Gzip, || true, move |encoded| sender.send(encoded).unwrap());
        assert!(matches!(results.recv().unwrap(), Encoded::ForGood(Some(_))));
    }

    #[test]
    fn what_is_no_longer_wanted_is_not_done() {
        let background = Background::new();
        let (sender, done) = mpsc::channel();
        let unwanted = sender.clone();
        background.submit(text(), Encoding::Gzip, || false, move |_| unwanted.send("unwanted").unwrap());
        background.submit(text(), Encoding::Gzip, || true, move |_| sender.send("wanted").unwrap());
        assert_eq!(done.iter().collect::<Vec<_>>(), ["wanted"]);
    }
}
