//! Who encodes a long body while it is sent: on each core one at a time, who has it until the body is done, or for so long.
//! Then few encoders' tables are in memory, those at work stay in the processor's caches, and whoever encodes nothing waits for
//! one turn instead of for one of each.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};
use tokio::{runtime::Handle, task::yield_now};

/// So many slices one encodes in a row at first while others wait: most pages are done then.
const FIRST: u32 = 16;

/// And so many whenever it is its turn again: who comes later with a page has not to wait long for what is endless.
const LATER: u32 = 2;

thread_local! {
    /// A thread enters its runtime once: behind the end of a `block_on` nobody would be woken who deals turns out.
    static CORE: Arc<Core> = Arc::default();
}

/// The right to encode on this core, as soon as it is one's turn.
pub(super) struct Lease {
    core: Arc<Core>,
    number: u64,
    /// Slices that are left in a row: none before the first, and after the last.
    left: u32,
    /// How many it will be when it is its turn again.
    most: u32,
}

#[derive(Default)]
struct Core(Mutex<State>);

#[derive(Default)]
struct State {
    holder: Option<u64>,
    /// How many slices were encoded: by it one sees whether the holder is at work.
    slices: u64,
    /// Who has slices left goes before the others, since its tables are in memory, and it is soon done.
    begun: VecDeque<Waiting>,
    others: VecDeque<Waiting>,
    /// Whether somebody deals turns out, as there is who wants them.
    is_dealt: bool,
    /// How many numbers were given.
    numbers: u64,
}

struct Waiting {
    number: u64,
    waker: Waker,
}

impl Lease {
    /// One on this thread's core.
    pub(super) fn new() -> Self {
        let core = CORE.with(Arc::clone);
        let number = core.lock().next_number();
        Self { core, number, left: 0, most: FIRST }
    }

    /// Waits until a slice may be encoded.
    pub(super) fn poll_slice(&mut self, cx: &Context<'_>) -> Poll<()> {
        // Where no tasks are run nobody waits.
        let Ok(runtime) = Handle::try_current() else { return Poll::Ready(()) };
        let mut state = self.core.lock();
        let is_dealt = mem::replace(&mut state.is_dealt, true);
        if !is_dealt {
            state.holder = Some(self.number);
        }
        if state.holder != Some(self.number) {
            state.queue(self.number, self.left > 0, cx.waker());
            return Poll::Pending;
        }
        state.slices += 1;
        if self.left == 0 {
            self.left = mem::replace(&mut self.most, LATER);
        }
        self.left -= 1;
        if self.left == 0 && state.is_wanted() {
            state.take_back(self.number);
        }
        drop(state);
        if !is_dealt {
            runtime.spawn(self.core.clone().deal());
        }
        Poll::Ready(())
    }

    /// Leaves it to others.
    pub(super) fn give_back(&self) {
        self.core.lock().take_back(self.number);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.core.lock();
        state.leave_queue(self.number);
        state.take_back(self.number);
    }
}

