//! A thousand sessions whose Deepgram dies at random: every sample is in exactly one final result that
//! the application got, or is counted as lost.
//!
//! Each sample carries its number, so that what a result is about is read from the audio itself, and
//! not from our own books. A seed that fails is printed; add it to [`KEPT`].

use std::collections::VecDeque;

use super::*;
use crate::backoff::Random;
use crate::close::DgCode;
use crate::death::Reason;
use crate::gate::{Heard, VadMode};
use crate::{AppFrame, LossCause, RecoveryConfig};

/// Seeds that failed once.
const KEPT: [u64; 0] = [];
const KEPT_GATED: [u64; 0] = [];

const SEEDS: u64 = 1_000;

/// With a gate the audio has eight times as many samples.
const GATED_SEEDS: u64 = 300;

/// How often the world moves.
const TICK: Duration = Duration::from_millis(20);

/// The application's audio.
const AUDIO: Duration = Duration::from_secs(25);

/// Wide enough for the number of any sample, which may be one of two channels.
const SAMPLE_BYTES: usize = 4;

/// Shorter than it is by default, so that there are many holds.
const HANGOVER: Duration = Duration::from_millis(1_000);

/// What happens to one session.
struct Plan {
    channels: u32,
    ring: Duration,
    /// When connections are killed, in time since OPEN.
    kills: Vec<Duration>,
    /// How long Deepgram is away after each.
    away: Duration,
    /// How long its results are.
    window: Duration,
    /// How far they are behind the audio.
    lag: Duration,
    /// FINISH comes as soon as all audio is sent, whatever the connection does.
    frame: Duration,
    /// Where speech and silence end by turns, speech first; empty without a gate.
    turns: Vec<Duration>,
    /// When the gate's mode is set, and to what.
    modes: VecDeque<(Duration, VadMode)>,
    random: Random,
}

impl Plan {
    /// The same with a gate.
    fn gated(seed: u64) -> Self {
        let mut plan = Self::of(seed);
        let mut at = Duration::ZERO;
        while at < AUDIO {
            let longest = if plan.turns.len() % 2 == 0 { 3_000 } else { 5_000 };
            at += Duration::from_millis(plan.random.below(longest));
            plan.turns.push(at);
        }
        for _ in 0..plan.random.below(3) {
            let mode = VadMode::ALL[plan.random.below(3) as usize];
            plan.modes.push_back((Duration::from_millis(plan.random.below(20_000)), mode));
        }
        plan.modes.make_contiguous().sort_by_key(|it| it.0);
        plan
    }

    fn is_speech(&self, at: Duration) -> bool {
        self.turns.partition_point(|end| *end <= at) % 2 == 0
    }

    fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let kills = 1 + random.below(4);
        let ring = if random.below(4) == 0 { 3_000 } else { 30_000 };
        Self {
            channels: if random.below(3) == 0 { 2 } else { 1 },
            ring: Duration::from_millis(ring),
            kills: (0..kills).map(|_| Duration::from_millis(200 + random.below(26_000))).collect(),
            away: Duration::from_millis(random.below(6_000)),
            window: TICK * (5 + random.below(150) as u32),
            lag: TICK * random.below(60) as u32,
            frame: TICK * (1 + random.below(5) as u32),
            turns: Vec::new(),
            modes: VecDeque::new(),
            random,
        }
    }
}

/// One connection's far end: everything that it got, and how far its results are.
struct FarEnd {
    id: ConnectionId,
    audio: Vec<u8>,
    /// By channel, in bytes.
    ends: Vec<usize>,
    closing: bool,
    /// Finalizes to be answered.
    finalizes: u64,
}

/// A session, its application and its Deepgram, in steps of [`TICK`].
struct Stage {
    plan: Plan,
    format: AudioFormat,
    session: Session,
    start: Instant,
    now: Instant,
    sent: Vec<Outgoing>,
    /// The dial under way, and when it ends.
    dial: Option<(ConnectionId, Instant)>,
    far: Option<FarEnd>,
    /// Until when Deepgram is away.
    away_until: Option<Instant>,
    /// What the application has yet to hand over.
    to_send: VecDeque<Bytes>,
    spoken: usize,
    finished: bool,
    /// How often each sample is in a final result that the application has, by channel.
    heard: Vec<Vec<u8>>,
    final_ends: Vec<usize>,
    summary: Option<Summary>,
    lost: u64,
}

