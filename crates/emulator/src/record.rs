//! What the emulator received: one record per stream request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::position::{PositionSummary, Positions};

/// Records kept; the oldest is forgotten first.
const RECORDS_MAX: usize = 100_000;

/// A snapshot of what an emulator has recorded.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Observed {
    /// One record per stream request, oldest first.
    pub connections: Vec<ConnectionRecord>,
    /// Older records for which there was no room.
    pub forgotten: u64,
}

impl Observed {
    /// Streams that were accepted and have not ended.
    pub fn open(&self) -> usize {
        let open = |record: &&ConnectionRecord| record.opened_ms.is_some() && record.end.is_none();
        self.connections.iter().filter(open).count()
    }

    /// What all connections together transcribed of position-coded audio.
    pub fn positions(&self) -> Positions {
        let mut all = Positions::default();
        self.connections.iter().for_each(|record| all.merge(&record.transcribed));
        all
    }
}

/// One stream request, and the resulting stream. Times are milliseconds since the emulator
/// started.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ConnectionRecord {
    /// Counts requests from 1.
    pub id: u64,
    /// The `dg-request-id` that it was answered with.
    pub request_id: String,
    /// The path of the request.
    pub path: String,
    /// The raw query of the request.
    pub query: String,
    /// How the request authenticated itself, in lower case; never the credential.
    pub auth_scheme: Option<String>,
    pub user_agent: Option<String>,
    pub requested_ms: u64,
    /// When it was upgraded.
    pub opened_ms: Option<u64>,
    pub closed_ms: Option<u64>,
    /// Why; `None` while it is open.
    pub end: Option<End>,
    /// The HTTP status of the answer, where there was one.
    pub status: Option<u16>,
    /// Binary messages that were not empty, and their bytes.
    pub audio_frames: u64,
    /// Bytes in them.
    pub audio_bytes: u64,
    /// Empty binary messages.
    pub empty_binaries: u64,
    /// KeepAlive messages.
    pub keepalives: u64,
    /// When the last of them came, at most [`ConnectionRecord::TIMES_MAX`].
    pub keepalive_ms: Vec<u64>,
    /// Finalize messages.
    pub finalizes: u64,
    /// Whether CloseStream came, as text.
    pub close_stream: bool,
    /// Other text messages.
    pub other_text_count: u64,
    /// The first of them, at most [`ConnectionRecord::TEXTS_MAX`], each cut to
    /// [`ConnectionRecord::TEXT_CHARS_MAX`].
    pub other_texts: Vec<String>,
    pub pings: u64,
    pub pongs: u64,
    /// The code of the client's close frame, where it sent one with a code.
    pub client_close: Option<u16>,
    /// Text messages sent.
    pub texts_sent: u64,
    /// Bytes of audio sent.
    pub audio_bytes_sent: u64,
    /// Position-coded samples that were transcribed, where the code is on.
    pub positions: Option<PositionSummary>,
    /// The same in the order in which they became final.
    #[serde(skip)]
    pub transcribed: Positions,
}

impl ConnectionRecord {
    /// Times kept of each kind.
    pub const TIMES_MAX: usize = 1024;
    /// Texts kept.
    pub const TEXTS_MAX: usize = 64;
    /// Characters kept of a text.
    pub const TEXT_CHARS_MAX: usize = 1024;

    pub(super) fn record_keepalive(&mut self, at_ms: u64) {
        self.keepalives += 1;
        if self.keepalive_ms.len() == Self::TIMES_MAX {
            self.keepalive_ms.remove(0);
        }
        self.keepalive_ms.push(at_ms);
    }

    pub(super) fn record_other_text(&mut self, text: &str) {
        self.other_text_count += 1;
        if self.other_texts.len() < Self::TEXTS_MAX {
            self.other_texts.push(text.chars().take(Self::TEXT_CHARS_MAX).collect());
        }
    }
}

/// Why a stream, or the request for one, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The request was answered with another status than 101.
    Refused,
    /// The request was left without an answer and the client went away.
    Hung,
    /// The client asked for the end with CloseStream or an empty binary, and got it.
    CloseStream,
    /// Timer A: net0001; on `/v2/listen`, INACTIVE_CLIENT.
    IdleTimeout,
    /// Timer B: net0000.
    ResponseTimeout,
    /// Close 1008, or an Error of Flux.
    Undecodable,
    /// The client sent a text message that its endpoint does not forgive.
    BadMessage,
    /// The stream reached its maximum lifetime.
    SessionMax,
    /// The client closed first.
    ClientClose,
    /// The client was gone without a close frame.
    ClientGone,
    /// The client broke the WebSocket protocol or sent too large a message.
    ClientBreach,
    /// The script closed it.
    ScriptClose,
    /// The script reset the TCP connection.
    ScriptReset,
    /// The script ended the TCP connection without a close frame.
    ScriptFin,
    /// The script cut a frame in the middle.
    ScriptCut,
    /// The script broke the WebSocket or HTTP protocol.
    ScriptGarbage,
    /// The emulator was stopped.
    Shutdown,
}

/// All records of one emulator.
#[derive(Debug)]
pub(super) struct Ledger {
    began: Instant,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    last_id: u64,
    forgotten: u64,
    entries: Vec<Entry>,
}

/// A record that its connection still writes.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    began: Instant,
    record: Arc<Mutex<ConnectionRecord>>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self { began: clock::now(), book: Mutex::default() }
    }

    /// Begins a record.
    pub(super) fn open(&self, record: ConnectionRecord) -> Entry {
        let mut book = lock(&self.book);
        book.last_id += 1;
        let requested_ms = millis_between(self.began, clock::now());
        let record = ConnectionRecord { id: book.last_id, requested_ms, ..record };
        let entry = Entry { began: self.began, record: Arc::new(Mutex::new(record)) };
        if book.entries.len() == RECORDS_MAX {
            book.entries.remove(0);
            book.forgotten += 1;
        }
        book.entries.push(entry.clone());
        entry
    }

    pub(super) fn observed(&self) -> Observed {
        let book = lock(&self.book);
        let copy = |entry: &Entry| {
            let record = lock(&entry.record).clone();
            let positions = record.positions.as_ref().map(|_| record.transcribed.summary());
            ConnectionRecord { positions, ..record }
        };
        Observed { connections: book.entries.iter().map(copy).collect(), forgotten: book.forgotten }
    }

    /// Forgets all records; streams that are open go on unrecorded.
    pub(super) fn reset(&self) {
        let mut book = lock(&self.book);
        book.entries.clear();
        book.forgotten = 0;
    }
}

impl Entry {
    /// The record, to be written.
    pub(super) fn write(&self) -> MutexGuard<'_, ConnectionRecord> {
        lock(&self.record)
    }

    /// Milliseconds since the emulator began.
    pub(super) fn millis_at(&self, at: Instant) -> u64 {
        millis_between(self.began, at)
    }

    /// Notes the end; the first one stays.
    pub(super) fn close(&self, end: End) {
        let at = self.millis_at(clock::now());
        let mut record = self.write();
        if record.end.is_none() {
            record.end = Some(end);
            record.closed_ms = Some(at);
        }
    }
}

fn millis_between(earlier: Instant, later: Instant) -> u64 {
    u64::try_from(later.saturating_duration_since(earlier).as_millis()).unwrap_or(u64::MAX)
}

/// A record is plain data, whole between any two writes, so that a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
