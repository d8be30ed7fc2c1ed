//! When a session has worked long enough for somebody else to have a turn.

/// After so many inputs from the sockets in a row the clock is looked at first, so that a flood
/// cannot starve the timers.
const STREAK_MAX: u32 = 64;

/// After so many inputs other sessions have their turn: a flood of small messages fills a single read
/// with thousands.
const INPUTS_MAX: u32 = 1_024;

/// What a session's task has done since it last gave way.
#[derive(Debug, Default)]
pub(super) struct Turn {
    streak: u32,
    inputs: u32,
}

impl Turn {
    /// An input has come: from a socket, or because the clock was looked at.
    pub(super) fn count(&mut self, is_timeout: bool) {
        self.streak = if is_timeout { 0 } else { self.streak.saturating_add(1) };
    }

    /// One that was read, alone or along with others, has been handled.
    pub(super) fn count_buffered(&mut self) {
        self.inputs += 1;
    }

    /// Nothing is left to do.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// Whether the clock comes first.
    pub(super) fn is_streak(&self) -> bool {
        self.streak >= STREAK_MAX
    }

    /// Whether others come first.
    pub(super) fn is_over(&self) -> bool {
        self.inputs >= INPUTS_MAX
    }

    /// Gives way, if it is time to.
    pub(super) fn give_way(&mut self) -> bool {
        let is_over = self.is_over();
        if is_over {
            self.inputs = 0;
        }
        is_over
    }
}
