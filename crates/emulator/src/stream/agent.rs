//! `/v1/agent/converse`, the voice agent: Settings first, then audio in both directions.
//!
//! It does not think: it listens for turns and answers each with the same words.

mod text;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;

use super::speech::Word;
use super::turn::{Event, Info, Rules, Thresholds, Turns};
use super::voice::{Piece, Voice};
use super::{Faults, Output, Stream, Terms, TextKind};
use crate::audio::{Format, Meter};
use crate::json::Pen;
use crate::position::Reader;
use crate::query::BadQuery;
use crate::record::End;
use crate::settings::Settings;
use crate::words::Words;
use text::{ClientText, RawSettings, Wanted};

/// Messages and texts that may wait; more stop the reading.
const WAITING_MAX: usize = 4_096;

/// Begins a stream. There are no parameters to read.
pub(super) fn open(_query: &str, terms: Terms) -> Result<Box<dyn Stream>, BadQuery> {
    Ok(Box::new(Agent::new(terms)))
}

/// The state of one stream.
#[derive(Debug)]
struct Agent {
    settings: Arc<Settings>,
    pen: Pen,
    words: Words,
    reader: Option<Reader>,
    /// Ear and mouth, once Settings said what to expect of them.
    talk: Option<Talk>,
    /// Messages that wait for nothing.
    replies: VecDeque<Output>,
    opened: Instant,
    /// When the client's last message came.
    active: Instant,
    warned: bool,
    ended: bool,
    faults: Faults,
}

/// What Settings begin.
#[derive(Debug)]
struct Talk {
    format: Format,
    meter: Meter,
    rules: Rules,
    turns: Turns,
    /// Marks are texts that come with the audio.
    voice: Voice<String>,
}

impl Talk {
    fn new(wanted: &Wanted, settings: &Settings, now: Instant) -> Self {
        let (encoding, rate) = &wanted.input;
        let format = Format::new(Some(encoding), Some(*rate), 1);
        Self {
            format,
            meter: Meter::new(format, false),
            rules: Rules::new(format, Thresholds::default(), settings),
            turns: Turns::default(),
            voice: Voice::new(wanted.output, settings, now),
        }
    }

    fn hear(&mut self, audio: &[u8]) -> Vec<Info> {
        let mut infos = Vec::new();
        let Self { meter, rules, turns, .. } = self;
        meter.feed(audio, |samples, levels| {
            turns.hear(rules, samples, levels[0], &mut |info| infos.push(info));
        });
        infos
    }
}

impl Agent {
    fn new(terms: Terms) -> Self {
        let Terms { settings, request_id, now } = terms;
        let pen = Pen::new(settings.field_noise, &[]);
        let welcome = pen.write(&Message::Welcome { request_id: &request_id });
        Self {
            pen,
            words: Words::new(&settings.words),
            reader: settings.position_code.then(Reader::default),
            talk: None,
            replies: VecDeque::from([Output::Text(welcome)]),
            opened: now,
            active: now,
            warned: false,
            ended: false,
            faults: Faults::default(),
            settings,
        }
    }

    fn begin(&mut self, now: Instant, raw: &RawSettings) {
        if self.talk.is_some() {
            let description = "Settings have already been applied.";
            return self.fail("SETTINGS_ALREADY_APPLIED", description, End::BadMessage);
        }
        match raw.wanted() {
            Ok(wanted) => {
                self.talk = Some(Talk::new(&wanted, &self.settings, now));
                self.reply(&Message::SettingsApplied);
            }
            Err(description) => self.fail("INVALID_SETTINGS", &description, End::BadMessage),
        }
    }

    fn handle(&mut self, now: Instant, read: ClientText) {
        match read {
            ClientText::Settings(raw) => self.begin(now, &raw),
            _ if self.talk.is_none() => {
                let description = "The first message must be Settings.";
                let code = "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS";
                self.fail(code, description, End::BadMessage);
            }
            ClientText::KeepAlive => {}
            ClientText::InjectAgentMessage { message } => self.say(now, &message),
            ClientText::UpdatePrompt => self.reply(&Message::PromptUpdated),
            ClientText::UpdateSpeak => self.reply(&Message::SpeakUpdated),
        }
    }

    fn hear(&mut self, now: Instant, audio: &[u8]) {
        let Some(talk) = &mut self.talk else {
            if self.settings.agent.early_audio_refused {
                let description = "The first message must be Settings.";
                let code = "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS";
                self.fail(code, description, End::BadMessage);
            }
            return;
        };
        if let Some(reader) = &mut self.reader {
            reader.feed(audio);
        }
        for info in talk.hear(audio) {
            match info.event {
                Event::StartOfTurn => self.listen(),
                Event::EndOfTurn(_) => self.answer(now, &info),
                Event::Update | Event::EagerEndOfTurn | Event::TurnResumed => {}
            }
        }
    }

    /// Falls silent, since the user speaks.
    fn listen(&mut self) {
        if let Some(talk) = &mut self.talk {
            talk.voice.give_up();
        }
        let text = self.pen.write(&Message::UserStartedSpeaking);
        self.replies.push_back(Output::Transcript { text, settles: None });
    }

