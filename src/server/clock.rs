//! The timer of a connection.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};
use tokio::{
    task::coop,
    time::{Instant, Sleep},
};

/// A timer for what one task waits for, now with this deadline and then with another.
pub(super) struct Clock<'a> {
    timer: Pin<&'a mut Sleep>,
    /// Who is woken when it runs out.
    waiting: Option<Waker>,
}

impl<'a> Clock<'a> {
    /// This timer, which is set anew for each deadline.
    pub(super) fn new(timer: Pin<&'a mut Sleep>) -> Self {
        Self { timer, waiting: None }
    }

    /// Ready when this moment has come.
    pub(super) fn has_passed(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // A timer that is due earlier wakes us for nothing; setting it anew for each message costs more, and so does a look at
            // the clock before it has run out.
            if deadline < self.timer.deadline() || self.timer.is_elapsed() {
                if deadline <= Instant::now() {
                    return Poll::Ready(());
                }
                self.timer.as_mut().reset(deadline);
                self.waiting = None;
            }
            if self.poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// To say once more who is to be woken takes four locked instructions: it is said once.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        // Else the timer would send away a task that has done much at once, and not keep its waker.
        let polled = pin!(coop::unconstrained(self.timer.as_mut())).poll(cx);
        self.waiting = polled.is_pending().then(|| cx.waker().clone());
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        future::poll_fn,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        task::Wake,
        time::Duration,
    };
    use tokio::time::sleep_until;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_ready_at_each_deadline_and_not_before() {
        let start = Instant::now();
        let mut timer = pin!(sleep_until(start + seconds(1000)));
        let mut clock = Clock::new(timer.as_mut());
        for passed in [1, 5, 6, 3000] {
            // A later one is asked for first, and the right one twice.
            for _ in 0..2 {
                poll_fn(|cx| {
                    assert!(clock.has_passed(start + seconds(passed + 5000), cx).is_pending());
                    assert!(clock.has_passed(start + seconds(passed), cx).is_pending());
                    Poll::Ready(())
                })
                .await;
            }
            // It is woken for nothing half a second before.
            let early = start + seconds(passed) - Duration::from_millis(500);
            assert!(poll_fn(|cx| Poll::Ready(clock.has_passed(early, cx).is_pending())).await);
            poll_fn(|cx| clock.has_passed(start + seconds(passed), cx)).await;
            assert_eq!(start.elapsed().as_secs(), passed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_last_is_woken_even_if_it_has_done_much_at_once() {
        let start = Instant::now();
        let mut timer = pin!(sleep_until(start + seconds(1000)));
        let mut clock = Clock::new(timer.as_mut());
        let tasks = [(); 2].map(|()| Arc::new(Counter::default()));
        poll_fn(|_| {
            while coop::has_budget_remaining() {
                let waker = Waker::from(tasks[0].clone());
                let _ = pin!(coop::consume_budget()).poll(&mut Context::from_waker(&waker));
            }
            for task in &tasks {
                let waker = Waker::from(task.clone());
                let mut cx = Context::from_waker(&waker);
                assert!(clock.has_passed(start + seconds(1), &mut cx).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        let before = tasks.each_ref().map(|task| task.0.load(SeqCst));
        tokio::time::sleep(seconds(2)).await;
        let after = tasks.each_ref().map(|task| task.0.load(SeqCst));
        assert_eq!((after[0] - before[0], after[1] - before[1]), (0, 1));
    }
}
