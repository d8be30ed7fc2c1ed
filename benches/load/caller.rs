//! One session under load: frames out in real time, results in, the time between them.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;

use serde::Deserialize;
use tokio::sync::watch;

use crate::report::Load;
use crate::stream::{Heard, SAMPLE_RATE, Stream, StreamReceiver, StreamSender};

/// Streaming goes on for this long after the measurement, which starts a little late.
pub(crate) const TAIL: Duration = Duration::from_secs(2);

const NOT_SENT: u64 = u64::MAX;

/// What one session is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) load: Load,
    /// When its first frame is due, after streaming has begun.
    pub(crate) offset: Duration,
}

/// How far all sessions are to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Open, and silent.
    Idle,
    /// Stream for warm-up, measurement and [`TAIL`], then be silent again.
    Stream,
    /// Finish.
    Finish,
}

/// What one session has done.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// From the send of a frame to the result that covers it, after the warm-up.
    pub(crate) latency_micros: Vec<u32>,
    /// Whether it ended as it was asked to, and every byte was sent.
    pub(crate) is_finished: bool,
}

/// What all sessions have done so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    frames: AtomicU64,
}

impl Tally {
    /// Frames sent.
    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Relaxed)
    }
}

/// Runs a session that is open through all phases.
pub(crate) async fn run(
    stream: Stream,
    plan: Plan,
    tally: Arc<Tally>,
    phase: watch::Receiver<Phase>,
) -> anyhow::Result<Outcome> {
    let (sender, receiver) = stream;
    let sent = SendTimes::new(&plan.load);
    let (sending, outcome) =
        tokio::join!(send(sender, &plan, &sent, &tally, phase), receive(receiver, &plan, &sent));
    sending?;
    outcome
}

async fn send(
    mut sender: StreamSender,
    plan: &Plan,
    sent: &SendTimes,
    tally: &Tally,
    mut phase: watch::Receiver<Phase>,
) -> anyhow::Result<()> {
    phase.wait_for(|phase| *phase >= Phase::Stream).await?;
    sent.start();
    let frame = plan.load.frame;
    let silence = Bytes::from(vec![0; frame_bytes(frame)]);
    let first = tokio::time::Instant::from_std(clock::now() + plan.offset);
    let mut due = tokio::time::interval_at(first, frame);
    for index in 0..sent.micros.len() {
        due.tick().await;
        sent.tell(index);
        sender.send_audio(&silence).await?;
        tally.frames.fetch_add(1, Relaxed);
    }
    phase.wait_for(|phase| *phase >= Phase::Finish).await?;
    sender.finish().await
}

async fn receive(
    mut receiver: StreamReceiver,
    plan: &Plan,
    sent: &SendTimes,
) -> anyhow::Result<Outcome> {
    let mut latency_micros = Vec::with_capacity(sent.micros.len());
    let warm_from = frames_in(plan.load.warmup, plan.load.frame);
    loop {
        match receiver.next().await? {
            Heard::Message(message) => {
                let Ok(result) = serde_json::from_slice::<Results>(&message) else { continue };
                let frame = result.last_frame(plan.load.frame);
                if let Some(micros) = sent.micros_since(frame).filter(|_| frame >= warm_from) {
                    latency_micros.push(micros);
                }
            }
            Heard::Other => {}
            Heard::End { is_finished } => return Ok(Outcome { latency_micros, is_finished }),
        }
    }
}

/// What times a result; other messages have no `duration` beside `start`.
#[derive(Deserialize)]
struct Results {
    start: f64,
    duration: f64,
}

impl Results {
    /// The frame whose end this result reaches.
    fn last_frame(&self, frame: Duration) -> usize {
        let frames = (self.start + self.duration) / frame.as_secs_f64();
        // Saturates at 0 for an empty result at the start.
        (frames.round() as usize).saturating_sub(1)
    }
}

/// When each frame was sent: written by one half of the session, read by the other. A frame's first
/// result takes its time, so that what Deepgram says of it again later does not count.
struct SendTimes {
    started: OnceLock<Instant>,
    micros: Vec<AtomicU64>,
}

impl SendTimes {
    fn new(load: &Load) -> Self {
        let streaming = load.warmup + load.duration + TAIL;
        let frames = frames_in(streaming, load.frame);
        let micros = (0..frames).map(|_| AtomicU64::new(NOT_SENT)).collect();
        Self { started: OnceLock::new(), micros }
    }

    fn start(&self) {
        self.started.get_or_init(clock::now);
    }

    fn tell(&self, frame: usize) {
        self.micros[frame].store(self.now(), Relaxed);
    }

    fn micros_since(&self, frame: usize) -> Option<u32> {
        let sent = self.micros.get(frame)?.swap(NOT_SENT, Relaxed);
        let since = (sent != NOT_SENT).then(|| self.now().saturating_sub(sent))?;
        u32::try_from(since).ok()
    }

    fn now(&self) -> u64 {
        let elapsed = self.started.get().map_or(Duration::ZERO, Instant::elapsed);
        u64::try_from(elapsed.as_micros()).expect("a run lasts minutes")
    }
}

fn frames_in(duration: Duration, frame: Duration) -> usize {
    duration.div_duration_f64(frame).ceil() as usize
}

fn frame_bytes(frame: Duration) -> usize {
    (frame.as_secs_f64() * f64::from(SAMPLE_RATE)).round() as usize * 2
}