impl Stage {
    fn new(seed: u64, plan: Plan) -> Self {
        let start = clock::now();
        let is_gated = !plan.turns.is_empty();
        let (encoding, rate, channels) =
            if is_gated { ("linear16", 8_000, 2) } else { ("linear32", 1_000, 1) };
        let format = AudioFormat::new(encoding, rate, channels).unwrap();
        let mode = if is_gated { VadMode::Active } else { VadMode::Off };
        let recovery =
            RecoveryConfig { ring: plan.ring, max_reconnects: 20, reconnects_per_minute: 60 };
        let config = SessionConfig {
            recovery: Some(recovery),
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
            dial: None,
            far: None,
            away_until: None,
            to_send: VecDeque::new(),
            spoken: 0,
            finished: false,
            summary: None,
            lost: 0,
        }
    }

    fn run(mut self) -> Self {
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

    fn upstream(&mut self, id: ConnectionId, input: UpstreamInput) {
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
        let Some(far) = self.far.take() else { return };
        // Some of what was sent arrives, and is never confirmed.
        match self.plan.random.below(3) {
            0 => self.upstream(far.id, reset()),
            1 => self.upstream(far.id, closed(1011)),
            // Mute: the ping finds out.
            _ => {}
        }
    }

    fn deepgram(&mut self) {
        let is_away = self.away_until.is_some_and(|until| self.now < until);
        if let Some((id, _)) = self.dial.take_if(|(_, at)| *at <= self.now) {
            let input = if is_away {
                UpstreamInput::DialFailed(DialFailure::before_answer(DialReason::Tcp, "away"))
            } else {
                let ends = vec![0; self.plan.channels as usize];
                let audio = Vec::new();
                self.far = Some(FarEnd { id, audio, ends, closing: false, finalizes: 0 });
                UpstreamInput::Connected { request_id: None, phases: DialPhases::default() }
            };
            self.upstream(id, input);
        }
        self.take_sent();
        self.answer();
    }

    /// The kernel takes what was sent, now and then, and Deepgram gets it; one that is mute as well.
    fn take_sent(&mut self) {
        if self.far.is_none() || self.plan.random.below(3) == 0 {
            return;
        }
        let mut written = Written::default();
        let far = self.far.as_mut().expect("it was looked at just now");
        for outgoing in std::mem::take(&mut self.sent) {
            written.add(&outgoing);
            match outgoing {
                Outgoing::Audio(audio) | Outgoing::Replay { audio, .. } => {
                    far.audio.extend_from_slice(&audio);
                }
                Outgoing::Finalize { .. } => far.finalizes += 1,
                Outgoing::CloseStream => far.closing = true,
                _ => {}
            }
        }
        let (id, pings) = (far.id, written.pings);
        // Its results may come before it is known that all was written.
        if self.plan.random.below(4) == 0 {
            self.answer();
        }
        if written != Written::default() && self.far.is_some() {
            self.upstream(id, UpstreamInput::Written(written));
        }
        if pings > 0 && self.far.is_some() {
            self.upstream(id, UpstreamInput::Pong);
        }
    }

    /// Results for every window that is complete, channel by channel; all the rest at the end.
    fn answer(&mut self) {
        let Some(far) = &mut self.far else { return };
        let (window, lag) = (self.format.bytes(self.plan.window), self.format.bytes(self.plan.lag));
        let (id, mut due) = (far.id, Vec::new());
        let heard = far.audio.len() - far.audio.len() % SAMPLE_BYTES;
        let is_flush = far.closing || far.finalizes > 0;
        for (channel, end) in far.ends.iter_mut().enumerate() {
            // One channel is behind the other.
            let behind = lag as usize * (1 + channel);
            while is_flush && *end < heard || *end + window as usize + behind <= heard {
                let to = if is_flush { heard } else { *end + window as usize };
                due.push((channel as u32, *end, to));
                *end = to;
            }
        }
        let from_finalize = std::mem::take(&mut far.finalizes) > 0;
        let (closing, length) = (far.closing, far.audio.len() as u64);
        for (channel, from, to) in due {
            self.result(id, channel, from, to, from_finalize);
        }
        if closing && self.far.take().is_some() {
            let processed = Some(self.format.duration(length));
            self.upstream(id, message(MessageKind::Metadata { processed }, Bytes::new()));
            self.upstream(id, closed(1000));
        }
    }

    fn result(&mut self, id: ConnectionId, channel: u32, from: usize, to: usize, flush: bool) {
        let Some(far) = self.far.as_ref().filter(|it| it.id == id) else { return };
        // The message says what the audio says: stretches of the session, and where on the connection.
        let mut text = channel.to_string();
        let mut at = from;
        while at < to {
            let first = sample_at(&far.audio, at);
            let is_next = |place: &usize| {
                sample_at(&far.audio, *place) == first + (place - at) / SAMPLE_BYTES
            };
            let count = (at..to).step_by(SAMPLE_BYTES).take_while(is_next).count();
            text += &format!(" {first} {count} {at}");
            at += count * SAMPLE_BYTES;
        }
        let text = text.into_bytes().into();
        let kind = MessageKind::Results {
            start: self.format.duration(from as u64),
            is_final: true,
            from_finalize: flush,
            end: self.format.duration(to as u64),
            channel,
            channels: self.plan.channels,
        };
        self.upstream(id, message(kind, text));
    }

    fn application(&mut self) {
        let elapsed = (self.now - self.start).min(AUDIO);
        let due = self.format.bytes(elapsed) as usize / SAMPLE_BYTES;
        let frame = self.format.bytes(self.plan.frame) as usize / SAMPLE_BYTES;
        while self.spoken + frame <= due || (elapsed == AUDIO && self.spoken < due) {
            let to = (self.spoken + frame).min(due);
            self.to_send.push_back(samples(self.spoken..to));
            self.spoken = to;
        }
        while self.session.wants_app_input()
            && let Some(audio) = self.to_send.pop_front()
        {
            self.set_mode();
            self.audio(audio);
            if self.plan.random.below(40) == 0 {
                self.app(AppInput::Finalize { channel: None });
            }
        }
        let is_spoken = elapsed == AUDIO && self.to_send.is_empty();
        if is_spoken && !self.finished && self.session.wants_app_input() {
            self.finished = true;
            self.app(AppInput::Finish);
        }
    }

    fn app(&mut self, input: AppInput) {
        self.session.handle_app(self.now, input);
        self.perform();
    }

    fn set_mode(&mut self) {
        let elapsed = self.now - self.start;
        while let Some((_, mode)) = self.plan.modes.front().copied().filter(|it| it.0 <= elapsed) {
            self.plan.modes.pop_front();
            self.app(AppInput::Update { vad: Some(mode) });
        }
    }

    fn audio(&mut self, audio: Bytes) {
        let at = self.format.duration((sample_at(&audio, 0) * SAMPLE_BYTES) as u64);
        let is_speech = self.plan.is_speech(at);
        if self.session.wants_hearing() {
            let heard = if is_speech { Heard::Speech { since: 0 } } else { Heard::Silence };
            self.session.handle_heard(self.now, audio, heard);
            self.perform();
        } else {
            self.app(AppInput::Audio(audio));
        }
    }

    fn perform(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Dial(id, _) => self.dial = Some((id, self.now + TICK * 5)),
                Output::Send(_, outgoing) => self.sent.push(outgoing),
                Output::HangUp(id) => {
                    self.far.take_if(|far| far.id == id);
                    self.dial.take_if(|(dialled, _)| *dialled == id);
                    self.sent.clear();
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
                assert_eq!(lost.cause, LossCause::RingOverflow);
                self.lost += lost.bytes;
            }
            Fact::SessionEnded(ended) => self.summary = Some(ended.summary),
            _ => {}
        }
    }

