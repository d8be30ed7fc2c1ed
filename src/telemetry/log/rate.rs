//! A rate limit on the lines of one event.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;

/// Maximum lines per second for one event and level: otherwise a full daemon that loses its network
/// would write several lines per session at once.
const LINES_PER_SECOND: u32 = 50;

/// Events without a limit: each session ends once, and its summary and receipt are guaranteed.
const UNBOUNDED: [&str; 3] = ["session_end", "session_cancelled", "session_receipt"];

/// Counts lines by call site and name: facts share one call site per level. Names are a closed set,
/// so the table is bounded by the program.
#[derive(Debug, Default)]
pub(super) struct Rates {
    windows: Mutex<HashMap<(Identifier, String), Window>>,
}

/// Whether to write a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Write it; this many of its event were suppressed before.
    Admitted { suppressed: u64 },
    /// Do not write it.
    Suppressed,
}

#[derive(Debug)]
struct Window {
    begun: Instant,
    lines: u32,
    suppressed: u64,
}

impl Rates {
    pub(super) fn admit(&self, place: Identifier, name: &str, now: Instant) -> Admission {
        if UNBOUNDED.contains(&name) {
            return Admission::Admitted { suppressed: 0 };
        }
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Window { begun: now, lines: 0, suppressed: 0 };
        windows.entry((place, name.to_owned())).or_insert_with(fresh).admit(now)
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