    fn answer(&mut self, now: Instant, info: &Info) {
        let spoken = |word: &Word| self.words.get(word.place).punctuated.as_str();
        let content = info.words.iter().map(spoken).collect::<Vec<_>>().join(" ");
        let message = Message::ConversationText { role: "user", content: &content };
        let text = self.pen.write(&message);
        self.replies.push_back(Output::Transcript { text, settles: Some(info.end) });
        let settings = Arc::clone(&self.settings);
        self.say(now, &settings.agent.reply);
    }

    fn say(&mut self, now: Instant, content: &str) {
        let Some(talk) = &mut self.talk else { return };
        let message = Message::ConversationText { role: "assistant", content };
        talk.voice.mark(self.pen.write(&message));
        talk.voice.say(now, content);
        talk.voice.mark(self.pen.write(&Message::AgentAudioDone));
    }

    fn reply(&mut self, message: &Message<'_>) {
        self.replies.push_back(Output::Text(self.pen.write(message)));
    }

    fn fail(&mut self, code: &str, description: &str, end: End) {
        self.ended = true;
        if let Some(talk) = &mut self.talk {
            talk.voice.give_up();
        }
        self.reply(&Message::Error { description, code });
        self.replies.push_back(Output::Close { code: None, reason: String::new(), end });
    }

    fn take_piece(&mut self, now: Instant) -> Option<Output> {
        let voice = &mut self.talk.as_mut()?.voice;
        loop {
            match voice.next(now)? {
                _ if self.faults.muted => {}
                Piece::Audio(audio) => return Some(Output::Audio(audio)),
                Piece::Mark(text) => return Some(Output::Text(text)),
            }
        }
    }

    /// When the stream is so old; never where that is zero.
    fn at_age(&self, age: Duration) -> Option<Instant> {
        (!age.is_zero() && !self.ended).then(|| self.opened + age)
    }

    fn warning_due(&self) -> Option<Instant> {
        self.at_age(self.settings.agent.warning_after).filter(|_| !self.warned)
    }

    fn idle_due(&self) -> Option<Instant> {
        let longest = self.settings.agent.idle_timeout;
        let runs = !longest.is_zero() && !self.ended && self.wants_input();
        runs.then(|| self.active + longest)
    }
}

impl Stream for Agent {
    fn format(&self) -> Format {
        self.talk.as_ref().map_or_else(|| Format::new(None, None, 1), |talk| talk.format)
    }

    fn handle_binary(&mut self, now: Instant, audio: Bytes) -> bool {
        if !self.ended {
            self.active = now;
            self.hear(now, &audio);
        }
        false
    }

    fn handle_text(&mut self, now: Instant, text: &str) -> TextKind {
        let read: Result<ClientText, _> = serde_json::from_str(text);
        let kind = match &read {
            Ok(ClientText::KeepAlive) => TextKind::KeepAlive,
            _ => TextKind::Other,
        };
        if self.ended {
            return kind;
        }
        self.active = now;
        match read {
            Ok(read) => self.handle(now, read),
            Err(_) => {
                let description = "Text message received from client did not match any of the \
                    formats we expect.";
                self.fail("UNPARSABLE_CLIENT_MESSAGE", description, End::BadMessage);
            }
        }
        kind
    }

    fn handle_ping(&mut self, now: Instant) {
        if self.settings.agent.ping_resets_idle {
            self.active = now;
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if is_due(self.warning_due()) {
            self.warned = true;
            self.reply(&Message::Warning {
                description: "The session will soon reach its maximum length.",
                code: "MAXIMUM_SESSION_LENGTH_APPROACHING",
            });
        }
        if is_due(self.at_age(self.settings.agent.session_max)) {
            let description = "The session has reached its maximum length.";
            self.fail("MAXIMUM_SESSION_LENGTH_REACHED", description, End::SessionMax);
        } else if is_due(self.idle_due()) {
            let description = "No message came from the client in time.";
            self.fail("CLIENT_MESSAGE_TIMEOUT", description, End::IdleTimeout);
        }
    }

    fn poll_output(&mut self, now: Instant) -> Option<Output> {
        while let Some(reply) = self.replies.pop_front() {
            match (&reply, &mut self.reader) {
                (Output::Transcript { settles, .. }, reader) if self.faults.muted => {
                    if let (Some(end), Some(reader)) = (settles, reader) {
                        reader.settle(*end, |_| {});
                    }
                }
                _ => return Some(reply),
            }
        }
        self.take_piece(now)
    }

    fn next_deadline(&self) -> Option<Instant> {
        let session = self.at_age(self.settings.agent.session_max);
        let voice = self.talk.as_ref().and_then(|talk| talk.voice.deadline());
        [self.warning_due(), session, self.idle_due(), voice].into_iter().flatten().min()
    }

    fn wants_input(&self) -> bool {
        let spoken = self.talk.as_ref().map_or(0, |talk| talk.voice.waiting());
        self.replies.len() + spoken < WAITING_MAX
    }

    fn reader(&mut self) -> Option<&mut Reader> {
        self.reader.as_mut()
    }

    fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Message<'a> {
    Welcome { request_id: &'a str },
    SettingsApplied,
    UserStartedSpeaking,
    ConversationText { role: &'static str, content: &'a str },
    AgentAudioDone,
    PromptUpdated,
    SpeakUpdated,
    Warning { description: &'a str, code: &'a str },
    Error { description: &'a str, code: &'a str },
}

#[cfg(test)]
mod tests;
