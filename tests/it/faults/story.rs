//! An application that streams in real time while something breaks, and what it was told.

use std::time::{Duration, Instant};

use client::{Incoming, OpenRequest, Refusal, Sender, Summary};
use serde_json::Value;

use crate::support::{App, Reader, Sidecar, listen, speech};

/// Of 100 ms each.
pub(super) const FRAMES: u64 = 40;

/// The frame before which it breaks.
pub(super) const STRUCK_AT: u64 = 15;

/// Samples a second.
const RATE: f64 = 16_000.0;

/// How far two results' edges may lie apart: times are told in seconds with some decimals.
const ROUNDING: f64 = 0.001;

/// A death, or what else an event told.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) reason: String,
    pub(super) at: Instant,
}

/// What an application read.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) struck: Instant,
    pub(super) frames: u64,
    pub(super) deaths: Vec<Told>,
    /// One for each dial after a death.
    pub(super) redials: Vec<Told>,
    pub(super) recovered: u64,
    /// How long no connection was up, in all.
    pub(super) gap_ms: u64,
    /// From OPEN to OPENED.
    pub(super) opened_in: Duration,
    pub(super) refusal: Option<(Refusal, Instant)>,
    pub(super) summary: Option<Summary>,
    /// When each result came, and where in the session it ends, in seconds.
    pub(super) results: Vec<(Instant, f64)>,
    /// Start and end of each final result, in seconds of the session.
    windows: Vec<[f64; 2]>,
    /// The samples in them, as the position code says.
    samples: Vec<[u64; 2]>,
}

/// Interim results too, as most applications ask for.
pub(super) fn talkative(id: &str) -> OpenRequest {
    listen(id).param("interim_results", true)
}

/// Streams so many frames, strikes on the way, and says FINISH.
pub(super) async fn stream(sidecar: &Sidecar, frames: u64, strike: impl AsyncFnOnce()) -> Story {
    let begun = clock::now();
    let App { sender, mut reader } = App::open(sidecar, &talkative("speaker")).await;
    let opened_in = clock::now().duration_since(begun);
    let (struck, mut story) = tokio::join!(speak(sender, frames, strike), Story::read(&mut reader));
    story.struck = struck;
    story.frames = frames;
    story.opened_in = opened_in;
    story
}

async fn speak(mut sender: Sender, frames: u64, strike: impl AsyncFnOnce()) -> Instant {
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    for frame in 0..STRUCK_AT {
        pace.tick().await;
        sender.send_audio(&speech(frame)).await.unwrap();
    }
    let struck = clock::now();
    strike().await;
    for frame in STRUCK_AT..frames {
        pace.tick().await;
        if sender.send_audio(&speech(frame)).await.is_err() {
            // The session is over, which its last frame tells better.
            return struck;
        }
    }
    let _ = sender.finish().await;
    struck
}

impl Story {
    /// Everything until the end.
    pub(super) async fn read(reader: &mut Reader) -> Self {
        let mut story = Self {
            struck: clock::now(),
            frames: 0,
            deaths: Vec::new(),
            redials: Vec::new(),
            recovered: 0,
            gap_ms: 0,
            opened_in: Duration::ZERO,
            refusal: None,
            summary: None,
            results: Vec::new(),
            windows: Vec::new(),
            samples: Vec::new(),
        };
        while let Some(frame) = reader.next().await {
            story.take(frame);
        }
        story
    }

    fn take(&mut self, frame: Incoming) {
        let at = clock::now();
        match frame {
            Incoming::Event(event) => {
                let reason = event.text("reason").unwrap_or_default().to_owned();
                match event.name() {
                    "dead" => self.deaths.push(Told { reason, at }),
                    "reconnecting" => self.redials.push(Told { reason, at }),
                    "recovered" => {
                        self.recovered += 1;
                        self.gap_ms += event.number("gap_ms").unwrap();
                    }
                    _ => {}
                }
            }
            Incoming::Message(message) => self.take_message(&message),
            Incoming::Error(refusal) => self.refusal = Some((refusal, at)),
            Incoming::Finished(summary) => self.summary = Some(*summary),
            other => panic!("{other:?} came"),
        }
    }

    /// From the fault to the first death.
    pub(super) fn noticed(&self) -> Option<Duration> {
        self.deaths.first().map(|death| death.at.saturating_duration_since(self.struck))
    }

    pub(super) fn summary(&self) -> &Summary {
        self.summary.as_ref().unwrap_or_else(|| panic!("no FINISHED: {self:#?}"))
    }

    fn take_message(&mut self, message: &[u8]) {
        let message: Value = serde_json::from_slice(message).unwrap();
        if message["type"] != "Results" {
            return;
        }
        let [start, duration] = ["start", "duration"].map(|it| message[it].as_f64().unwrap());
        self.results.push((clock::now(), start + duration));
        if message["is_final"] == true {
            self.windows.push([start, start + duration]);
            let runs = serde_json::from_value(message["positions"].clone());
            self.samples.extend::<Vec<[u64; 2]>>(runs.unwrap_or_default());
        }
    }

    /// That every sample is in exactly one final result, whose times are the session's.
    pub(super) fn assert_whole(&self) {
        let seconds = self.samples.iter().map(|run| run.map(|sample| sample as f64 / RATE));
        self.assert_tiled(seconds);
        self.assert_times_whole();
    }

    /// The same by the times of the results alone, for audio without a position code.
    pub(super) fn assert_times_whole(&self) {
        self.assert_tiled(self.windows.iter().copied());
        let summary = self.summary();
        assert_eq!((summary.outcome.as_str(), summary.lost_ms), ("finished", Some(0)), "{self:#?}");
        assert!(summary.audio.balances(), "{summary:?}");
        assert_eq!(summary.recoveries, self.recovered, "{self:#?}");
    }

    /// That the session ended dead, and what is in no final result is counted as lost.
    pub(super) fn assert_the_rest_is_lost(&self) {
        let summary = self.summary();
        let final_s = self.windows.last().map_or(0.0, |window| window[1]);
        let received_ms = summary.audio.bytes_received * 1_000 / (2 * RATE as u64);
        let lost_ms = received_ms - (final_s * 1_000.0).round() as u64;
        assert_eq!((&*summary.outcome, summary.lost_ms), ("dead", Some(lost_ms)), "{self:#?}");
        assert!(summary.audio.balances(), "{summary:?}");
    }

    /// That these follow each other without overlap or hole, from the first frame to the last.
    fn assert_tiled(&self, pieces: impl Iterator<Item = [f64; 2]>) {
        let mut end = 0.0_f64;
        for [from, to] in pieces {
            assert!((from - end).abs() <= ROUNDING, "{from} s follows {end} s: {self:#?}");
            end = to;
        }
        let said = self.frames as f64 / 10.0;
        assert!((said - end).abs() <= ROUNDING, "{end} s of {said} s are final: {self:#?}");
    }
}
