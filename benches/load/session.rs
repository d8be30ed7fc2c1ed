//! One session under load: frames out in real time, results in, the time between them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use deepgram_sidecar::client::{Client, Incoming, OpenRequest, Receiver, Sender};
use deepgram_sidecar::session::clock;
use serde::Deserialize;

use crate::report::Load;

/// What one session is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) load: Load,
    /// When its first frame is due, after the session was opened.
    pub(crate) offset: Duration,
}

/// What one session has done.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// From the send of a frame to the result that covers it, after the warm-up.
    pub(crate) latency_micros: Vec<u32>,
    /// Whether its summary says `finished`, and that every byte was sent.
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

/// Opens a session and waits for OPENED.
pub(crate) async fn open(socket: &Path, number: u32) -> anyhow::Result<Client> {
    let mut client = Client::connect(socket).await?;
    let request = OpenRequest::new()
        .session_id(format!("load-{number}"))
        .audio("linear16", SAMPLE_RATE, 1)
        .param("interim_results", true);
    client.open(&request).await?;
    client.opened().await.with_context(|| format!("session {number}"))?;
    Ok(client)
}

/// Streams for warm-up and measurement, and a little longer so that the last sample of CPU sees
/// full load; then finishes.
pub(crate) async fn run(client: Client, plan: Plan, tally: Arc<Tally>) -> anyhow::Result<Outcome> {
    let (sender, receiver) = client.split();
    let sent = SendTimes::new(&plan.load);
    let (sending, outcome) =
        tokio::join!(send(sender, &plan, &sent, &tally), receive(receiver, &plan, &sent));
    sending?;
    outcome
}

async fn send(
    mut sender: Sender,
    plan: &Plan,
    sent: &SendTimes,
    tally: &Tally,
) -> anyhow::Result<()> {
    let frame = plan.load.frame;
    let silence = vec![0; frame_bytes(frame)];
    let first = tokio::time::Instant::from_std(clock::now() + plan.offset);
    let mut due = tokio::time::interval_at(first, frame);
    for index in 0..sent.micros.len() {
        due.tick().await;
        sent.tell(index);
        sender.send_audio(&silence).await?;
        tally.frames.fetch_add(1, Relaxed);
    }
    Ok(sender.finish().await?)
}

async fn receive(mut receiver: Receiver, plan: &Plan, sent: &SendTimes) -> anyhow::Result<Outcome> {
    let mut latency_micros = Vec::with_capacity(sent.micros.len());
    let warm_from = frames_in(plan.load.warmup, plan.load.frame);
    loop {
        match receiver.next().await?.context("the sidecar closed before FINISHED")? {
            Incoming::Message(message) => {
                let Ok(result) = serde_json::from_slice::<Results>(&message) else { continue };
                let frame = result.last_frame(plan.load.frame);
                if let Some(micros) = sent.micros_since(frame).filter(|_| frame >= warm_from) {
                    latency_micros.push(micros);
                }
            }
            Incoming::Finished(summary) => {
                let is_whole = summary.audio.bytes_sent == summary.audio.bytes_received;
                let is_finished = summary.outcome == "finished" && is_whole;
                return Ok(Outcome { latency_micros, is_finished });
            }
            Incoming::Error(refusal) => bail!("{refusal}"),
            Incoming::Opened(_) | Incoming::Event(_) | Incoming::Unknown { .. } => {}
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

/// When each frame was sent: written by one half of the session, read by the other.
struct SendTimes {
    started: Instant,
    micros: Vec<AtomicU64>,
}

impl SendTimes {
    fn new(load: &Load) -> Self {
        let streaming = load.warmup + load.duration + TAIL;
        let frames = frames_in(streaming, load.frame);
        let micros = (0..frames).map(|_| AtomicU64::new(NOT_SENT)).collect();
        Self { started: clock::now(), micros }
    }

    fn tell(&self, frame: usize) {
        self.micros[frame].store(self.now(), Relaxed);
    }

    fn micros_since(&self, frame: usize) -> Option<u32> {
        let sent = self.micros.get(frame)?.load(Relaxed);
        let since = (sent != NOT_SENT).then(|| self.now().saturating_sub(sent))?;
        u32::try_from(since).ok()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).expect("a run lasts minutes")
    }
}

fn frames_in(duration: Duration, frame: Duration) -> usize {
    duration.div_duration_f64(frame).ceil() as usize
}

fn frame_bytes(frame: Duration) -> usize {
    (frame.as_secs_f64() * f64::from(SAMPLE_RATE)).round() as usize * 2
}

const SAMPLE_RATE: u32 = 16_000;

/// Streaming goes on for this long after the measurement, which starts a little late.
const TAIL: Duration = Duration::from_secs(2);

const NOT_SENT: u64 = u64::MAX;
