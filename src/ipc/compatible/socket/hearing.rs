//! What the application says.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{CompatibleSocket, Reader};
use crate::ipc::compatible::text;
use protocol::websocket::{Breach, Close, Event, Kind};
use session::summary::EndCause;
use session::{AppInput, ErrorCode, Refusal};

impl<S: AsyncRead + AsyncWrite + Unpin> CompatibleSocket<S> {
    /// The next thing that the application has said, out of what has been read.
    pub(super) fn decode(&mut self) -> Option<AppInput> {
        if self.reader != Reader::Open {
            self.inbound.clear();
            return None;
        }
        match self.decoder.decode(&mut self.inbound) {
            Ok(event) => event.map(|event| self.input_of(event)),
            Err(breach) => Some(self.breach(breach)),
        }
    }

    fn input_of(&mut self, event: Event) -> AppInput {
        match event {
            // Deepgram's clients end a stream so.
            Event::Message { kind: Kind::Binary, payload }
                if payload.is_empty() && self.endpoint.traits().transcribes =>
            {
                AppInput::Finish
            }
            Event::Message { kind: Kind::Binary, payload } => AppInput::Audio(payload),
            Event::Message { kind: Kind::Text, payload } => self.text(payload),
            Event::Ping(payload) => {
                self.ping = Some(payload);
                AppInput::Pong
            }
            Event::Pong(_) => AppInput::Pong,
            Event::Close(close) => {
                let cause = cause_of(&close);
                self.reader = Reader::Deaf;
                self.close = Some(close);
                AppInput::Closed(cause)
            }
        }
    }

    fn text(&mut self, text: Bytes) -> AppInput {
        text::read(text, self.endpoint).unwrap_or_else(|refusal| {
            self.farewell.refuse(&refusal);
            self.reader = Reader::Deaf;
            AppInput::Breach(Box::new(refusal))
        })
    }

    fn breach(&mut self, breach: Breach) -> AppInput {
        self.reader = Reader::Deaf;
        let complaint = match breach {
            Breach::LongMessage => format!(
                "message over ipc.max_frame_bytes ({}); send smaller ones or raise it",
                self.decoder.message_bytes_max()
            ),
            _ => breach.to_string(),
        };
        self.farewell.close(breach.close_code(), &complaint);
        let code = match breach.close_code() {
            1009 => ErrorCode::FrameTooLarge,
            _ => ErrorCode::BadFrame,
        };
        AppInput::Breach(Box::new(Refusal::new(code, complaint)))
    }

    /// Looks for Pings behind what the session cannot take yet.
    pub(super) fn read_ahead(&mut self) {
        while !self.ahead.is_full()
            && let Some(input) = self.decode()
        {
            self.ahead.push(input);
        }
    }

    pub(super) fn end_of_input(&mut self) {
        self.reader = Reader::Eof;
        self.inbound = BytesMut::new();
        self.ahead.push(AppInput::Eof);
    }
}

/// What the application means by its close frame.
fn cause_of(close: &Close) -> EndCause {
    match close.code {
        // Its own Ping found no answer, or none that it has read.
        Some(1011) if close.reason.contains("ping timeout") => EndCause::AppStalled,
        Some(1009) => EndCause::AppLimit,
        _ => EndCause::AppLeft,
    }
}