impl Core {
    /// Gives it to one after the other, each when all tasks have had their turn since the last. A holder that has encoded nothing
    /// meanwhile has lost it: its client may not read.
    async fn deal(self: Arc<Self>) {
        let (mut seen, mut quiet) = (0, 0);
        loop {
            yield_now().await;
            let mut state = self.lock();
            let mut next = None;
            quiet = if state.slices == seen { quiet + 1 } else { 0 };
            seen = state.slices;
            // The runtime wakes in reverse those who have given way: once in two times this is the first.
            if state.holder.is_none() || quiet == 2 {
                next = state.hand_on();
                quiet = 0;
            }
            state.is_dealt = state.holder.is_some();
            if !state.is_dealt {
                return;
            }
            drop(state);
            next.into_iter().for_each(Waker::wake);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn is_wanted(&self) -> bool {
        !(self.begun.is_empty() && self.others.is_empty())
    }

    fn queue(&mut self, number: u64, has_begun: bool, waker: &Waker) {
        let mut all = self.begun.iter_mut().chain(&mut self.others);
        if let Some(same) = all.find(|waiting| waiting.number == number) {
            same.waker.clone_from(waker);
            return;
        }
        let queue = if has_begun { &mut self.begun } else { &mut self.others };
        queue.push_back(Waiting { number, waker: waker.clone() });
    }

    fn leave_queue(&mut self, number: u64) {
        self.begun.retain(|waiting| waiting.number != number);
        self.others.retain(|waiting| waiting.number != number);
    }

    fn take_back(&mut self, number: u64) {
        self.holder = self.holder.filter(|holder| *holder != number);
    }

    /// Whom to wake then.
    fn hand_on(&mut self) -> Option<Waker> {
        let next = self.begun.pop_front().or_else(|| self.others.pop_front());
        self.holder = next.as_ref().map(|waiting| waiting.number);
        next.map(|waiting| waiting.waker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::task::JoinHandle;

    type Order = Arc<Mutex<Vec<char>>>;

    async fn slice(lease: &mut Lease) {
        poll_fn(|cx| lease.poll_slice(cx)).await;
    }

    /// Asks for so many slices, and gives way after each, as one does whose turn is over.
    fn begin(name: char, slices: usize, order: &Order) -> JoinHandle<()> {
        let order = order.clone();
        tokio::spawn(async move {
            let mut lease = Lease::new();
            for _ in 0..slices {
                slice(&mut lease).await;
                order.lock().unwrap().push(name);
                yield_now().await;
            }
        })
    }

    async fn order_of(all: impl IntoIterator<Item = (char, usize)>) -> String {
        let order = Order::default();
        let tasks: Vec<_> = all.into_iter().map(|(name, slices)| begin(name, slices, &order)).collect();
        for task in tasks {
            task.await.unwrap();
        }
        order.lock().unwrap().iter().collect()
    }

    fn is_dealt() -> bool {
        CORE.with(|core| core.lock().is_dealt)
    }

    #[tokio::test]
    async fn one_is_done_before_the_next_begins() {
        assert_eq!(order_of([('a', 3), ('b', 1), ('c', 5)]).await, "aaabccccc");
        while is_dealt() {
            yield_now().await;
        }
        // And once more, from the beginning.
        assert_eq!(order_of([('a', 1), ('b', 2)]).await, "abb");
    }

    #[tokio::test]
    async fn what_is_very_long_lets_others_in() {
        let (first, later) = (FIRST as usize, LATER as usize);
        let order = order_of(['a', 'b'].map(|name| (name, first + 20 * later))).await;
        let (firsts, rest) = order.split_at(2 * first);
        assert_eq!(firsts, ["a", "b"].map(|name| name.repeat(first)).concat());
        // Who has just lost it asks again a little later.
        let in_a_row = 2 * later;
        assert!(["a", "b"].iter().all(|name| !rest.contains(&name.repeat(in_a_row + 1))), "{rest}");
        assert_eq!(order_of([('a', 3 * first)]).await, "a".repeat(3 * first));
    }

    #[tokio::test]
    async fn the_tasks_of_others_have_their_turn_before_the_next_one() {
        let order = Order::default();
        let mut first = Lease::new();
        slice(&mut first).await;
        let next = begin('b', 1, &order);
        yield_now().await;
        drop(first);
        let other = order.clone();
        tokio::spawn(async move { other.lock().unwrap().push('-') }).await.unwrap();
        next.await.unwrap();
        assert_eq!(*order.lock().unwrap(), ['-', 'b']);
    }

    #[tokio::test]
    async fn who_does_not_go_on_holds_nobody_up_and_goes_before_those_who_have_not_begun() {
        let order = Order::default();
        let mut stays = Lease::new();
        slice(&mut stays).await;
        begin('a', 2, &order).await.unwrap();
        let mut holds = Lease::new();
        slice(&mut holds).await;
        let new = begin('b', 1, &order);
        yield_now().await;
        let (other, begun) = (order.clone(), async move { slice(&mut stays).await });
        let begun = tokio::spawn(async move {
            begun.await;
            other.lock().unwrap().push('s');
        });
        begun.await.unwrap();
        new.await.unwrap();
        assert_eq!(order.lock().unwrap().iter().collect::<String>(), "aasb");
    }

    #[tokio::test]
    async fn who_is_gone_is_not_waited_for() {
        let order = Order::default();
        let mut holds = Lease::new();
        slice(&mut holds).await;
        let gone = ['a', 'b'].map(|name| begin(name, 1, &order));
        yield_now().await;
        gone.iter().for_each(JoinHandle::abort);
        for task in gone {
            assert!(task.await.unwrap_err().is_cancelled());
        }
        assert!(holds.core.lock().others.is_empty());
        drop(holds);
        begin('c', 1, &order).await.unwrap();
        assert_eq!(*order.lock().unwrap(), ['c']);
    }

    #[test]
    fn without_a_runtime_nobody_waits() {
        let mut leases = [Lease::new(), Lease::new()];
        let cx = Context::from_waker(Waker::noop());
        assert!(leases.iter_mut().all(|lease| lease.poll_slice(&cx).is_ready()));
    }
}
