//! The closed vocabularies of a death: what killed a connection, which operation detected it, and
//! who must act. The same words are used in events, metric labels, logs and spans.

use serde::Serialize;

/// What killed a connection: the first cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Deepgram received nothing for its idle timeout (1011, net0001).
    #[serde(rename = "net_0001_idle")]
    Net0001Idle,
    /// Deepgram produced no result within its response timeout (1011, net0000).
    #[serde(rename = "net_0000_no_result")]
    Net0000NoResult,
    /// Deepgram could not decode the audio (1008, data0000).
    #[serde(rename = "data_0000_undecodable")]
    Data0000Undecodable,
    /// Any other 1011.
    ProviderError,
    /// 1001, 1012 or 1013: Deepgram is restarting or overloaded.
    ClosedGoingAway,
    /// 1000 or no code, without being asked to close.
    ClosedEarly,
    /// A close that no other reason covers.
    ClosedOther,
    /// A close whose text mentions credit, key or limit.
    ClosedAccount,
    /// The peer reset the connection.
    ConnectionReset,
    /// We wrote into a connection that the peer had closed.
    BrokenPipe,
    /// The byte stream ended without a close frame.
    EofWithoutClose,
    /// TLS broke.
    TlsFailed,
    /// The peer broke RFC 6455, or sent a message over 4 MiB.
    WsProtocol,
    /// Nothing was received within the ping timeout.
    PingTimeout,
    /// The kernel accepted none of the pending data within the write timeout.
    WriteStalled,
    /// Audio went in, nothing came out, and `liveness.kill_stalled` is on.
    StalledTranscript,
    /// A bug in the sidecar.
    InternalError,
}

/// The operation that detected a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A close frame, an end of stream or an error while reading.
    Read,
    /// Writing audio.
    AudioWrite,
    /// Writing a keepalive.
    KeepaliveWrite,
    /// Writing a Finalize.
    FinalizeWrite,
    /// Writing a text message from the application.
    TextWrite,
    /// Writing CloseStream.
    CloseWrite,
    /// Sending a ping, or waiting for its answer.
    Ping,
    /// One of our deadlines, on progress or results.
    Watchdog,
    /// A bug in the sidecar.
    Fault,
}

/// Who must act on a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Deepgram.
    Provider,
    /// Whoever owns the Deepgram account.
    Account,
    /// Whoever owns the path to Deepgram.
    Network,
    /// Us.
    Sidecar,
}

impl Reason {
    /// Every reason, in declaration order.
    pub const ALL: [Self; 17] = [
        Self::Net0001Idle,
        Self::Net0000NoResult,
        Self::Data0000Undecodable,
        Self::ProviderError,
        Self::ClosedGoingAway,
        Self::ClosedEarly,
        Self::ClosedOther,
        Self::ClosedAccount,
        Self::ConnectionReset,
        Self::BrokenPipe,
        Self::EofWithoutClose,
        Self::TlsFailed,
        Self::WsProtocol,
        Self::PingTimeout,
        Self::WriteStalled,
        Self::StalledTranscript,
        Self::InternalError,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Net0001Idle => "net_0001_idle",
            Self::Net0000NoResult => "net_0000_no_result",
            Self::Data0000Undecodable => "data_0000_undecodable",
            Self::ProviderError => "provider_error",
            Self::ClosedGoingAway => "closed_going_away",
            Self::ClosedEarly => "closed_early",
            Self::ClosedOther => "closed_other",
            Self::ClosedAccount => "closed_account",
            Self::ConnectionReset => "connection_reset",
            Self::BrokenPipe => "broken_pipe",
            Self::EofWithoutClose => "eof_without_close",
            Self::TlsFailed => "tls_failed",
            Self::WsProtocol => "ws_protocol",
            Self::PingTimeout => "ping_timeout",
            Self::WriteStalled => "write_stalled",
            Self::StalledTranscript => "stalled_transcript",
            Self::InternalError => "internal_error",
        }
    }

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
            Self::StalledTranscript | Self::InternalError => Class::Sidecar,
        }
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
            | Self::WsProtocol => &[Trigger::Read],
        }
    }
}

impl Trigger {
    /// Every trigger, in declaration order.
    pub const ALL: [Self; 9] = [
        Self::Read,
        Self::AudioWrite,
        Self::KeepaliveWrite,
        Self::FinalizeWrite,
        Self::TextWrite,
        Self::CloseWrite,
        Self::Ping,
        Self::Watchdog,
        Self::Fault,
    ];

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

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::AudioWrite => "audio_write",
            Self::KeepaliveWrite => "keepalive_write",
            Self::FinalizeWrite => "finalize_write",
            Self::TextWrite => "text_write",
            Self::CloseWrite => "close_write",
            Self::Ping => "ping",
            Self::Watchdog => "watchdog",
            Self::Fault => "fault",
        }
    }
}

impl Class {
    /// Every class, in declaration order.
    pub const ALL: [Self; 4] = [Self::Provider, Self::Account, Self::Network, Self::Sidecar];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Account => "account",
            Self::Network => "network",
            Self::Sidecar => "sidecar",
        }
    }
}

/// One connection's death, as in the `dead` event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn words_on_the_wire_are_the_label_values() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        for trigger in Trigger::ALL {
            assert_eq!(serde_json::to_value(trigger).unwrap(), trigger.as_str());
        }
        for class in Class::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
    }

    /// The metrics library hashes label values without a separator between them.
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
