//! The one place where the shell reads the clock, and a timeout that a pause of the process does not
//! turn into a verdict.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::time::error::Elapsed;

/// A timer that is noticed later than this ran out in a pause of the process.
pub const PAUSE_NOTICED: Duration = Duration::from_millis(100);

/// How long the runtime gets to ask the kernel about every socket after a pause: one of its threads
/// does, and the others may fire timers meanwhile.
pub const CATCH_UP: Duration = Duration::from_millis(50);

/// The present, on Tokio's clock, so that a paused test clock moves it.
#[expect(clippy::disallowed_methods, reason = "this is the only place that reads the clock")]
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits for `future` for so long at most. After a pause of the process the runtime notices timers
/// before it has asked the kernel what has come meanwhile, so the future gets a moment more then.
///
/// # Errors
/// If the future is not ready in time.
pub async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let due = now() + limit;
    let mut future = pin!(future);
    match tokio::time::timeout_at(due.into(), &mut future).await {
        Err(_) if now().saturating_duration_since(due) > PAUSE_NOTICED => {
            tokio::time::timeout(CATCH_UP, future).await
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// Polls a timeout of a future that shows as ready only at its third look, as a socket does that
    /// the kernel has not been asked about, and lets the clock jump once and then step.
    async fn after_a_jump(of: Duration) -> Poll<Result<(), Elapsed>> {
        let mut looks = 0;
        let future = poll_fn(|_| {
            looks += 1;
            if looks > 2 { Poll::Ready(()) } else { Poll::Pending }
        });
        let mut timeout = pin!(timeout(LIMIT, future));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(timeout.as_mut().poll(&mut cx).is_pending());
        tokio::time::advance(of).await;
        match timeout.as_mut().poll(&mut cx) {
            Poll::Pending => timeout.as_mut().poll(&mut cx),
            ended => ended,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_shows_just_after_a_pause_was_in_time() {
        assert!(matches!(after_a_jump(2 * LIMIT).await, Poll::Ready(Ok(()))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_late_without_a_pause_is_late() {
        let just_over = LIMIT + Duration::from_millis(5);
        assert!(matches!(after_a_jump(just_over).await, Poll::Ready(Err(_))));
    }
}
