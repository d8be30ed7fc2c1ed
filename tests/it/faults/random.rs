//! Fifty deaths at moments that nobody has chosen.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::{App, Emulator, speech};

use super::row::{deepgram, reconnecting};
use super::story::{Story, talkative};

/// So many Deepgrams side by side, each struck so often, with so many sessions.
const DEEPGRAMS: u64 = 5;
const STRIKES: u64 = 12;
const SESSIONS: u64 = 2;

/// Between two strikes, in milliseconds: before another connection is up, while it gets what it
/// missed, and in the middle of speech.
const PAUSES: std::ops::Range<u64> = 50..2_500;

/// SplitMix64: the same moments for the same seed.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn pause(&mut self) -> Duration {
        Duration::from_millis(PAUSES.start + self.next() % (PAUSES.end - PAUSES.start))
    }
}

/// Streams until it is told to finish.
async fn stream(socket: PathBuf, number: u64, over: watch::Receiver<bool>) -> Story {
    let mut app = App::connect_to(&socket).await;
    app.sender.open(&talkative(&format!("app-{number}"))).await.unwrap();
    app.opened().await;
    let App { mut sender, mut reader } = app;
    let speaking = async {
        let mut pace = tokio::time::interval(Duration::from_millis(100));
        let mut frames = 0;
        while !*over.borrow() {
            pace.tick().await;
            // Refused only where the session is over, which its last frame tells better.
            let _ = sender.send_audio(&speech(frames)).await;
            frames += 1;
        }
        let _ = sender.finish().await;
        frames
    };
    let (mut story, frames) = tokio::join!(Story::read(&mut reader), speaking);
    story.frames = frames;
    story
}

/// One Deepgram that is struck again and again; the deaths that its sessions saw.
async fn endure(seed: u64, number: u64) -> usize {
    let mut chance = Chance(seed);
    let mut emulator =
        Emulator::listening_at(&format!("127.7.1.{}:0", number + 1), deepgram(), &[]).await;
    let config = reconnecting(&emulator).set("recovery.max_reconnects", 1_000);
    let sidecar = config.start().await;
    let (end, over) = watch::channel(false);
    let mut stories = JoinSet::new();
    for number in 0..SESSIONS {
        stories.spawn(stream(sidecar.socket().to_owned(), number, over.clone()));
    }
    for _ in 0..STRIKES {
        tokio::time::sleep(chance.pause()).await;
        if chance.next().is_multiple_of(2) {
            emulator = emulator.kill().await.revive().await;
        } else {
            emulator.change("now: [reset]").await;
        }
    }
    end.send_replace(true);
    let stories = stories.join_all().await;
    stories.iter().for_each(Story::assert_whole);
    stories.iter().map(|story| story.deaths.len()).sum()
}

#[tokio::test]
async fn fifty_kills_at_random_moments_cost_no_sample() {
    let seed = match std::env::var("FAULTS_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => uuid::Uuid::new_v4().as_u64_pair().0,
    };
    // The test shows it where it fails.
    println!("FAULTS_SEED={seed}");
    let mut enduring = JoinSet::new();
    (0..DEEPGRAMS).for_each(|number| {
        enduring.spawn(endure(seed.wrapping_add(number), number));
    });
    let deaths: usize = enduring.join_all().await.into_iter().sum();
    println!("{} strikes, {deaths} deaths", DEEPGRAMS * STRIKES);
    // Some strikes find a session without a connection. Usually there are twice as many deaths.
    assert!(deaths >= 50, "{deaths}");
}
