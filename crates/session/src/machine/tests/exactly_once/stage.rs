//! A session, its application and its Deepgram, in steps of [`TICK`].

use std::collections::VecDeque;

use super::far_end::{FarEnd, closed, reset};
use super::plan::Plan;
use super::*;
use crate::fact::PreludeEnd;
use crate::{LossCause, RecoveryConfig};

pub(super) struct Stage {
    pub(super) plan: Plan,
    pub(super) format: AudioFormat,
    pub(super) session: Session,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) sent: Vec<(ConnectionId, Outgoing)>,
    /// The dials under way, and when they end.
    pub(super) dials: Vec<(ConnectionId, Instant)>,
    pub(super) fars: Vec<FarEnd>,
    /// Until when Deepgram is away.
    pub(super) away_until: Option<Instant>,
    /// What the application has yet to hand over.
    pub(super) to_send: VecDeque<Bytes>,
    pub(super) spoken: usize,
    pub(super) finished: bool,
    /// How often each sample is in a final result that the application has, by channel.
    pub(super) heard: Vec<Vec<u8>>,
    pub(super) final_ends: Vec<usize>,
    pub(super) summary: Option<Summary>,
    pub(super) lost: u64,
    /// The sample that the last frame left unfinished.
    pub(super) begun: Vec<u8>,
    /// Bytes that were handed over.
    pub(super) handed_bytes: u64,
    /// Samples of the prelude that were.
    pub(super) enrolled: usize,
    pub(super) moved: u32,
}

impl Stage {
    pub(super) fn new(seed: u64, plan: Plan) -> Self {
        let start = clock::now();
        let is_gated = !plan.turns.is_empty();
        let (encoding, rate, channels) =
            if is_gated { ("linear16", 8_000, 2) } else { ("linear32", 1_000, 1) };
        let format = AudioFormat::new(encoding, rate, channels).unwrap();
        let mode = plan.mode;
        let recovery =
            |ring| RecoveryConfig { ring, max_reconnects: 20, reconnects_per_minute: 60 };
        let config = SessionConfig {
            recovery: plan.ring.map(recovery),
            prelude: plan.prelude.as_ref().map(|it| it.config),
            ping_interval: Duration::from_millis(500),
            ping_timeout: Duration::from_millis(500),
            audio: Some(format),
            vad: VadConfig { mode, hangover: HANGOVER, ..VadConfig::default() },
            ..config()
        };
        let samples = format.bytes(AUDIO) as usize / SAMPLE_BYTES;
        let session = Session::new(SessionId::parse("x").unwrap(), config, start, seed);
        Self {
            heard: vec![vec![0; samples]; plan.channels as usize],
            final_ends: vec![0; plan.channels as usize],
            plan,
            format,
            session,
            start,
            now: start,
            sent: Vec::new(),
            dials: Vec::new(),
            fars: Vec::new(),
            away_until: None,
            to_send: VecDeque::new(),
            spoken: 0,
            finished: false,
            summary: None,
            lost: 0,
            begun: Vec::new(),
            handed_bytes: 0,
            enrolled: 0,
            moved: 0,
        }
    }

    pub(super) fn run(mut self) -> Self {
        self.perform();
        while self.summary.is_none() {
            assert!(self.now - self.start < secs(200), "it does not end");
            self.now += TICK;
            self.kill();
            self.deepgram();
            if self.session.next_deadline().is_some_and(|due| due <= self.now) {
                self.session.handle_timeout(self.now);
                self.perform();
            }
            self.application();
        }
        self
    }

    /// Whole samples that were handed over.
    pub(super) fn handed(&self) -> usize {
        self.handed_bytes as usize / SAMPLE_BYTES
    }

    pub(super) fn upstream(&mut self, id: ConnectionId, input: UpstreamInput) {
        self.session.handle_upstream(self.now, id, input);
        self.perform();
    }

    fn kill(&mut self) {
        let elapsed = self.now - self.start;
        let before = self.plan.kills.len();
        self.plan.kills.retain(|at| *at > elapsed);
        if self.plan.kills.len() == before {
            return;
        }
        self.away_until = Some(self.now + self.plan.away);
        if self.fars.is_empty() {
            return;
        }
        let struck = self.plan.random.below(self.fars.len() as u64) as usize;
        let far = self.fars.swap_remove(struck);
        // Some of what was sent arrives, and is never confirmed.
        match self.plan.random.below(3) {
            0 => self.upstream(far.id, reset()),
            1 => self.upstream(far.id, closed(1011)),
            // Mute: the ping finds out.
            _ => {}
        }
    }

    pub(super) fn perform(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Dial(id, _) => {
                    let takes = TICK * (1 + self.plan.random.below(9) as u32);
                    self.dials.push((id, self.now + takes));
                }
                Output::Send(id, outgoing) => self.sent.push((id, outgoing)),
                Output::HangUp(id) => {
                    self.fars.retain(|it| it.id != id);
                    self.dials.retain(|(dialled, _)| *dialled != id);
                    self.sent.retain(|(to, _)| *to != id);
                }
                Output::Deliver(frame) => self.deliver(frame),
                Output::Record(fact) => self.record(*fact),
                Output::AbandonApp | Output::Observe(_) => {}
            }
        }
    }

    fn record(&mut self, fact: Fact) {
        match fact {
            Fact::AudioLost(lost) => {
                let may_latch = self.plan.prelude.is_some();
                assert!(may_latch || lost.cause == LossCause::RingOverflow, "{:?}", lost.cause);
                self.lost += lost.bytes;
            }
            Fact::PreludeEnded(ended) => {
                self.moved += u32::from(ended.end == PreludeEnd::Moved);
            }
            Fact::SessionEnded(ended) => self.summary = Some(ended.summary),
            _ => {}
        }
    }
}
