//! What happens to one session, drawn from a seed.

use std::collections::VecDeque;

use super::*;
use crate::PreludeConfig;
use crate::backoff::Random;
use crate::gate::VadMode;

/// What happens to one session.
pub(super) struct Plan {
    pub(super) channels: u32,
    /// How much recovery keeps; `None` to latch.
    pub(super) ring: Option<Duration>,
    /// When connections are killed, in time since OPEN.
    pub(super) kills: Vec<Duration>,
    /// How long Deepgram is away after each.
    pub(super) away: Duration,
    /// How long its results are.
    pub(super) window: Duration,
    /// How far they are behind the audio.
    pub(super) lag: Duration,
    /// FINISH comes as soon as all audio is sent, whatever the connection does.
    pub(super) frame: Duration,
    /// Where speech and silence end by turns, speech first; empty without a gate.
    pub(super) turns: Vec<Duration>,
    /// What the gate begins with.
    pub(super) mode: VadMode,
    /// When the gate's mode is set, and to what.
    pub(super) modes: VecDeque<(Duration, VadMode)>,
    pub(super) prelude: Option<Prelude>,
    pub(super) end: End,
    pub(super) random: Random,
}

/// What goes ahead of the live audio.
pub(super) struct Prelude {
    pub(super) config: PreludeConfig,
    /// How long the application's part is.
    pub(super) length: Duration,
    /// How much of it comes at a time.
    pub(super) piece: Duration,
    /// Whether the application says that it is over.
    pub(super) is_ended: bool,
}

/// How the application ends, at this time since OPEN or when all is said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    Finish(Duration),
    Leave(Duration),
    Drain(Duration),
}

impl End {
    pub(super) fn at(self) -> Duration {
        match self {
            Self::Finish(at) | Self::Leave(at) | Self::Drain(at) => at,
        }
    }
}

impl Plan {
    /// The same with a prelude, in which most things happen; with recovery and without.
    pub(super) fn with_prelude(seed: u64) -> Self {
        let mut plan = Self::of(seed);
        let random = &mut plan.random;
        let mut upto = |ms| Duration::from_millis(random.below(ms));
        let config = PreludeConfig { pad_to: upto(6_000), stabilize: upto(6_000) };
        let (length, piece) = (upto(10_000), Duration::from_millis(7) + upto(500));
        plan.kills = (0..3).map(|_| Duration::from_millis(100) + upto(16_000)).collect();
        let at = upto(20_000);
        plan.end = match random.below(8) {
            0 => End::Finish(at),
            1 => End::Leave(at),
            2 => End::Drain(at),
            _ => End::Finish(AUDIO),
        };
        plan.kills.truncate(random.below(4) as usize);
        let is_ended = random.below(10) > 0;
        plan.prelude = Some(Prelude { config, length, piece, is_ended });
        plan.ring = plan.ring.filter(|_| plan.random.below(2) == 0);
        plan
    }

    /// The same with a gate that is in shadow until the prelude is over.
    pub(super) fn gated_with_prelude(seed: u64) -> Self {
        let mut plan = Self::with_prelude(seed);
        plan.speak_by_turns();
        plan.mode = VadMode::Shadow;
        plan
    }

    /// The same with a gate.
    pub(super) fn gated(seed: u64) -> Self {
        let mut plan = Self::of(seed);
        plan.speak_by_turns();
        plan.mode = VadMode::Active;
        for _ in 0..plan.random.below(3) {
            let mode = VadMode::ALL[plan.random.below(3) as usize];
            plan.modes.push_back((Duration::from_millis(plan.random.below(20_000)), mode));
        }
        plan.modes.make_contiguous().sort_by_key(|it| it.0);
        plan
    }

    fn speak_by_turns(&mut self) {
        let plan = self;
        let mut at = Duration::ZERO;
        while at < AUDIO {
            let longest = if plan.turns.len().is_multiple_of(2) { 3_000 } else { 5_000 };
            at += Duration::from_millis(plan.random.below(longest));
            plan.turns.push(at);
        }
    }

    pub(super) fn is_speech(&self, at: Duration) -> bool {
        self.turns.partition_point(|end| *end <= at) % 2 == 0
    }

    pub(super) fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let kills = 1 + random.below(4);
        let ring = if random.below(4) == 0 { 3_000 } else { 30_000 };
        Self {
            channels: if random.below(3) == 0 { 2 } else { 1 },
            ring: Some(Duration::from_millis(ring)),
            kills: (0..kills).map(|_| Duration::from_millis(200 + random.below(26_000))).collect(),
            away: Duration::from_millis(random.below(6_000)),
            window: TICK * (5 + random.below(150) as u32),
            lag: TICK * random.below(60) as u32,
            frame: TICK * (1 + random.below(5) as u32),
            turns: Vec::new(),
            mode: VadMode::Off,
            modes: VecDeque::new(),
            prelude: None,
            end: End::Finish(AUDIO),
            random,
        }
    }
}

impl Random {
    /// A number under `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        (self.backoff(0) - secs(1)).subsec_nanos() as u64 / 7 % bound
    }
}