    fn deliver(&mut self, frame: AppFrame) {
        self.session.handle_app(self.now, AppInput::WriteDrained);
        let AppFrame::Message { text, times } = frame else { return };
        let text = std::str::from_utf8(&text).unwrap();
        let numbers: Vec<usize> = text.split(' ').filter_map(|it| it.parse().ok()).collect();
        let [channel, stretches @ ..] = &numbers[..] else { return };
        let stretches = stretches.chunks_exact(3).map(|it| (it[0], it[1], it[2] / SAMPLE_BYTES));
        let on_connection = |samples: usize| samples as f64 / f64::from(self.format.sample_rate);
        let is_at = |time: f64, sample: usize| (time - on_connection(sample)).abs() <= 1e-6;
        if stretches.len() == 1 && self.plan.turns.is_empty() {
            let (first, _, at) = stretches.clone().next().expect("there is one");
            assert!(is_at(times.start(on_connection(at)), first), "{first}");
        }
        for (first, count, at) in stretches {
            let (start, end) = times.word(on_connection(at), on_connection(at + count));
            assert!(
                is_at(start, first) && is_at(end, first + count),
                "{start} {end} {first} {count}"
            );
            // What the application has already is left out of the message.
            let known = (times.known as usize).saturating_sub(at).min(count);
            let told = first + known..first + count;
            let heard = &mut self.heard[*channel];
            assert!(
                told.start >= self.final_ends[*channel] || told.is_empty(),
                "times go backwards"
            );
            self.final_ends[*channel] = told.end.max(self.final_ends[*channel]);
            told.for_each(|sample| heard[sample] += 1);
        }
    }
}

