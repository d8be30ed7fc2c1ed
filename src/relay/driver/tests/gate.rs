//! The VAD gate with the detector that ships, and a real recording.

use std::io::Cursor;

use serde_json::Value;
use vad::{Detector, FRAME_SAMPLES as DETECTOR_SAMPLES};

use super::*;
use client::VadMode;

/// A sentence of three seconds, 16 kHz linear16 in mono.
const RECORDING: &[u8] =
    include_bytes!("../../../../tests/recordings/sense_and_sensibility_01_austen_64kb-0880.wav");

/// A word, and from when to when it was spoken, in seconds of the session.
type Word = (String, f64, f64);

fn sentence() -> Vec<u8> {
    let mut recording = hound::WavReader::new(Cursor::new(RECORDING)).unwrap();
    recording.samples::<i16>().flat_map(|sample| sample.unwrap().to_le_bytes()).collect()
}

/// The sentence three times, with pauses in which the gate closes.
fn sentences() -> Vec<u8> {
    let silence = |seconds: usize| vec![0; seconds * 32_000];
    let (first, second, third) = (sentence(), sentence(), sentence());
    [silence(1), first, silence(12), second, silence(9), third, silence(6)].concat()
}

/// What of a message is final.
fn words(text: &[u8], into: &mut Vec<Word>) {
    let message: Value = serde_json::from_slice(text).unwrap();
    if message["is_final"] != true {
        return;
    }
    for word in message["channel"]["alternatives"][0]["words"].as_array().unwrap() {
        let time = |key: &str| word[key].as_f64().unwrap();
        into.push((word["word"].as_str().unwrap().to_owned(), time("start"), time("end")));
    }
}

/// Sends the audio at its own pace, in frames of so many bytes, and reads until the end.
async fn transcribed(audio: Vec<u8>, mode: VadMode, frame_bytes: usize) -> (Vec<Word>, Summary) {
    let mut rig = Rig::new(&Config::default(), Settings::default(), "connections: []");
    let client = rig.connect();
    let request = OpenRequest::new().audio("linear16", 16_000, 1).vad(mode);
    let (mut sender, mut receiver) = client.split();
    sender.open(&request).await.unwrap();
    let mut speaking = JoinSet::new();
    speaking.spawn(async move {
        for frame in audio.chunks(frame_bytes) {
            sender.send_audio(frame).await.unwrap();
            sleep(Duration::from_secs_f64(frame.len() as f64 / 32_000.0)).await;
        }
        sender.finish().await.unwrap();
        sender
    });
    let mut heard = Vec::new();
    loop {
        match receiver.next().await.unwrap() {
            Some(Incoming::Message(text)) => words(&text, &mut heard),
            Some(Incoming::Finished(summary)) => break (heard, *summary),
            Some(_) => {}
            None => panic!("FINISHED is due"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_application_cannot_tell_that_silence_was_held_back() {
    let (all, ungated) = transcribed(sentences(), VadMode::Off, 640).await;
    assert!(all.len() > 15 && ungated.vad.is_none(), "{all:?}");
    for frame_bytes in [640, 8_000, 999, 100_000] {
        let (words, summary) = transcribed(sentences(), VadMode::Active, frame_bytes).await;
        assert_eq!(words.len(), all.len(), "frames of {frame_bytes} bytes");
        for (word, expected) in words.iter().zip(&all) {
            assert_eq!(word.0, expected.0);
            let is_near = |a: f64, b: f64| (a - b).abs() <= 0.02;
            assert!(
                is_near(word.1, expected.1) && is_near(word.2, expected.2),
                "{word:?} {expected:?}"
            );
        }
        let held = summary.vad.as_ref().unwrap().held_ms;
        // Of 37 s the gate may hold the first, two pauses less a hangover each, and the end, however the
        // audio is cut.
        assert!((14_000..=17_500).contains(&held), "{held}");
        assert_eq!((summary.outcome.as_str(), summary.lost_ms), ("finished", Some(0)));
        assert_eq!((summary.finalizes.errors, summary.finalizes.timeouts), (0, 0));
        assert!(summary.audio.balances());
    }
}

/// A voice that hardly pauses: five sixths of it are spoken.
#[tokio::test(start_paused = true)]
async fn five_minutes_of_speech_have_the_same_words_and_no_finalize_fails() {
    let audio = sentence().repeat(100);
    let (all, _) = transcribed(audio.clone(), VadMode::Off, 3_200).await;
    let (words, summary) = transcribed(audio, VadMode::Active, 3_200).await;
    let texts = |words: &[Word]| words.iter().map(|it| it.0.clone()).collect::<Vec<_>>();
    assert!(all.len() > 500, "{}", all.len());
    assert_eq!(texts(&words), texts(&all));
    assert!(summary.finalizes.sent > 50, "{:?}", summary.finalizes);
    assert_eq!((summary.finalizes.errors, summary.finalizes.timeouts), (0, 0));
    assert_eq!((summary.audio.bytes_gated, summary.lost_ms), (0, Some(0)));
}

/// A detector that fails after a while, in one of the ways in which one can.
struct Failing {
    frames: u32,
    fail: fn() -> f32,
}

impl Detector for Failing {
    fn push(&mut self, _mono16k: &[i16; DETECTOR_SAMPLES]) -> f32 {
        self.frames += 1;
        if self.frames > 100 { (self.fail)() } else { 0.0 }
    }
}

#[tokio::test(start_paused = true)]
async fn a_detector_that_fails_harms_nothing() {
    type Way = fn() -> Box<dyn Detector + Send>;
    let ways: [Way; 2] = [
        || Box::new(Failing { frames: 0, fail: || panic!("a test's detector") }),
        || Box::new(Failing { frames: 0, fail: || f32::NAN }),
    ];
    for detector in ways {
        let script = Script::from_yaml("connections: []").unwrap();
        let settings = Settings { position_code: true, ..Settings::default() };
        let emulator = Emulator::offline(settings, script).unwrap();
        let (ours, theirs) = tokio::io::duplex(256 << 10);
        let dialer = Arc::new(InMemory { emulator });
        let (live, mut driver) = gated_driver(ours, dialer.clone());
        driver.hearing.detector = Some(detector);
        let mut session = JoinSet::new();
        session.spawn(driver.run());
        let mut client = Client::over(theirs);
        client.opened().await.unwrap();
        let at = speak(&mut client, 0, Duration::from_secs(20)).await;
        assert_eq!(live.counters.get(Count::VadFaults), 1);
        let summary = finish(client).await;
        assert_eq!((summary.outcome.as_str(), summary.lost_ms), ("finished", Some(0)));
        assert!(summary.vad.unwrap().failed);
        let unheard = dialer.emulator.observed().positions().never(at);
        let held: u64 = unheard.iter().map(|it| it.end - it.start).sum();
        assert_eq!(
            held * 2,
            summary.audio.bytes_gated,
            "what was held before is all that is missing"
        );
    }
}

fn gated_driver<D: Dial>(
    app: DuplexStream,
    dialer: Arc<D>,
) -> (Arc<LiveSession>, Box<PipeDriver<D>>) {
    let defaults = session_defaults(&Config::default());
    let vad = VadConfig { mode: session::gate::VadMode::Active, ..defaults.vad };
    let audio = AudioFormat::new("linear16", 16_000, 1);
    driver_of(app, dialer, SessionConfig { vad, audio, ..defaults })
}
