//! What is counted of each session, in one list.
//!
//! The machine's snapshot, the live session's counters, the admin pages' JSON and what the
//! commands read of it all follow from it: each is an array in the list's order.

use std::ops::{Index, IndexMut};

/// How a count moves. The list is in the order of the kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows; the machine counts it where it happens: `counts[Count::Pings] += 1`.
    Counted,
    /// It only grows, and is read from somebody's books whenever a snapshot is taken.
    Total,
    /// How much there is now.
    Level,
    /// When something last was, in milliseconds since OPEN; 0 for never.
    Moment,
}

/// Each line: the count, and the member that it is in the JSON of a session, where it is in it. What
/// FINISHED has too has its name and meaning.
macro_rules! counts {
    ($($kind:ident { $($(#[$doc:meta])* $count:ident = $member:expr,)* })*) => {
        /// One count of a session.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Count { $($($(#[$doc])* $count,)*)* }

        const KINDS: &[Kind] = &[$($({ let _ = Count::$count; Kind::$kind },)*)*];
        const MEMBERS: &[Option<&str>] = &[$($($member,)*)*];

        impl Count {
            /// Every count, in the list's order.
            pub const ALL: [Self; KINDS.len()] = [$($(Self::$count,)*)*];
        }
    };
}

counts! {
    Counted {
        /// KeepAlives written.
        Keepalives = Some("keepalives"),
        /// KeepAlives of the application's own, which go no further.
        AppKeepalives = Some("app_keepalives"),
        /// AUDIO frames written.
        FramesSent = None,
        /// Text messages from the application, written.
        TextsSent = None,
        /// CloseStreams written.
        CloseStreamsSent = None,
        /// Pings written.
        PingsSent = None,
        /// Finalizes that were asked for.
        FinalizesRequested = Some("finalizes.requested"),
        /// Finalizes written.
        FinalizesSent = Some("finalizes.sent"),
        /// Finalizes that could not be written on a live connection.
        FinalizeErrors = Some("finalizes.errors"),
        /// Finalizes without an answer within `session.finalize_timeout`.
        FinalizeTimeouts = Some("finalizes.timeouts"),
        /// Finalizes that were queued, or asked for, after a death.
        FinalizesSkippedDead = Some("finalizes.skipped_dead"),
        /// Deaths that were recovered from.
        Recoveries = Some("recoveries"),
        /// How often the VAD gate opened.
        VadOpens = Some("vad.opens"),
        /// Finalizes that it asked for, among those requested.
        VadFinalizes = Some("vad.finalizes"),
        /// Failures of its detector: 0 or 1.
        VadFaults = None,
        /// Text messages from Deepgram.
        Messages = Some("messages.received"),
        /// Final results among them.
        Finals = Some("messages.finals"),
        /// Binary messages from Deepgram, and their bytes, where it speaks.
        BinaryMessages = Some("messages.binary"),
        BinaryBytes = None,
    }
    Total {
        /// Connections that were up.
        Connections = Some("connections"),
        /// AUDIO frames read.
        Frames = Some("audio.frames"),
        /// Their bytes.
        BytesReceived = Some("audio.bytes_received"),
        /// Bytes of audio written to Deepgram.
        BytesSent = Some("audio.bytes_sent"),
        /// Bytes of audio never sent.
        BytesDropped = Some("audio.bytes_dropped"),
        /// Bytes of audio that the VAD gate held back for good.
        BytesGated = Some("audio.bytes_gated"),
        /// Bytes of audio that it would have, in shadow.
        BytesWouldGate = None,
        /// Bytes of audio that it judged: in silence, in speech, in the hangover.
        VadSilenceBytes = None,
        VadSpeechBytes = None,
        VadHangoverBytes = None,
        /// Bytes of PRELUDE frames.
        PreludeBytes = None,
        /// Bytes of audio that are final.
        BytesFinalized = None,
        /// Bytes of audio that never became final.
        BytesLost = None,
        /// Bytes of audio of which nothing tells whether they became final.
        BytesUnknown = None,
        /// Bytes on the wire to Deepgram, over all connections; the driver knows.
        WireBytesSent = None,
        /// Bytes on the wire from Deepgram, over all connections; the driver knows.
        WireBytesReceived = None,
    }
    Level {
        /// Finalizes that have no outcome yet.
        FinalizesInFlight = Some("finalizes.in_flight"),
        /// Bytes waiting to be sent to Deepgram.
        UpstreamQueueBytes = Some("queue_bytes.to_upstream"),
        /// Bytes of audio that recovery keeps until they are final.
        RingBytes = Some("queue_bytes.ring"),
        /// Bytes of audio that passed since the VAD gate opened; 0 while it is closed.
        VadOpenBytes = None,
        /// Bytes of audio that it judged without ever opening; 0 once it has.
        VadUnopenedBytes = None,
        /// Bytes waiting to be read by the application; the driver knows.
        AppQueueBytes = Some("queue_bytes.to_app"),
        /// Bytes of audio sent on the live connection, or waiting for it, our own silence included; 0
        /// without one.
        CursorBytes = None,
        /// Up to where that audio has results, in milliseconds.
        ResultEndMs = None,
    }
    Moment {
        /// The last successful send on the live connection.
        LastSendMs = None,
        /// The last receive on the live connection.
        LastReceiveMs = None,
        /// When the application's own messages were last written on the live connection.
        ActiveMs = None,
        /// The oldest ping on the live connection that has no pong; 0 if all have.
        PingPendingMs = None,
        /// Since when the kernel has refused what waits for the live connection; 0 if it does not.
        WriteBlockedMs = None,
    }
}

impl Count {
    /// How it moves.
    pub fn kind(self) -> Kind {
        KINDS[self as usize]
    }

    /// What it is called in the JSON of a session, if it is there: a member, or an object and its
    /// member with a dot between them.
    pub fn member(self) -> Option<&'static str> {
        MEMBERS[self as usize]
    }

    /// How many stand in the list before the first of a kind.
    pub const fn before(kind: Kind) -> usize {
        let mut count = 0;
        while (KINDS[count] as u8) < kind as u8 {
            count += 1;
        }
        count
    }
}

/// A value for each count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts([u64; Count::ALL.len()]);

impl Counts {
    /// In the list's order.
    pub fn values(&self) -> &[u64; Count::ALL.len()] {
        &self.0
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self([0; Count::ALL.len()])
    }
}

impl Index<Count> for Counts {
    type Output = u64;

    fn index(&self, count: Count) -> &u64 {
        &self.0[count as usize]
    }
}

impl IndexMut<Count> for Counts {
    fn index_mut(&mut self, count: Count) -> &mut u64 {
        &mut self.0[count as usize]
    }
}

/// Those that the machine counts itself: the list's first. It keeps no room for the others.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted([u64; Count::before(Kind::Total)]);

impl Counted {
    /// The same among all, with the others at zero.
    pub(crate) fn to_counts(self) -> Counts {
        let mut counts = Counts::default();
        counts.0[..self.0.len()].copy_from_slice(&self.0);
        counts
    }
}

/// Panics at a count of another kind, which any test of it shows.
impl Index<Count> for Counted {
    type Output = u64;

    fn index(&self, count: Count) -> &u64 {
        &self.0[count as usize]
    }
}

impl IndexMut<Count> for Counted {
    fn index_mut(&mut self, count: Count) -> &mut u64 {
        &mut self.0[count as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_kinds() {
        assert!(Count::ALL.map(|count| count.kind() as u8).is_sorted());
    }

    #[test]
    fn no_two_counts_are_one_member() {
        let members = Count::ALL.into_iter().filter_map(Count::member);
        let mut seen = HashSet::new();
        members.for_each(|member| assert!(seen.insert(member), "{member}"));
    }
}