impl Random {
    /// A number under `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        (self.backoff(0) - secs(1)).subsec_nanos() as u64 / 7 % bound
    }
}

fn samples(range: std::ops::Range<usize>) -> Bytes {
    range.flat_map(|sample| (sample as u32).to_le_bytes()).collect::<Vec<u8>>().into()
}

fn sample_at(audio: &[u8], at: usize) -> usize {
    u32::from_le_bytes(audio[at..at + SAMPLE_BYTES].try_into().unwrap()) as usize
}

fn message(kind: MessageKind, text: Bytes) -> UpstreamInput {
    UpstreamInput::Message { text, kind }
}

fn reset() -> UpstreamInput {
    let (reason, trigger) = (Reason::ConnectionReset, Trigger::Read);
    UpstreamInput::Failed { reason, trigger, detail: String::new() }
}

fn closed(code: u16) -> UpstreamInput {
    let reason = reason_of_close(Some(code), "");
    let (detail, dg_code) = (String::new(), DgCode::None);
    UpstreamInput::Closed { code: Some(code), reason, dg_code, detail, says_why: true }
}

#[test]
fn every_sample_is_final_once_or_counted_as_lost() {
    let (mut recovered, mut without_loss) = (0, 0);
    for seed in KEPT.into_iter().chain(0..SEEDS) {
        let stage = Stage::new(seed, Plan::of(seed)).run();
        let summary = stage.summary.as_ref().unwrap();
        // A death after CloseStream, when everything is final already, is a death all the same.
        let is_over = matches!(summary.outcome, Outcome::Finished | Outcome::Dead);
        assert!(is_over, "seed {seed}: {summary:?}");
        let all = 0..stage.heard[0].len();
        let heard = |sample: usize| stage.heard.iter().map(move |channel| channel[sample]);
        let twice = all.clone().filter(|it| heard(*it).any(|count| count > 1)).count();
        let never = all.filter(|it| heard(*it).any(|count| count == 0)).count();
        assert_eq!(twice, 0, "samples that came twice: seed {seed}");
        assert_eq!(never * SAMPLE_BYTES, stage.lost as usize, "lost: seed {seed}");
        if stage.plan.ring > stage.plan.away + secs(16) {
            assert_eq!(stage.lost, 0, "the outage was shorter than the ring: seed {seed}");
            without_loss += 1;
        }
        recovered += summary.recoveries;
    }
    assert!(u64::from(recovered) > SEEDS && without_loss > SEEDS / 2, "{recovered} {without_loss}");
}

/// The same with a gate: what it holds back is counted as gated, and nobody spoke in it.
#[test]
fn with_a_gate_every_sample_is_final_once_or_gated_or_counted_as_lost() {
    let (mut recovered, mut gated) = (0, 0);
    for seed in KEPT_GATED.into_iter().chain(0..GATED_SEEDS) {
        let stage = Stage::new(seed, Plan::gated(seed)).run();
        let summary = stage.summary.as_ref().unwrap();
        let is_over = matches!(summary.outcome, Outcome::Finished | Outcome::Dead);
        assert!(is_over, "seed {seed}: {summary:?}");
        let heard = |sample: usize| stage.heard.iter().map(move |channel| channel[sample]);
        let all = 0..stage.heard[0].len();
        let twice = all.clone().filter(|it| heard(*it).any(|count| count > 1)).count();
        assert_eq!(twice, 0, "samples that came twice: seed {seed}");
        let never = all.filter(|it| heard(*it).any(|count| count == 0));
        let frame = stage.format.bytes(stage.plan.frame) as usize / SAMPLE_BYTES;
        let time = |sample: usize| stage.format.duration((sample * SAMPLE_BYTES) as u64);
        let is_speech = |sample: &usize| stage.plan.is_speech(time(sample - sample % frame));
        let (spoken, silent): (Vec<_>, Vec<_>) = never.partition(is_speech);
        assert!(spoken.len() * SAMPLE_BYTES <= stage.lost as usize, "speech was held: seed {seed}");
        let bytes = (spoken.len() + silent.len()) * SAMPLE_BYTES;
        let told = summary.audio.bytes_gated + stage.lost;
        assert_eq!(bytes, told as usize, "gated or lost: seed {seed}");
        recovered += summary.recoveries;
        gated += u64::from(summary.audio.bytes_gated > 0);
    }
    assert!(u64::from(recovered) > GATED_SEEDS && gated > GATED_SEEDS / 2, "{recovered} {gated}");
}
