//! The application: what it says, and what it is told.

use super::plan::End;
use super::stage::Stage;
use super::*;
use crate::AppFrame;
use crate::gate::Heard;

impl Stage {
    pub(super) fn application(&mut self) {
        let elapsed = (self.now - self.start).min(AUDIO);
        self.enroll(elapsed);
        let due = self.format.bytes(elapsed) as usize / SAMPLE_BYTES;
        let frame = self.format.bytes(self.plan.frame) as usize / SAMPLE_BYTES;
        while self.spoken + frame <= due || (elapsed == AUDIO && self.spoken < due) {
            let to = (self.spoken + frame).min(due);
            self.cut(samples(self.spoken..to), to == due && elapsed == AUDIO);
            self.spoken = to;
        }
        while !self.finished
            && self.session.wants_app_input()
            && let Some(audio) = self.to_send.pop_front()
        {
            self.set_mode();
            self.audio(audio);
            if self.plan.random.below(40) == 0 {
                self.app(AppInput::Finalize { channel: None });
            }
        }
        self.end(elapsed);
    }

    /// A frame ends anywhere, in a sample as well; but for sessions with a gate, where each is judged.
    fn cut(&mut self, audio: Bytes, is_last: bool) {
        let is_odd = self.plan.turns.is_empty() && !is_last;
        let left = if is_odd { self.plan.random.below(SAMPLE_BYTES as u64) as usize } else { 0 };
        let mut frame = std::mem::take(&mut self.begun);
        frame.extend_from_slice(&audio);
        self.begun = frame.split_off(frame.len() - left);
        self.to_send.push_back(frame.into());
    }

    /// The prelude, as soon as the application can.
    fn enroll(&mut self, elapsed: Duration) {
        let Some(prelude) = &self.plan.prelude else { return };
        let samples_of = |time| self.format.bytes(time) as usize / SAMPLE_BYTES;
        let (all, piece) = (samples_of(prelude.length), samples_of(prelude.piece));
        let is_ended = prelude.is_ended;
        if self.finished || self.enrolled == all + 1 || elapsed < prelude.piece {
            return;
        }
        let to = (self.enrolled + piece).min(all);
        let audio = Bytes::from(vec![0xee; (to - self.enrolled) * SAMPLE_BYTES]);
        self.enrolled = to;
        if !audio.is_empty() {
            self.app(AppInput::Prelude(audio));
        }
        if to == all {
            self.enrolled += 1;
            if is_ended {
                self.app(AppInput::Prelude(Bytes::new()));
            }
        }
    }

    fn end(&mut self, elapsed: Duration) {
        if self.session.wants_emptied() {
            self.app(AppInput::Emptied);
        }
        let is_spoken = elapsed < AUDIO || self.to_send.is_empty();
        if self.finished || elapsed < self.plan.end.at() || !is_spoken {
            return;
        }
        match self.plan.end {
            End::Finish(_) if !self.session.wants_app_input() => return,
            End::Finish(_) => self.app(AppInput::Finish),
            End::Leave(_) => self.app(AppInput::Eof),
            End::Drain(_) => {
                let (linger_until, deadline) = (self.now, self.now + secs(20));
                self.session.handle_drain(self.now, DrainTimes { linger_until, deadline });
                self.perform();
            }
        }
        self.finished = true;
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
        let at = self.format.duration(self.handed_bytes);
        self.handed_bytes += audio.len() as u64;
        let is_speech = self.plan.is_speech(at);
        if self.session.wants_hearing() {
            let heard = if is_speech { Heard::Speech { since: 0 } } else { Heard::Silence };
            self.session.handle_heard(self.now, audio, heard, true);
            self.perform();
        } else {
            self.app(AppInput::Audio(audio));
        }
    }

    pub(super) fn deliver(&mut self, frame: AppFrame) {
        self.session.handle_app(self.now, AppInput::WriteDrained);
        let AppFrame::Message { text, times } = frame else { return };
        let text = std::str::from_utf8(&text).unwrap();
        assert!(!text.contains("lead"), "it is of the prelude alone");
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
            // Two connections may speak at a time.
            let is_in_order =
                told.start >= self.final_ends[*channel] || self.plan.prelude.is_some();
            assert!(is_in_order || told.is_empty(), "times go backwards");
            self.final_ends[*channel] = told.end.max(self.final_ends[*channel]);
            told.for_each(|sample| heard[sample] += 1);
        }
    }
}

fn samples(range: std::ops::Range<usize>) -> Bytes {
    range.flat_map(|sample| (sample as u32).to_le_bytes()).collect::<Vec<u8>>().into()
}

pub(super) fn sample_at(audio: &[u8], at: usize) -> usize {
    u32::from_le_bytes(audio[at..at + SAMPLE_BYTES].try_into().unwrap()) as usize
}
