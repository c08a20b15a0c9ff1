//! Stored bodies are encoded here, off the runtime, on threads that get out of everybody's way.
//!
//! Each has two turns: it is encoded quickly, as it would be for one client alone, and then with care, on a thread of its own, so that
//! nobody's first turn waits for somebody's second. Who asks meanwhile is sent what there is. On a machine that is busy because
//! nothing lies ready yet, as behind a deploy, these threads get little of it: it could take seconds until the first body is encoded
//! with care, and everybody would have all of them encoded for themselves.

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

/// Encodes bodies that are kept. Clones share their queues and threads.
#[derive(Clone)]
pub struct Background {
    first: Arc<Line>,
    second: Arc<Line>,
}

/// Which of its turns a body is to have next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is encoded quickly, and then has its second.
    First,
    /// It is encoded with care.
    Second,
}

/// What has become of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Encoded {
    /// This, until something better comes.
    ForNow(Bytes),
    /// The best that there will be; `None` if it saves less than 5 %, or fails.
    ForGood(Option<Bytes>),
}

/// Those who wait for the same turn, and the thread that sees to them, one at a time. It is there while there is work.
struct Line {
    thread: &'static str,
    work: Box<dyn Fn(Job) + Send + Sync>,
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Whether there is a thread.
    attended: bool,
}

struct Job {
    body: Bytes,
    encoding: Encoding,
    wanted: Box<dyn Fn() -> bool + Send>,
    done: Box<dyn FnMut(Encoded) + Send>,
}

/// More jobs than this do not wait in a line.
const MOST: usize = 1024;

/// A thread ends when nothing has come for so long.
const IDLE: Duration = Duration::from_secs(10);

/// Everything else on the machine comes first, the worker too.
const NICE: i32 = 10;

/// So much is given to the encoder at once.
const SLICE: usize = 64 * 1024;

impl Default for Background {
    /// Without threads so far.
    fn default() -> Self {
        let second = Line::new("encode-best", Job::encode_with_care);
        let next = second.clone();
        let first = Line::new("encode", move |job| {
            // Where that line is too long the next request tries again.
            job.encode_quickly().map(|job| next.join(job));
        });
        Self { first, second }
    }
}

impl Background {
    /// Has `body` encoded, if it is still `wanted` when its turn comes, and `done` called with what comes of each turn. False if too
    /// much is waiting already; then nothing is called.
    pub fn submit(
        &self,
        body: Bytes,
        encoding: Encoding,
        turn: Turn,
        wanted: impl Fn() -> bool + Send + 'static,
        done: impl FnMut(Encoded) + Send + 'static,
    ) -> bool {
        let job = Job { body, encoding, wanted: Box::new(wanted), done: Box::new(done) };
        match turn {
            Turn::First => self.first.join(job),
            Turn::Second => self.second.join(job),
        }
    }
}

impl Line {
    fn new(thread: &'static str, work: impl Fn(Job) + Send + Sync + 'static) -> Arc<Self> {
        let (queue, arrived) = Default::default();
        Arc::new(Self { thread, work: Box::new(work), queue, arrived })
    }

    /// False if it is too long, or if the system allows no further thread.
    fn join(self: &Arc<Self>, job: Job) -> bool {
        let mut queue = self.lock();
        if queue.jobs.len() >= MOST || !self.attend(&mut queue) {
            return false;
        }
        queue.jobs.push_back(job);
        self.arrived.notify_one();
        true
    }

    /// Starts the thread if there is none.
    fn attend(self: &Arc<Self>, queue: &mut Queue) -> bool {
        if !queue.attended {
            let line = self.clone();
            queue.attended =
                thread::Builder::new().name(self.thread.into()).spawn(move || line.work()).is_ok();
        }
        queue.attended
    }

    fn work(&self) {
        // On Linux this concerns the thread that calls it alone. Where it is not allowed, it goes without.
        let _ = rustix::process::nice(NICE);
        while let Some(job) = self.next() {
            // What panics in there is of no concern to the next job.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| (self.work)(job)));
        }
    }

