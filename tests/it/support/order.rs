//! The contract's order of frames, which every test's application watches over.

use client::{Event, Incoming};

/// What has come so far, as far as it forbids what may come next.
#[derive(Debug, Default)]
pub(super) struct Order {
    opened: bool,
    refused: bool,
    finished: bool,
    /// Its connection died and no other has answered since.
    dead: bool,
    /// Another is being tried, and may say hello before it has heard anything.
    reconnecting: bool,
    /// A prelude has a connection of its own, so that one may die and the other go on.
    pub(super) has_two: bool,
    /// Connections that died.
    deaths: Vec<u64>,
    at_ms: u64,
}

impl Order {
    /// Takes the next frame, or the end.
    pub(super) fn check(&mut self, frame: Option<&Incoming>) {
        assert!(!self.finished || frame.is_none(), "{frame:?} came after FINISHED");
        let may_follow_error = matches!(frame, None | Some(Incoming::Finished(_)));
        assert!(!self.refused || may_follow_error, "{frame:?} came after ERROR");
        match frame {
            Some(Incoming::Opened(_)) => {
                assert!(!self.opened, "OPENED came twice");
                self.opened = true;
            }
            Some(Incoming::Message(message)) => {
                assert!(self.opened, "a message came before OPENED");
                let is_hello = self.reconnecting && !shows_that_deepgram_hears(message);
                assert!(!self.dead || is_hello, "a message came from a dead connection");
            }
            Some(Incoming::Event(event)) => self.check_event(event),
            Some(Incoming::Error(_)) => self.refused = true,
            Some(Incoming::Finished(_)) => {
                assert!(self.opened, "FINISHED came and never OPENED");
                self.finished = true;
            }
            Some(Incoming::Unknown { kind, .. }) => panic!("no frame has the type {kind:#04x}"),
            None => assert!(self.finished || !self.opened, "the end came before FINISHED"),
        }
    }

    fn check_event(&mut self, event: &Event) {
        assert!(event.at_ms() >= self.at_ms, "{event:?} goes back in time");
        self.at_ms = event.at_ms();
        match event.name() {
            "dead" => {
                let connection = event.number("connection").unwrap();
                assert!(!self.deaths.contains(&connection), "a connection died twice");
                self.deaths.push(connection);
                self.dead = !std::mem::take(&mut self.has_two);
            }
            "prelude_done" => self.has_two = false,
            "reconnecting" => {
                assert!(self.dead, "it reconnects although nothing died");
                self.reconnecting = true;
            }
            "resumed" | "recovered" => (self.dead, self.reconnecting) = (false, false),
            "draining" | "stalled" | "audio_dropped" | "parked" => {}
            name => panic!("no event of this version is called {name}"),
        }
    }
}

fn shows_that_deepgram_hears(message: &[u8]) -> bool {
    let message: serde_json::Value = serde_json::from_slice(message).unwrap_or_default();
    ["Results", "TurnInfo", "SpeechStarted", "UtteranceEnd"].iter().any(|it| message["type"] == *it)
}
