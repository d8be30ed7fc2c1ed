//! A fault of a script's making: what is done, and what is to come of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Config, Emulator};

use super::line::{Fault, Line};
use super::story::{FRAMES, Story, stream};

/// On top of a deadline, or of no time at all: far more than a machine with other work needs.
pub(super) const SLACK: Duration = Duration::from_secs(3);

/// What becomes of the session.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// Another connection takes over.
    Recovers,
    /// It ends `dead`, with this reason in ERROR where there is one.
    GivesUp(Option<&'static str>),
    /// There was no death to recover from.
    Unharmed,
}

/// One line of a table of faults.
#[derive(Clone, Debug)]
pub(super) struct Row {
    fault: &'static str,
    /// What the open connection does, as the emulator's orders.
    now: &'static str,
    reason: &'static str,
    /// Whether `reason` is the dials' after the death and not the death's.
    of_redials: bool,
    /// What happens to the requests, from the first on.
    plans: Vec<&'static str>,
    sets: Vec<(&'static str, &'static str)>,
    deadline: Duration,
    fate: Fate,
}

impl Row {
    /// A fault in the middle of speech, with these orders to the emulator.
    pub(super) fn mid_speech(fault: &'static str, now: &'static str, reason: &'static str) -> Self {
        Self {
            fault,
            now,
            reason,
            of_redials: false,
            plans: Vec::new(),
            sets: Vec::new(),
            deadline: Duration::ZERO,
            fate: Fate::Recovers,
        }
    }

    /// A reset in the middle of speech, and dials after it that meet with these plans.
    pub(super) fn redials(
        fault: &'static str,
        reason: &'static str,
        plans: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        let plans = ["{}"].into_iter().chain(plans).collect();
        Self { of_redials: true, plans, ..Self::mid_speech(fault, "[reset]", reason) }
    }

    pub(super) fn plans(mut self, plans: impl IntoIterator<Item = &'static str>) -> Self {
        self.plans = plans.into_iter().collect();
        self
    }

    pub(super) fn set(mut self, key: &'static str, value: &'static str) -> Self {
        self.sets.push((key, value));
        self
    }

    /// How long it takes to notice where nothing tells.
    pub(super) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(super) fn fate(mut self, fate: Fate) -> Self {
        self.fate = fate;
        self
    }

    pub(super) fn run(self) -> Fault {
        Box::pin(async move {
            let emulator = Emulator::with(deepgram(), &self.plans).await;
            let config = reconnecting(&emulator);
            let config =
                self.sets.iter().fold(config, |config, (key, value)| config.set(key, value));
            let sidecar = config.start().await;
            let orders = format!("now: {}", self.now);
            let story = stream(&sidecar, FRAMES, async || emulator.change(&orders).await).await;
            self.judge(&story);
            let lost_s = sidecar.metrics().await.sum("audio_lost_seconds_total", &[]);
            assert_eq!(Some((lost_s * 1_000.0).round() as u64), story.summary().lost_ms);
            self.line(&story)
        })
    }

    fn judge(&self, story: &Story) {
        let context = format!("{}: {story:#?}", self.fault);
        match self.fate {
            Fate::Unharmed => assert!(story.deaths.is_empty(), "{context}"),
            Fate::Recovers => assert!(story.recovered > 0, "{context}"),
            Fate::GivesUp(reason) => {
                let refusal = story.refusal.as_ref().map(|(refusal, _)| refusal.reason.as_deref());
                assert_eq!(refusal.flatten(), reason, "{context}");
                story.assert_the_rest_is_lost();
            }
        }
        if !matches!(self.fate, Fate::GivesUp(_)) {
            story.assert_whole();
        }
        self.judge_reason(story, &context);
        let noticed = story.noticed();
        assert!(noticed.is_none_or(|noticed| noticed < self.deadline + SLACK), "{context}");
    }

    fn judge_reason(&self, story: &Story, context: &str) {
        let told: Vec<&str> = story.redials.iter().map(|told| &*told.reason).collect();
        if self.of_redials && matches!(self.fate, Fate::Recovers) {
            assert!(told.len() > 1 && told[1..].iter().all(|it| *it == self.reason), "{context}");
        } else if let Some(death) = story.deaths.first().filter(|_| !self.of_redials) {
            assert_eq!(death.reason, self.reason, "{context}");
        }
    }

    fn line(&self, story: &Story) -> Line {
        let recovered = match self.fate {
            Fate::Recovers => "yes",
            Fate::GivesUp(_) => "no",
            Fate::Unharmed => "nothing died",
        };
        let code =
            |reason: &str| if reason.is_empty() { "none".into() } else { format!("`{reason}`") };
        Line {
            fault: self.fault.into(),
            reason: code(self.reason),
            noticed: story.noticed(),
            lost_ms: story.summary().lost_ms,
            recovered: recovered.into(),
        }
    }
}

/// A Deepgram with results often enough for a few seconds of speech.
pub(super) fn deepgram() -> Value {
    json!({"position_code": true, "interim_every": "300ms", "final_after": "1200ms"})
}

/// A sidecar whose sessions reconnect.
pub(super) fn reconnecting(emulator: &Emulator) -> Config {
    reconnecting_to(&format!("ws://{}", emulator.addr()))
}

/// The same, for any address. It says nothing on its own for as long as a test lasts.
pub(super) fn reconnecting_to(url: &str) -> Config {
    Config::dialing_url(url)
        .set("keepalive.interval", "9900ms")
        .set("liveness.ping_interval", "1h")
        .set("recovery.mode", "reconnect")
        .set("recovery.reconnects_per_minute", 60)
}
