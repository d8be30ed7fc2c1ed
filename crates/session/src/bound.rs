//! Upper bounds on what one session may hold.

use std::time::Duration;

/// How long one connection may wait before its attempts, behind other sessions' dials and because
/// Deepgram asked for it with `Retry-After`, all attempts together (contract, section 7).
pub const DIAL_WAIT_MAX: Duration = Duration::from_secs(60);

/// How long a session must have sent nothing of its application's before its connection may be given to
/// another. Deepgram itself loses patience then, so it costs no more than a pause that it ends.
pub const SHED_IDLE_MIN: Duration = Duration::from_secs(10);

/// Bytes of everything that an application sends while no connection is up (contract, section 2).
/// The frame that reaches the limit is also kept.
pub const BACKLOG_BYTES_MAX: u64 = 1 << 20;

/// Bytes of audio that one session's recovery may keep, whatever `recovery.ring` and the encoding ask for:
/// 30 s of 48 kHz linear16 in stereo, and half as much again.
pub const RING_BYTES_MAX: u64 = 8 << 20;

/// Bytes of the Finalizes and texts that stand between that audio.
pub const MARKS_BYTES_MAX: usize = 1 << 20;

/// Bytes of texts that were sent and are kept for a later connection.
pub const KEPT_TEXTS_BYTES_MAX: usize = 64 << 10;

/// Bytes of the largest message from Deepgram (contract, section 5).
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Bytes waiting for the application above which they are written out before more is read from
/// Deepgram: otherwise a flood of messages would pile up unwritten.
pub const APP_UNWRITTEN_BYTES_MAX: usize = 64 << 10;

/// Holds of the VAD gate that are noted at a time: those since the last final result and a minute before,
/// each more than 4 s of audio apart. Beyond them the gate stays open.
pub const JOINTS_MAX: usize = 1024;
