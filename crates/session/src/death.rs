//! The closed vocabularies of a death: what killed a connection, which operation detected it, and
//! who must act. The same words are used in events, metric labels, logs and spans.

use crate::members::{Members, Visitor};

crate::vocabulary! {
    /// What killed a connection: the first cause.
    pub enum Reason: "reason" {
        /// Deepgram received nothing for its idle timeout (1011, net0001).
        Net0001Idle = "net_0001_idle",
        /// Deepgram produced no result within its response timeout (1011, net0000).
        Net0000NoResult = "net_0000_no_result",
        /// Deepgram could not decode the audio (1008, data0000).
        Data0000Undecodable = "data_0000_undecodable",
        /// Any other 1011.
        ProviderError = "provider_error",
        /// 1001, 1012 or 1013: Deepgram is restarting or overloaded.
        ClosedGoingAway = "closed_going_away",
        /// 1000 or no code, without being asked to close.
        ClosedEarly = "closed_early",
        /// A close that no other reason covers.
        ClosedOther = "closed_other",
        /// A close whose text mentions credit, key or limit.
        ClosedAccount = "closed_account",
        /// The peer reset the connection.
        ConnectionReset = "connection_reset",
        /// We wrote into a connection that the peer had closed.
        BrokenPipe = "broken_pipe",
        /// The byte stream ended without a close frame.
        EofWithoutClose = "eof_without_close",
        /// TLS broke.
        TlsFailed = "tls_failed",
        /// The peer broke RFC 6455, or sent a message over 4 MiB.
        WsProtocol = "ws_protocol",
        /// Nothing was received within the ping timeout.
        PingTimeout = "ping_timeout",
        /// The kernel accepted none of the pending data within the write timeout.
        WriteStalled = "write_stalled",
        /// Audio went in, nothing came out, and `liveness.kill_stalled` is on.
        StalledTranscript = "stalled_transcript",
        /// Deepgram received nothing for its idle timeout, because we stood still.
        KeepaliveLate = "keepalive_late",
        /// A bug in the sidecar.
        InternalError = "internal_error",
    }
}

crate::vocabulary! {
    /// The operation that detected a death.
    pub enum Trigger: "trigger" {
        /// A close frame, an end of stream or an error while reading.
        Read = "read",
        /// Writing audio.
        AudioWrite = "audio_write",
        /// Writing a keepalive.
        KeepaliveWrite = "keepalive_write",
        /// Writing a Finalize.
        FinalizeWrite = "finalize_write",
        /// Writing a text message from the application.
        TextWrite = "text_write",
        /// Writing CloseStream.
        CloseWrite = "close_write",
        /// Sending a ping, or waiting for its answer.
        Ping = "ping",
        /// One of our deadlines, on progress or results.
        Watchdog = "watchdog",
        /// A bug in the sidecar.
        Fault = "fault",
    }
}

crate::vocabulary! {
    /// Who must act on a death.
    pub enum Class: "class" {
        /// Deepgram.
        Provider = "provider",
        /// Whoever owns the Deepgram account.
        Account = "account",
        /// Whoever owns the path to Deepgram.
        Network = "network",
        /// Us.
        Sidecar = "sidecar",
    }
}

impl Reason {
    /// Who must act: determined by the reason, so the label adds no series.
    pub fn class(self) -> Class {
        match self {
            Self::Net0001Idle
            | Self::Net0000NoResult
            | Self::Data0000Undecodable
            | Self::ProviderError
            | Self::ClosedGoingAway
            | Self::ClosedEarly
            | Self::ClosedOther => Class::Provider,
            Self::ClosedAccount => Class::Account,
            Self::ConnectionReset
            | Self::BrokenPipe
            | Self::EofWithoutClose
            | Self::TlsFailed
            | Self::WsProtocol
            | Self::PingTimeout
            | Self::WriteStalled => Class::Network,
            Self::StalledTranscript | Self::KeepaliveLate | Self::InternalError => Class::Sidecar,
        }
    }

    /// Whether another connection may do better with the same audio.
    pub fn is_recoverable(self) -> bool {
        self != Self::Data0000Undecodable
    }

    /// The operations that can detect this reason. Metrics exist only for these pairs.
    pub fn triggers(self) -> &'static [Trigger] {
        match self {
            Self::ConnectionReset | Self::BrokenPipe | Self::TlsFailed => &Trigger::ON_THE_WIRE,
            Self::PingTimeout => &[Trigger::Ping],
            Self::WriteStalled => &[Trigger::Watchdog, Trigger::Read],
            Self::StalledTranscript => &[Trigger::Watchdog],
            Self::InternalError => &[Trigger::Fault],
            Self::Net0001Idle
            | Self::Net0000NoResult
            | Self::Data0000Undecodable
            | Self::ProviderError
            | Self::ClosedGoingAway
            | Self::ClosedEarly
            | Self::ClosedOther
            | Self::ClosedAccount
            | Self::EofWithoutClose
            | Self::WsProtocol
            | Self::KeepaliveLate => &[Trigger::Read],
        }
    }
}

impl Trigger {
    /// The operations on the socket itself.
    const ON_THE_WIRE: [Self; 7] = [
        Self::Read,
        Self::AudioWrite,
        Self::KeepaliveWrite,
        Self::FinalizeWrite,
        Self::TextWrite,
        Self::CloseWrite,
        Self::Ping,
    ];
}

/// One connection's death, as in the `dead` event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// The first cause.
    pub reason: Reason,
    /// The operation that detected it.
    pub trigger: Trigger,
    /// Who must act.
    pub class: Class,
    /// Close code and text, or the error; never key, header or query.
    pub detail: String,
    /// Time since the last successful send.
    pub send_age_ms: u64,
    /// Time since the last receive.
    pub receive_age_ms: u64,
    /// Number of the connection within the session, from 1.
    pub connection: u32,
    /// Session time up to which final results were delivered; `None` where the encoding tells no time.
    pub final_ms: Option<u64>,
}

impl Members for Death {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.word(self.reason);
        visitor.word(self.trigger);
        visitor.word(self.class);
        visitor.member("detail", &self.detail);
        visitor.member("send_age_ms", self.send_age_ms);
        visitor.member("receive_age_ms", self.receive_age_ms);
        visitor.member("connection", self.connection);
        visitor.member("final_ms", self.final_ms);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_label_sets_concatenate_alike() {
        let mut seen = HashSet::new();
        for reason in Reason::ALL {
            for trigger in reason.triggers() {
                let labels = [reason.as_str(), trigger.as_str(), reason.class().as_str()].concat();
                assert!(seen.insert(labels), "{reason:?} {trigger:?} collides");
            }
        }
    }
}
