//! A stream, its clock, and all that it said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;

use super::{Output, Stream, Terms};
use crate::query::BadQuery;
use crate::record::End;
use crate::settings::Settings;

type Open = fn(&str, Terms) -> Result<Box<dyn Stream>, BadQuery>;

pub(super) struct Bench {
    pub(super) stream: Box<dyn Stream>,
    opened: Instant,
    now: Instant,
    /// What it said, with the milliseconds at which it did.
    pub(super) said: Vec<(u64, Said)>,
    /// When, with what code and reason, and why it ended.
    pub(super) closed: Option<(u64, Option<u16>, String, End)>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Said {
    Text(Value),
    Audio(Bytes),
}

impl Bench {
    pub(super) fn new(open: Open, query: &str, adjust: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        adjust(&mut settings);
        let now = clock::now();
        let terms = Terms { settings: Arc::new(settings), request_id: "the-id".into(), now };
        let stream = open(query, terms).unwrap();
        let mut bench = Self { stream, opened: now, now, said: Vec::new(), closed: None };
        bench.collect();
        bench
    }

    /// What a query is refused with.
    pub(super) fn refusal(open: Open, query: &str) -> BadQuery {
        let settings = Arc::new(Settings::default());
        open(query, Terms { settings, request_id: "the-id".into(), now: clock::now() }).unwrap_err()
    }

    /// Lets time pass, stopping wherever the stream asks for it.
    pub(super) fn wait(&mut self, ms: u64) -> &mut Self {
        let until = self.now + Duration::from_millis(ms);
        while let Some(due) = self.stream.next_deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.stream.handle_timeout(self.now);
            self.collect();
        }
        self.now = until;
        self.collect();
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.stream.handle_text(self.now, text);
        self.collect();
        self
    }

    pub(super) fn binary(&mut self, audio: &[u8]) -> &mut Self {
        self.stream.handle_binary(self.now, Bytes::copy_from_slice(audio));
        self.collect();
        self
    }

    pub(super) fn ping(&mut self) -> &mut Self {
        self.stream.handle_ping(self.now);
        self
    }

    pub(super) fn pong(&mut self) -> &mut Self {
        self.stream.handle_pong(self.now);
        self
    }

    pub(super) fn texts(&self) -> Vec<&Value> {
        let texts = self.said.iter().filter_map(|(_, said)| match said {
            Said::Text(text) => Some(text),
            Said::Audio(_) => None,
        });
        texts.collect()
    }

    /// The last text.
    pub(super) fn last(&self) -> &Value {
        self.texts().pop().unwrap()
    }

    pub(super) fn audio_bytes(&self) -> usize {
        let length = |(_, said): &(u64, Said)| match said {
            Said::Text(_) => 0,
            Said::Audio(audio) => audio.len(),
        };
        self.said.iter().map(length).sum()
    }

    fn collect(&mut self) {
        while let Some(output) = self.stream.poll_output(self.now) {
            let at = (self.now - self.opened).as_millis() as u64;
            match output {
                Output::Transcript { text, .. } | Output::Text(text) => {
                    self.said.push((at, Said::Text(serde_json::from_str(&text).unwrap())));
                }
                Output::Audio(audio) => self.said.push((at, Said::Audio(audio))),
                Output::Close { code, reason, end } => {
                    self.closed = Some((at, code, reason, end));
                }
            }
        }
    }
}
