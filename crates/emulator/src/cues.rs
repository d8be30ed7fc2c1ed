//! The steps of a connection that are still to come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::script::{Action, Step, Trigger};

/// Steps, each taken once, in the order of the script where several are due.
#[derive(Debug)]
pub(super) struct Cues {
    steps: Arc<[Step]>,
    taken: Vec<bool>,
    left: usize,
    opened: Instant,
    close_stream: Option<Instant>,
}

impl Cues {
    pub(super) fn new(steps: Arc<[Step]>, now: Instant) -> Self {
        let left = steps.len();
        Self { taken: vec![false; left], left, steps, opened: now, close_stream: None }
    }

    /// CloseStream came; the first one counts.
    pub(super) fn close_stream(&mut self, now: Instant) {
        self.close_stream.get_or_insert(now);
    }

    /// The next step that is due after this much audio.
    pub(super) fn take(
        &mut self,
        now: Instant,
        heard: impl FnOnce() -> Duration,
    ) -> Option<Action> {
        if self.left == 0 {
            return None;
        }
        let heard = heard();
        let due = |(index, step): &(usize, &Step)| {
            !self.taken[*index] && self.is_due(step.trigger, now, heard)
        };
        let (index, step) = self.steps.iter().enumerate().find(due)?;
        let action = step.action.clone();
        self.taken[index] = true;
        self.left -= 1;
        Some(action)
    }

    /// When the next step is due by time.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.left == 0 {
            return None;
        }
        let open = self.steps.iter().zip(&self.taken).filter(|(_, taken)| !**taken);
        open.filter_map(|(step, _)| self.due_at(step.trigger)).min()
    }

    fn is_due(&self, trigger: Trigger, now: Instant, heard: Duration) -> bool {
        match trigger {
            Trigger::AfterAudio(least) => heard >= least,
            _ => self.due_at(trigger).is_some_and(|due| due <= now),
        }
    }

    fn due_at(&self, trigger: Trigger) -> Option<Instant> {
        match trigger {
            Trigger::At(age) => Some(self.opened + age),
            Trigger::AfterCloseStream(wait) => self.close_stream.map(|at| at + wait),
            Trigger::AfterAudio(_) => None,
        }
    }
}
