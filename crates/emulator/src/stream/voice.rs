//! Text to audio: as long as it takes to say it, and loud.
//!
//! Audio is made when it is sent, so that a long text costs no memory and can be given up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::audio::Format;
use crate::position;
use crate::settings::Settings;

/// The form of the audio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Form {
    format: Format,
    is_linear: bool,
    pub(super) speed: f32,
}

impl Form {
    pub(super) fn new(encoding: &str, rate: u32, speed: f32) -> Self {
        let format = Format::new(Some(encoding), Some(rate), 1);
        Self { format, is_linear: encoding == "linear16", speed }
    }

    /// How long this many samples play.
    pub(super) fn duration(self, samples: u64) -> Duration {
        self.format.duration(samples * self.format.sample_bytes() as u64)
    }
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Piece<M> {
    Audio(Bytes),
    /// All that was said before it has been sent.
    Mark(M),
}

/// Says texts one after the other, and tells where marks between them are reached.
#[derive(Debug)]
pub(super) struct Voice<M> {
    form: Form,
    jobs: VecDeque<Job<M>>,
    /// When what was sent has been worked out, at the pace.
    due: Instant,
    latency: Duration,
    /// Seconds that a second of audio takes to send.
    seconds_per_second: f64,
    message: Duration,
    word: Duration,
    /// Whether the audio carries the position code.
    coded: bool,
    /// Samples sent so far.
    sent: u64,
}

#[derive(Debug)]
enum Job<M> {
    /// Samples that are still to be sent, and from when on.
    Audio {
        left: u64,
        from: Instant,
    },
    Mark(M),
}

impl<M> Voice<M> {
    pub(super) fn new(form: Form, settings: &Settings, now: Instant) -> Self {
        Self {
            form,
            jobs: VecDeque::new(),
            due: now,
            latency: settings.speak.latency,
            seconds_per_second: settings.speak.pacing.map_or(0.0, |factor| 1.0 / factor),
            message: settings.speak.message,
            word: Duration::from_secs_f64(1.0 / settings.words_per_second),
            coded: settings.position_code && form.is_linear,
            sent: 0,
        }
    }

    pub(super) fn set_speed(&mut self, speed: f32) {
        self.form.speed = speed;
    }

    /// Says a text; tells how many samples that takes.
    pub(super) fn say(&mut self, now: Instant, text: &str) -> u64 {
        let words = text.split_whitespace().count() as f64;
        let spoken = self.word.mul_f64(words / f64::from(self.form.speed));
        let samples = self.form.format.samples(spoken);
        if samples > 0 {
            self.jobs.push_back(Job::Audio { left: samples, from: now + self.latency });
        }
        samples
    }

    /// Sets a mark behind what was said so far.
    pub(super) fn mark(&mut self, mark: M) {
        self.jobs.push_back(Job::Mark(mark));
    }

    /// Gives up all that was not sent yet, and its marks.
    pub(super) fn give_up(&mut self) {
        self.jobs.clear();
    }

    /// Samples sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Things that wait.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.len()
    }

    /// The next piece that may leave.
    pub(super) fn next(&mut self, now: Instant) -> Option<Piece<M>> {
        self.deadline().filter(|due| *due <= now)?;
        match self.jobs.front_mut()? {
            Job::Audio { left, .. } => {
                let samples = self.form.format.samples(self.message).clamp(1, *left);
                *left -= samples;
                if *left == 0 {
                    self.jobs.pop_front();
                }
                let played = self.form.duration(samples);
                self.due = self.due.max(now) + played.mul_f64(self.seconds_per_second);
                Some(Piece::Audio(self.audio(samples)))
            }
            Job::Mark(_) => match self.jobs.pop_front()? {
                Job::Mark(mark) => Some(Piece::Mark(mark)),
                Job::Audio { .. } => None,
            },
        }
    }

    /// When the next piece may leave; a mark leaves with the audio before it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.jobs.front().map(|job| match job {
            Job::Audio { from, .. } => self.due.max(*from),
            Job::Mark(_) => self.due,
        })
    }

    fn audio(&mut self, samples: u64) -> Bytes {
        let from = self.sent;
        self.sent += samples;
        if self.coded {
            return position::encode(from, samples as usize).into();
        }
        // A tone, the loudest that G.711 has.
        let period: &[u8] =
            if self.form.is_linear { &[0x28, 0x23, 0xd8, 0xdc] } else { &[0x80, 0x00] };
        let length = samples as usize * self.form.format.sample_bytes();
        period.iter().copied().cycle().take(length).collect::<Vec<u8>>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a voice sends, with the milliseconds at which it does.
    fn sent(voice: &mut Voice<char>, began: Instant) -> Vec<(u128, Piece<char>)> {
        let mut pieces = Vec::new();
        while let Some(due) = voice.deadline() {
            let at = (due - began).as_millis();
            pieces.extend(voice.next(due).map(|piece| (at, piece)));
        }
        pieces
    }

    fn voice(encoding: &str, adjust: impl FnOnce(&mut Settings)) -> (Voice<char>, Instant) {
        let mut settings = Settings { words_per_second: 4.0, ..Settings::default() };
        adjust(&mut settings);
        let now = clock::now();
        (Voice::new(Form::new(encoding, 8_000, 1.0), &settings, now), now)
    }

    #[test]
    fn a_text_is_said_at_its_pace_and_marks_come_behind_it() {
        let (mut voice, now) = voice("mulaw", |_| {});
        assert_eq!(voice.say(now, "one two"), 4_000);
        voice.mark('a');
        let pieces = sent(&mut voice, now);
        let at: Vec<u128> = pieces.iter().map(|(at, _)| *at).collect();
        assert_eq!(at, [200, 210, 220, 230, 240, 250], "ten times as fast as it plays");
        for (_, piece) in &pieces[..5] {
            assert!(matches!(piece, Piece::Audio(audio) if audio.len() == 800));
        }
        assert!(matches!(pieces[5].1, Piece::Mark('a')));
    }

    #[test]
    fn what_is_given_up_is_not_sent() {
        let (mut voice, now) = voice("alaw", |settings| settings.speak.pacing = None);
        voice.say(now, "one two three");
        voice.mark('a');
        assert!(voice.next(now + Duration::from_millis(200)).is_some());
        voice.give_up();
        assert_eq!((voice.deadline(), voice.sent()), (None, 800));
    }

    #[test]
    fn coded_audio_carries_on_over_texts() {
        let (mut voice, now) = voice("linear16", |settings| settings.position_code = true);
        voice.say(now, "one");
        voice.say(now, "two");
        let audio = |(_, piece)| match piece {
            Piece::Audio(audio) => audio,
            Piece::Mark(mark) => panic!("no mark was set: {mark}"),
        };
        let audio: Vec<u8> = sent(&mut voice, now).into_iter().flat_map(audio).collect();
        assert_eq!(audio, position::encode(0, 4_000));
    }

    #[test]
    fn speed_shortens_and_silence_takes_no_time() {
        let (mut voice, now) = voice("linear16", |_| {});
        assert_eq!(voice.say(now, " "), 0);
        voice.set_speed(1.25);
        assert_eq!(voice.say(now, "one"), 1_600);
    }
}