    /// Waits for a job. With `None` there is no thread any more.
    fn next(&self) -> Option<Job> {
        let idle = |queue: &mut Queue| queue.jobs.is_empty();
        let waited = self.arrived.wait_timeout_while(self.lock(), IDLE, idle);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        let job = queue.jobs.pop_front();
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
    /// Gives itself back where there is more to be done.
    fn encode_quickly(mut self) -> Option<Self> {
        // What gzip does with care is quick enough for a first turn.
        if self.encoding == Encoding::Gzip {
            self.encode_with_care();
            return None;
        }
        if !(self.wanted)() {
            return None;
        }
        if let Some(encoded) = self.encoded(Effort::Live) {
            (self.done)(Encoded::ForNow(encoded));
        }
        Some(self)
    }

    fn encode_with_care(mut self) {
        if (self.wanted)() {
            let encoded = self.encoded(Effort::Stored);
            drop(self.body);
            (self.done)(Encoded::ForGood(encoded));
        }
    }

    /// `None` if it is not worth it, or fails.
    fn encoded(&self, effort: Effort) -> Option<Bytes> {
        let (body, encoding) = (&self.body, self.encoding);
        panic::catch_unwind(|| encode(body, encoding, effort)).unwrap_or_default()
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
        let background = Background::default();
        for encoding in Encoding::ALL {
            let (sender, results) = mpsc::channel();
            let done = move |encoded| sender.send(encoded).unwrap();
            assert!(background.submit(text(), encoding, Turn::First, || true, done));
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
    fn no_first_turn_waits_for_a_second() {
        let background = Background::default();
        let (go, wait) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let slow = move |encoded| {
            if let Encoded::ForGood(_) = encoded {
                begun.send(()).unwrap();
                wait.recv().unwrap();
            }
        };
        assert!(background.submit(text(), Encoding::Brotli, Turn::First, || true, slow));
        has_begun.recv().unwrap();
        let (sender, results) = mpsc::channel();
        let done = move |encoded| sender.send(matches!(encoded, Encoded::ForNow(_))).unwrap();
        assert!(background.submit(text(), Encoding::Zstd, Turn::First, || true, done));
        assert!(results.recv().unwrap(), "it is there for now");
        assert!(results.try_recv().is_err(), "its second turn has to wait");
        go.send(()).unwrap();
        assert!(!results.recv().unwrap(), "it is there for good");
    }

    #[test]
    fn what_has_had_its_first_turn_has_only_its_second() {
        let (sender, results) = mpsc::channel();
        let done = move |encoded| sender.send(encoded).unwrap();
        assert!(Background::default().submit(text(), Encoding::Zstd, Turn::Second, || true, done));
        assert!(matches!(results.iter().collect::<Vec<_>>()[..], [Encoded::ForGood(Some(_))]));
    }

    #[test]
    fn what_does_not_become_smaller_is_not_worth_it() {
        let background = Background::default();
        let (sender, results) = mpsc::channel();
        let mut nearly = testing::noise(100_000);
        nearly.extend_from_slice(&[0; 4_000]);
        for body in [Vec::new(), testing::noise(1), testing::noise(300_000), nearly] {
            for encoding in Encoding::ALL {
                let sender = sender.clone();
                background.submit(
                    body.clone().into(),
                    encoding,
                    Turn::First,
                    || true,
                    move |encoded| sender.send(encoded).unwrap(),
                );
                assert_eq!(results.recv().unwrap(), Encoded::ForGood(None), "{encoding:?} {}", body.len());
            }
        }
    }

    #[test]
    fn jobs_are_done_in_turn_on_one_thread_and_too_many_are_turned_down() {
        let background = Background::default();
        let (sender, results) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let (started, has_started) = mpsc::channel();
        assert!(background.submit(
            text(),
            Encoding::Gzip,
            Turn::First,
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
            assert!(background.clone().submit(Bytes::new(), Encoding::Zstd, Turn::First, || true, done));
        }
        assert!(!background.submit(text(), Encoding::Zstd, Turn::First, || true, |_| unreachable!()));
        assert!(results.try_recv().is_err(), "the first is not done yet");
        go.send(()).unwrap();
        let done: Vec<_> = (0..MOST).map(|_| results.recv().unwrap()).collect();
        assert!(done.iter().enumerate().all(|(place, (number, _))| place == *number));
        assert!(done.iter().all(|(_, thread)| *thread == done[0].1));
    }

    #[test]
    fn a_panic_ends_nothing_else() {
        let background = Background::default();
        let (sender, results) = mpsc::channel();
        background.submit(text(), Encoding::Gzip, Turn::First, || true, |_| panic!("on purpose"));
        background.submit(
            text(),
            Encoding::Gzip,
            Turn::First,
            || true,
            move |encoded| sender.send(encoded).unwrap(),
        );
        assert!(matches!(results.recv().unwrap(), Encoded::ForGood(Some(_))));
    }

    #[test]
    fn what_is_no_longer_wanted_is_not_done() {
        let background = Background::default();
        let (sender, done) = mpsc::channel();
        let unwanted = sender.clone();
        background.submit(
            text(),
            Encoding::Gzip,
            Turn::First,
            || false,
            move |_| unwanted.send("unwanted").unwrap(),
        );
        background.submit(
            text(),
            Encoding::Gzip,
            Turn::First,
            || true,
            move |_| sender.send("wanted").unwrap(),
        );
        assert_eq!(done.iter().collect::<Vec<_>>(), ["wanted"]);
    }
}
