//! The breaker: whether anything may be dialled at all.

use std::time::{Duration, Instant};

use super::{FAILURES_MAX, Report, withheld};
use crate::backoff::Random;
use crate::bound::DIAL_WAIT_MAX;
use crate::dial::{Blocker, DialFailure, Release};

/// A refused credential seldom recovers within seconds: where its holds start, as failed probes.
const CREDENTIAL_PROBES: u32 = 3;

/// Where the holds of an outage stop growing. A session that loses its connection keeps half a minute
/// of audio: the dial that finds Deepgram back must not come later than that. One dial every 2 to 3 s,
/// however many sessions there are, keeps no outage going.
const OUTAGE_STEP_MAX: u32 = 1;

#[derive(Debug)]
pub(super) struct Breaker {
    /// With no success in between.
    failures: u32,
    /// Set while it is open.
    hold: Option<Hold>,
    random: Random,
}

/// An open breaker.
#[derive(Debug)]
struct Hold {
    blocker: Blocker,
    /// The latest symptom.
    failure: DialFailure,
    since: Instant,
    /// When the next probe may start; while one is under way, when it might have.
    until: Instant,
    is_probing: bool,
    /// Probes that have failed.
    probes: u32,
    /// Those of them that make holds longer: an outage's do not add up for what comes after it.
    step: u32,
    /// Its time is over and nobody has wanted to dial since: operators have been told that nothing
    /// holds the next dial back, but that is a probe all the same.
    has_lapsed: bool,
}

impl Breaker {
    pub(super) fn new(seed: u64) -> Self {
        Self { failures: 0, hold: None, random: Random::new(seed) }
    }

    pub(super) fn is_open(&self) -> bool {
        self.hold.is_some()
    }

    /// Whether a dial may start now.
    pub(super) fn admits(&self, now: Instant) -> bool {
        self.hold.as_ref().is_none_or(|hold| !hold.is_probing && hold.until <= now)
    }

    /// A dial starts; whether it is a probe.
    pub(super) fn admit(&mut self) -> bool {
        match &mut self.hold {
            Some(hold) => {
                hold.is_probing = true;
                true
            }
            None => false,
        }
    }

    /// When the next probe may start; `None` if it is closed, a probe is under way, or it was due
    /// when nobody wanted to dial.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        let hold = self.hold.as_ref().filter(|hold| !hold.is_probing && !hold.has_lapsed)?;
        Some(hold.until)
    }

    /// The latest symptom, while dials are held back.
    pub(super) fn symptom(&self) -> Option<&DialFailure> {
        self.hold.as_ref().filter(|hold| !hold.has_lapsed).map(|hold| &hold.failure)
    }

    /// The hold's time may be over, and nobody waits.
    pub(super) fn lapse(&mut self, now: Instant) -> Option<Report> {
        let is_over = |hold: &&mut Hold| !hold.is_probing && !hold.has_lapsed && hold.until <= now;
        let hold = self.hold.as_mut().filter(is_over)?;
        hold.has_lapsed = true;
        Some(hold.released(now, Release::Lapsed))
    }

    /// What a session gets at once that would wait until `deadline` in vain: the credential is
    /// refused, or nothing is dialled before then.
    pub(super) fn refusal(&self, now: Instant, deadline: Instant) -> Option<DialFailure> {
        let hold = self.hold.as_ref()?;
        let is_due = !hold.is_probing && hold.until <= now;
        if is_due {
            return None;
        }
        let left = hold.until.saturating_duration_since(now);
        if hold.blocker == Blocker::CredentialRefused {
            return Some(withheld(hold.failure.clone()));
        }
        let in_vain = !hold.is_probing && hold.until > deadline;
        in_vain.then(|| withheld(DialFailure { retry_after: Some(left), ..hold.failure.clone() }))
    }

    /// The probe told nothing: another may start at once.
    pub(super) fn probe_again(&mut self, now: Instant) {
        if let Some(hold) = &mut self.hold {
            hold.is_probing = false;
            hold.until = now;
        }
    }

    /// A dial succeeded, or the credential is another.
    pub(super) fn close(&mut self, now: Instant) -> Option<Report> {
        self.failures = 0;
        // One that has lapsed too: whoever was told of it has not been told that it is over.
        let hold = self.hold.take()?;
        Some(hold.released(now, Release::Lifted))
    }

    /// A dial failed in a way that others would too.
    pub(super) fn fail(
        &mut self,
        now: Instant,
        is_probe: bool,
        blocker: Blocker,
        failure: &DialFailure,
    ) -> Option<Report> {
        self.failures = self.failures.saturating_add(1);
        let is_refused = blocker == Blocker::CredentialRefused;
        match &self.hold {
            None if self.failures < FAILURES_MAX && !is_refused => None,
            None => Some(self.open(now, false, blocker, failure)),
            Some(_) if is_probe => Some(self.open(now, true, blocker, failure)),
            // It began before the breaker opened. A refused credential is worth more than a symptom.
            Some(hold) if is_refused && hold.blocker != blocker => {
                Some(self.open(now, false, blocker, failure))
            }
            Some(_) => {
                self.extend(now, failure);
                None
            }
        }
    }

    /// Opens it, or keeps it open for longer.
    fn open(
        &mut self,
        now: Instant,
        is_probe: bool,
        blocker: Blocker,
        failure: &DialFailure,
    ) -> Report {
        let known = self.hold.as_ref();
        let failed = u32::from(is_probe);
        let probes = known.map_or(0, |known| known.probes + failed);
        let (step, k) = steps(blocker, known.map_or(0, |known| known.step + failed));
        let is_news = known.is_none_or(|known| known.has_lapsed || known.blocker != blocker);
        let since = known.map_or(now, |known| known.since);
        let hold = self.random.backoff(k).max(asked(failure));
        let failure = failure.clone();
        self.hold = Some(Hold {
            blocker,
            failure: failure.clone(),
            since,
            until: now + hold,
            is_probing: false,
            probes,
            step,
            has_lapsed: false,
        });
        Report::Held { failure, blocker, hold, probes, is_news }
    }

    /// Another dial was told to wait longer.
    fn extend(&mut self, now: Instant, failure: &DialFailure) {
        if let Some(hold) = &mut self.hold {
            hold.until = hold.until.max(now + asked(failure));
        }
    }
}

impl Hold {
    fn released(&self, now: Instant, release: Release) -> Report {
        Report::Released { release, blocker: self.blocker, held: now.duration_since(self.since) }
    }
}

/// The step that counts, and the formula's `k`.
fn steps(blocker: Blocker, step: u32) -> (u32, u32) {
    let short = step.min(OUTAGE_STEP_MAX);
    match blocker {
        Blocker::UpstreamBroken | Blocker::OwnResources => (short, short),
        Blocker::UpstreamBusy => (step, step),
        Blocker::CredentialRefused => (step, step.saturating_add(CREDENTIAL_PROBES)),
    }
}

/// `Retry-After`. Longer than a session may wait at all, it would keep everybody out for hours.
fn asked(failure: &DialFailure) -> Duration {
    failure.retry_after.unwrap_or_default().min(DIAL_WAIT_MAX)
}
