//! What the parts of an HTTP/2 connection know of each other: the socket below the library, the streams above it, each in a
//! task of its own, and the connection that watches the clock.

use super::{
    drain::{Seat, Stage, Streaming},
    waiting::{Stamp, Waiting},
};
use bytes::{Buf, Bytes};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};

/// The state of one connection. Its seat is taken until the last of its streams is gone.
pub(super) struct Flow {
    epoch: Instant,
    seat: Seat,
    streams: Mutex<Streams>,
    answered: AtomicU32,
    /// Bytes of bodies that the library holds, and when some of them last left or the first of them came.
    held: AtomicUsize,
    moved: Stamp,
    idle_since: Stamp,
    head_since: Stamp,
    blocked_since: Stamp,
    closing_since: Stamp,
    /// Something is to be waited for, or no longer.
    changed: Notify,
    /// How many more requests may be answered at the same time, on all connections.
    room: Arc<Semaphore>,
}

/// The streams that are being answered.
#[derive(Default)]
struct Streams {
    open: usize,
    /// Whether there have been any.
    has_served: bool,
    /// Those among them that the client need not take anything of now: they wait for their response, or are tunnels.
    working: usize,
    /// Those among them that have no end of their own.
    endless: usize,
    /// There while there are only such.
    streaming: Option<Streaming>,
    /// The room that was made for the connection is a stream's.
    room_taken: bool,
}

impl Flow {
    /// Of a connection that a request's worth of `room` was made for.
    pub(super) fn new(seat: Seat, room: Arc<Semaphore>) -> Self {
        let flow = Self {
            epoch: Instant::now(),
            seat,
            streams: Mutex::default(),
            answered: AtomicU32::new(0),
            held: AtomicUsize::new(0),
            moved: Stamp::default(),
            idle_since: Stamp::default(),
            head_since: Stamp::default(),
            blocked_since: Stamp::default(),
            closing_since: Stamp::default(),
            changed: Notify::new(),
            room,
        };
        flow.idle_since.set(flow.epoch);
        flow
    }

    /// How far the server is on its way out.
    pub(super) fn stage(&self) -> watch::Receiver<Stage> {
        self.seat.stage.clone()
    }

    /// A request has come. It begins when there is room for it; whoever waits does so in a row with new connections.
    pub(super) async fn begin(self: &Arc<Self>) -> Stream {
        let mut stream = Stream {
            flow: self.clone(),
            room: None,
            has_own_room: false,
            is_working: true,
            is_endless: false,
        };
        {
            let mut streams = self.streams();
            streams.open += 1;
            streams.has_served = true;
            streams.working += 1;
            stream.has_own_room = !std::mem::replace(&mut streams.room_taken, true);
            self.mark(&mut streams);
        }
        if !stream.has_own_room {
            // The semaphore is never closed.
            stream.room = self.room.clone().acquire_owned().await.ok();
        }
        stream
    }

    /// How many requests were answered, be it that their responses have not ended.
    pub(super) fn answered(&self) -> u32 {
        self.answered.load(Relaxed)
    }

    /// Whether any request has come yet.
    pub(super) fn has_served(&self) -> bool {
        self.streams().has_served
    }

    /// The rest of what nothing can overtake is to come (`true`), or not.
    pub(super) fn in_head(&self, in_head: bool) {
        self.since(&self.head_since, in_head);
    }

    /// The client takes nothing (`true`) or something (`false`) of what is waiting for it.
    pub(super) fn blocked(&self, blocked: bool) {
        self.since(&self.blocked_since, blocked);
    }

    /// Everything is said; the client has yet to close.
    pub(super) fn closing(&self) {
        self.since(&self.closing_since, true);
    }

    pub(super) fn closing_since(&self) -> Option<Instant> {
        self.closing_since.get(self.epoch)
    }

    /// What the client keeps us waiting for; `None` while it waits for us.
    pub(super) fn waiting(&self) -> Option<Waiting> {
        if let Some(since) = self.blocked_since.get(self.epoch).or_else(|| self.still_since()) {
            return Some(Waiting::Blocked(since));
        }
        if let Some(since) = self.head_since.get(self.epoch) {
            return Some(Waiting::Head(since));
        }
        let idle = self.streams().open == 0;
        self.idle_since.get(self.epoch).filter(|_| idle).map(Waiting::Idle)
    }

    /// Since when nothing has moved of what could. Where other streams are at work the client is left alone: it would lose
    /// them with a video that is paused.
    fn still_since(&self) -> Option<Instant> {
        let still = self.held.load(Relaxed) > 0 && self.streams().working == 0;
        self.moved.get(self.epoch).filter(|_| still)
    }

    /// Ready when what is waited for may be something else.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn since(&self, stamp: &Stamp, holds: bool) {
        match (holds, stamp.is_set()) {
            (true, false) => stamp.set(self.epoch),
            (false, true) => stamp.clear(),
            _ => {}
        }
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream is no longer at work. The client has all the time anew to take what there is.
    fn rests(&self, streams: &mut Streams) {
        streams.working -= 1;
        if self.held.load(Relaxed) > 0 {
            self.moved.set(self.epoch);
            self.changed.notify_one();
        }
    }

    fn mark(&self, streams: &mut Streams) {
        let only_endless = streams.endless > 0 && streams.endless == streams.open;
        if only_endless != streams.streaming.is_some() {
            streams.streaming = only_endless.then(|| self.seat.streaming());
        }
    }
}

/// A request that is being answered; dropping it ends that.
pub(super) struct Stream {
    flow: Arc<Flow>,
    room: Option<OwnedSemaphorePermit>,
    has_own_room: bool,
    is_working: bool,
    is_endless: bool,
}

impl Stream {
    /// Marks it as one that has no end of its own; gives what says when it must end.
    pub(super) fn endless(&mut self) -> watch::Receiver<Stage> {
        if !std::mem::replace(&mut self.is_endless, true) {
            let mut streams = self.flow.streams();
            streams.endless += 1;
            self.flow.mark(&mut streams);
        }
        self.flow.stage()
    }

    /// Its response is there. (A request that is reset before has cost the worker as much, and is not counted.)
    pub(super) fn answered(&mut self) {
        self.flow.answered.fetch_add(1, Relaxed);
        if std::mem::take(&mut self.is_working) {
            self.flow.rests(&mut self.flow.streams());
        }
    }

    /// Bytes on their way out.
    pub(super) fn parcel(&self, bytes: Bytes) -> Parcel {
        let flow = self.flow.clone();
        if !bytes.is_empty() && flow.held.fetch_add(bytes.len(), Relaxed) == 0 {
            flow.moved.set(flow.epoch);
            flow.changed.notify_one();
        }
        Parcel { bytes, flow }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let flow = &self.flow;
        let mut streams = flow.streams();
        if self.is_working {
            flow.rests(&mut streams);
        }
        streams.open -= 1;
        streams.endless -= usize::from(self.is_endless);
        streams.room_taken &= !self.has_own_room;
        flow.mark(&mut streams);
        if streams.open == 0 {
            flow.idle_since.set(flow.epoch);
            drop(streams);
            flow.changed.notify_one();
        }
    }
}

/// Bytes of a body that the library holds until the client has room for them.
pub(super) struct Parcel {
    bytes: Bytes,
    flow: Arc<Flow>,
}

impl Buf for Parcel {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.flow.held.fetch_sub(count, Relaxed);
        self.flow.moved.set(self.flow.epoch);
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        self.flow.held.fetch_sub(self.bytes.len(), Relaxed);
    }
}
