//! What an application says in one session, while it listens.

use std::f64::consts::TAU;
use std::sync::LazyLock;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Profile;
use client::{Client, Error, Incoming, Receiver, Sender};

/// Audio in one frame of a talker.
const FRAME: Duration = Duration::from_millis(100);

/// Of 16 kHz linear16.
const FRAME_BYTES: usize = 3_200;

/// Every sample is 0x2020: loud enough to be taken for speech, by Deepgram. A detector of speech is not
/// fooled.
static LOUD: [u8; 64 << 10] = [0x20; 64 << 10];

/// A second of the tone that a caller hears while it rings: 440 and 480 Hz.
static RINGING: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let sample = |index: u32| {
        let wave = |hertz: f64| (TAU * hertz * f64::from(index) / 16_000.0).sin();
        (8_000.0 * (wave(440.0) + wave(480.0)) / 2.0) as i16
    };
    (0..16_000).flat_map(|index| sample(index).to_le_bytes()).collect()
});

static SILENCE: [u8; FRAME_BYTES] = [0; FRAME_BYTES];

/// How long it rings.
const RINGS_FOR: Duration = Duration::from_secs(60);

/// A detector judges the first sound that it ever hears differently.
const BEFORE_THE_RINGING: Duration = Duration::from_secs(1);

/// What an idler says.
const A_WORD: Duration = Duration::from_millis(600);

/// How long an idler holds its session.
const LONG_SILENCE: Duration = Duration::from_secs(40);

/// One session that is open.
pub(super) struct Conversation {
    sender: Sender,
    receiver: Receiver,
    stop: CancellationToken,
}

/// What has been heard so far.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    /// Results that answer a Finalize.
    finalized: u32,
    /// The connection is dead. Applications notice it when they have spoken their sentence.
    is_dead: bool,
    /// The sidecar is going, or gone.
    is_over: bool,
}

impl Heard {
    fn is_the_end(&self) -> bool {
        self.is_dead || self.is_over
    }
}

impl Conversation {
    pub(super) fn new(client: Client, stop: &CancellationToken) -> Self {
        let (sender, receiver) = client.split();
        Self { sender, receiver, stop: stop.clone() }
    }

    /// Speaks, lets its words be finalized, pauses; several times.
    pub(super) async fn talk(self, profile: &Profile) -> Result<(), Error> {
        self.hold(async |voice| {
            for _ in 0..profile.utterances {
                if voice.has_ended() {
                    break;
                }
                voice.speak(profile.utterance).await?;
                for _ in 0..profile.finalizes {
                    voice.finalize(profile.finalize_wait).await?;
                }
                voice.pause(profile.pause).await;
            }
            Ok(())
        })
        .await
    }

    /// Says a word, and then nothing for long.
    pub(super) async fn idle(self, profile: &Profile) -> Result<(), Error> {
        self.hold(async |voice| {
            voice.speak(A_WORD).await?;
            voice.finalize(profile.finalize_wait).await?;
            voice.pause(LONG_SILENCE).await;
            Ok(())
        })
        .await
    }

    /// Streams a ringing tone.
    pub(super) async fn ring(self) -> Result<(), Error> {
        self.hold(async |voice| {
            voice.stream(BEFORE_THE_RINGING, |_| &SILENCE).await?;
            let rings = RINGING.as_chunks::<FRAME_BYTES>().0;
            voice.stream(RINGS_FOR, |frame| &rings[frame % rings.len()]).await
        })
        .await
    }

    /// Sends this many bytes of audio as fast as they are accepted.
    pub(super) async fn flood(self, bytes: usize) -> Result<(), Error> {
        self.hold(async |voice| {
            for _ in 0..bytes / LOUD.len() {
                if voice.has_ended() {
                    break;
                }
                voice.send(&LOUD).await?;
            }
            Ok(())
        })
        .await
    }

    /// Streams and sends FINISH, while reading to the end.
    async fn hold(
        self,
        say: impl AsyncFnOnce(&mut Voice) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Self { sender, mut receiver, stop } = self;
        let (heard, hears) = watch::channel(Heard::default());
        let mut voice = Voice { sender, hears, stop };
        let saying = async {
            say(&mut voice).await?;
            voice.sender.finish().await
        };
        // A write that fails has its reason on the way to be read.
        let (listened, _) = tokio::join!(listen(&mut receiver, &heard), saying);
        listened
    }
}

async fn listen(receiver: &mut Receiver, heard: &watch::Sender<Heard>) -> Result<(), Error> {
    let over = || heard.send_modify(|heard| heard.is_over = true);
    loop {
        let frame = receiver.next().await.inspect_err(|_| over())?;
        match frame {
            Some(Incoming::Message(message)) => {
                let message: Message = serde_json::from_slice(&message).unwrap_or_default();
                heard.send_modify(|heard| heard.finalized += u32::from(message.from_finalize));
            }
            Some(Incoming::Event(event)) => match event.name() {
                "dead" if event.is_final_death() => heard.send_modify(|heard| heard.is_dead = true),
                "draining" => over(),
                _ => {}
            },
            Some(Incoming::Unknown { .. } | Incoming::Opened(_)) => {}
            Some(Incoming::Finished(_) | Incoming::Error(_)) | None => {
                over();
                return Ok(());
            }
        }
    }
}

/// The one member of a result that matters here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    from_finalize: bool,
}

/// What an application says with. It falls silent when the session is over or the load stops.
struct Voice {
    sender: Sender,
    hears: watch::Receiver<Heard>,
    stop: CancellationToken,
}

impl Voice {
    fn has_ended(&self) -> bool {
        self.stop.is_cancelled() || self.hears.borrow().is_the_end()
    }

    async fn send(&mut self, audio: &[u8]) -> Result<(), Error> {
        self.sender.send_audio(audio).await
    }

    /// Streams speech for this long, in real time.
    async fn speak(&mut self, length: Duration) -> Result<(), Error> {
        self.stream(length, |_| &LOUD[..FRAME_BYTES]).await
    }

    /// Streams these frames for this long, in real time.
    async fn stream(
        &mut self,
        length: Duration,
        frame: impl Fn(usize) -> &'static [u8],
    ) -> Result<(), Error> {
        let mut pace = frames();
        for number in 0..(length.as_millis() / FRAME.as_millis()) as usize {
            pace.tick().await;
            if self.stop.is_cancelled() || self.hears.borrow().is_over {
                return Ok(());
            }
            self.send(frame(number)).await?;
        }
        Ok(())
    }

    /// Sends Finalize and waits for the answer.
    async fn finalize(&mut self, wait: Duration) -> Result<(), Error> {
        if self.has_ended() {
            return Ok(());
        }
        let before = self.hears.borrow().finalized;
        self.sender.finalize(None).await?;
        let answered = self.hears.wait_for(|heard| heard.finalized > before || heard.is_the_end());
        // Deepgram does not guarantee an answer.
        let _ = timeout(wait, answered).await;
        Ok(())
    }

    /// Stays silent for this long.
    async fn pause(&mut self, length: Duration) {
        tokio::select! {
            () = sleep(length) => {}
            () = self.stop.cancelled() => {}
            _ = self.hears.wait_for(Heard::is_the_end) => {}
        }
    }
}

fn frames() -> Interval {
    let mut pace = interval(FRAME);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    pace
}
