//! A bound on the lines that one event may write a second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;

/// Lines of one event and level a second: a full daemon that loses its network at once would
/// otherwise write several lines for each of its sessions.
const LINES_PER_SECOND: u32 = 50;

/// Events without a bound: each session ends once, and its books are promised.
const UNBOUNDED: [&str; 2] = ["session_end", "session_cancelled"];

/// Counts lines by the place in the code that writes them: one for each event and level, so the
/// table is bounded by the program's text.
#[derive(Debug, Default)]
pub(super) struct Rates {
    windows: Mutex<HashMap<Identifier, Window>>,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is written, after so many of its event were not.
    Admitted { suppressed: u64 },
    /// It is not written.
    Suppressed,
}

#[derive(Debug)]
struct Window {
    begun: Instant,
    lines: u32,
    suppressed: u64,
}

impl Rates {
    pub(super) fn admit(&self, event: Identifier, name: &str, now: Instant) -> Admission {
        if UNBOUNDED.contains(&name) {
            return Admission::Admitted { suppressed: 0 };
        }
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Window { begun: now, lines: 0, suppressed: 0 };
        windows.entry(event).or_insert_with(fresh).admit(now)
    }
}

impl Window {
    fn admit(&mut self, now: Instant) -> Admission {
        if now.saturating_duration_since(self.begun) >= Duration::from_secs(1) {
            self.begun = now;
            self.lines = 0;
        }
        if self.lines == LINES_PER_SECOND {
            self.suppressed += 1;
            return Admission::Suppressed;
        }
        self.lines += 1;
        Admission::Admitted { suppressed: std::mem::take(&mut self.suppressed) }
    }
}
