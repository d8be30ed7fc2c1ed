//! Sessions in which everything goes wrong that can, side by side on one daemon.

use std::time::Duration;

use client::{Event, Summary, VadMode};
use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{App, Config, Emulator, Sidecar, listen, speech};

/// What an application does with its session.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// Speaks, finalizes, reads the answer and finishes.
    Speak,
    /// Says nothing until three KeepAlives have gone out, then finishes.
    Rest,
    /// Speaks once and waits for the death. Then it speaks and finalizes in vain, and finishes.
    Die,
    /// Speaks until it is told that nothing comes, finalizes in vain, and finishes.
    Stall,
    /// Asks for a stream and is refused.
    BeRefused,
    /// Speaks, finalizes, reads the answer, and goes on; its gate takes all but the beginning for silence.
    Hum,
    /// Speaks and leaves without a word.
    Leave,
    /// Speaks, and is there when shutdown comes.
    Stay,
}

use Part::{BeRefused, Die, Hum, Leave, Rest, Speak, Stall, Stay};

/// The sessions in the order in which they ask for a stream: name, what the emulator does with it,
/// what its application does, and how it ends.
const CAST: [(&str, &str, Part, &str); 16] = [
    ("speaks", "{}", Speak, "finished"),
    ("speaks-too", "{settings: {finalize_latency: 60ms}}", Speak, "finished"),
    ("rests", "{}", Rest, "finished"),
    ("hums", "{}", Hum, "finished"),
    ("net0001", "{settings: {idle_timeout: 300ms}}", Die, "dead"),
    ("net0000", "{settings: {response_timeout: 300ms}}", Die, "dead"),
    ("data0000", "{settings: {undecodable: close}}", Die, "dead"),
    ("reset", "{then: [{after_audio: 100ms, do: reset}]}", Die, "dead"),
    ("reset-too", "{then: [{at: 200ms, do: reset}]}", Die, "dead"),
    ("fin", "{then: [{after_audio: 100ms, do: fin}]}", Die, "dead"),
    ("1011", "{then: [{after_audio: 100ms, do: {close: {code: 1011}}}]}", Die, "dead"),
    ("credit", "{then: [{at: 0s, do: {close: {code: 1008, reason: 'no credit'}}}]}", Die, "dead"),
    ("stalls", "{then: [{at: 0s, do: mute}]}", Stall, "finished"),
    ("refused", "{refuse: {status: 403}}", BeRefused, "connect_failed"),
    ("leaves", "{}", Leave, "aborted"),
    ("stays", "{}", Stay, "drained"),
];

/// How often the whole cast is on stage, side by side.
const TAKES: usize = 4;

/// Sessions that hold the daemon up in its shutdown, so that one can see how the others ended. They
/// come last, so that they send no keepalive before it: their books are never closed.
pub(crate) const HOLDING: usize = 4;

/// What the emulator does with one that holds.
const HOLDS: &str = "{then: [{at: 0s, do: ignore_close_stream}]}";

/// What has become of the sessions. The daemon is in its shutdown, and [`HOLDING`] ones hold it.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) sidecar: Sidecar,
    /// What applications were told at the end.
    pub(crate) summaries: Vec<Summary>,
    /// The line of each session that has ended.
    pub(crate) ends: Vec<Value>,
    _emulator: Emulator,
    _holding: Vec<App>,
}

/// A daemon that sends its spans to a collector, and all sessions opened on it.
#[derive(Debug)]
pub(crate) struct Stage {
    emulator: Emulator,
    sidecar: Sidecar,
    apps: Vec<(String, Part, App)>,
}

impl Stage {
    /// Starts it.
    pub(crate) async fn start(collector: &str) -> Self {
        let mut plans = CAST.map(|(_, plan, ..)| plan).repeat(TAKES);
        plans.extend([HOLDS; HOLDING]);
        let emulator = Emulator::scripted(&plans).await;
        let config = Config::dialing(&emulator)
            .set("keepalive.interval", "9900ms")
            .set("liveness.ping_interval", "1s")
            .set("liveness.stall_after", "400ms")
            .set("session.finalize_timeout", "1s")
            // Those that hold, hold until everything has been looked at.
            .set("session.finish_timeout", "5m")
            .set("drain.timeout", "5m")
            .set("telemetry.otlp.endpoint", collector);
        Self { sidecar: config.start().await, emulator, apps: Vec::new() }
    }

    /// The daemon.
    pub(crate) fn sidecar(&self) -> &Sidecar {
        &self.sidecar
    }

    /// Plays all parts to their end.
    pub(crate) async fn play(mut self) -> Played {
        for take in 0..TAKES {
            self.open(take).await;
        }
        let (late, early): (Vec<_>, Vec<_>) =
            self.apps.into_iter().partition(|(_, part, _)| *part == Stay);
        let early = early.into_iter().map(|(id, part, app)| act(&self.sidecar, id, part, app));
        let mut summaries: Vec<_> = join_all(early).await.into_iter().flatten().collect();
        let holding = hold(&self.sidecar).await;
        self.sidecar.process.signal(Signal::TERM);
        for (_, _, mut app) in late {
            summaries.push(app.finished().await);
        }
        let ends = ends(&self.sidecar).await;
        let (sidecar, emulator) = (self.sidecar, self.emulator);
        Played { sidecar, summaries, ends, _emulator: emulator, _holding: holding }
    }

    /// Opens the sessions of a take, one after the other, so that each meets with its own plan.
    async fn open(&mut self, take: usize) {
        for (name, _, part, _) in CAST {
            let id = format!("{name}-{take}");
            let interval_ms = if part == Rest { 100 } else { 9_900 };
            let mode = if part == Hum { VadMode::Active } else { VadMode::Off };
            let request = listen(&id).keepalive_interval_ms(interval_ms).vad(mode);
            let mut app = App::dial(&self.sidecar, &request.param("interim_results", true)).await;
            if part == BeRefused {
                app.refusal().await;
            } else {
                app.opened().await;
                self.apps.push((id, part, app));
            }
        }
    }
}

async fn hold(sidecar: &Sidecar) -> Vec<App> {
    let mut holding = Vec::new();
    for number in 0..HOLDING {
        let request = listen(&format!("holds-{number}")).param("interim_results", true);
        holding.push(App::open(sidecar, &request).await);
    }
    holding
}

/// The last line of each session but those that hold; each has ended as it should.
async fn ends(sidecar: &Sidecar) -> Vec<Value> {
    let mut ends = Vec::new();
    for take in 0..TAKES {
        for (name, _, _, outcome) in CAST {
            let end = sidecar.session_end(&format!("{name}-{take}")).await;
            assert_eq!(end["outcome"], outcome, "{end}");
            ends.push(end);
        }
    }
    ends
}

/// Plays one part; what the application was told at the end, if it still listened.
async fn act(sidecar: &Sidecar, id: String, part: Part, mut app: App) -> Option<Summary> {
    match part {
        Speak => {
            app.speak(20).await;
            app.sender.finalize(None).await.unwrap();
            app.message().await;
        }
        Hum => {
            app.speak(5).await;
            app.sender.finalize(None).await.unwrap();
            app.message().await;
            // Longer than the hangover.
            app.speak(60).await;
        }
        Rest => {
            let rested = |session: &Value| session["keepalives"].as_u64() >= Some(3);
            sidecar.session_where(&id, rested).await;
        }
        Die => {
            app.speak(1).await;
            app.event("dead").await;
            app.speak(3).await;
            app.sender.finalize(None).await.unwrap();
        }
        Stall => {
            speak_until_stalled(&mut app).await;
            app.sender.finalize(None).await.unwrap();
            let log = sidecar.process.log();
            log.event_where("finalize_timed_out", |line| line["session_id"] == id).await;
        }
        Leave => {
            app.speak(3).await;
            return None;
        }
        BeRefused | Stay => unreachable!("{part:?} is played elsewhere"),
    }
    Some(app.finish().await)
}

/// A stall is one only while audio flows.
async fn speak_until_stalled(App { sender, reader }: &mut App) -> Event {
    let speaking = async {
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        for frame in 0.. {
            pace.tick().await;
            sender.send_audio(&speech(frame)).await.unwrap();
        }
    };
    tokio::select! {
        stalled = reader.event("stalled") => stalled,
        () = speaking => unreachable!("it speaks for ever"),
    }
}
