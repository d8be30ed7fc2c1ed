//! What a probe asks, what we expect, and what it saw.

use std::io::IsTerminal;
use std::time::Duration;

use comfy_table::{ContentArrangement, ContentLineStyle, Table, TableStyle};
use serde_json::{Value, json};

use super::super::plain;

/// Width of the table where there is no terminal.
const WIDTH: u16 = 120;

session::vocabulary! {
    /// A question to Deepgram. The emulator answers each as we expect Deepgram to.
    pub enum Question: "question" {
        /// What the server says on its own after the upgrade.
        FirstMessage = "first_message",
        /// When and how a stream without audio or text is closed.
        IdleClose = "idle_close",
        /// What precedes that close.
        IdleMetadata = "idle_metadata",
        /// Whether that close is preceded by a final result for what was not final yet.
        TimeoutFlush = "timeout_flush",
        /// When and how a stream with nothing but KeepAlives is closed.
        KeepaliveOnly = "keepalive_only",
        /// What precedes that close.
        KeepaliveMetadata = "keepalive_metadata",
        /// Whether KeepAlives hold a stream that has had a result.
        KeepaliveAfterResult = "keepalive_after_result",
        /// Whether the server pings.
        ServerPing = "server_ping",
        /// What a Finalize with nothing to flush is answered.
        FinalizeEmpty = "finalize_empty",
        /// What a Finalize on silence is answered, and how soon.
        FinalizeSilence = "finalize_silence",
        /// Whether a Finalize restarts the idle timer.
        FinalizeResetsIdle = "finalize_resets_idle",
        /// What an unknown text message is answered.
        UnknownText = "unknown_text",
        /// Whether such a message restarts the idle timer.
        TextResetsIdle = "text_resets_idle",
        /// Whether a Ping is answered.
        PingAnswer = "ping_answer",
        /// Whether a Ping restarts the idle timer.
        PingResetsIdle = "ping_resets_idle",
        /// What CloseStream is answered.
        CloseStream = "close_stream",
        /// What Metadata then says of the audio.
        CloseStreamMetadata = "close_stream_metadata",
        /// Whether the results that CloseStream flushes have `from_finalize`.
        CloseStreamFromFinalize = "close_stream_from_finalize",
        /// What CloseStream is answered if there was no audio.
        CloseStreamWithoutAudio = "close_stream_without_audio",
        /// Whether an empty binary message is a CloseStream.
        EmptyBinary = "empty_binary",
        /// The members of `Results`.
        ResultsShape = "results_shape",
        /// The members of `Metadata`.
        MetadataShape = "metadata_shape",
        /// The types of all messages of a usual stream.
        MessageTypes = "message_types",
        /// How often interim results come.
        InterimEvery = "interim_every",
        /// When silence becomes final.
        SilenceFinal = "silence_final",
        /// What is done with audio faster than real time.
        FastAudio = "fast_audio",
        /// Whether a message of 1 MiB is accepted.
        LargeMessage = "large_message",
        /// Whether an unknown parameter is accepted.
        UnknownParameter = "unknown_parameter",
        /// The shape of a 400.
        BadParameter = "bad_parameter",
        /// The shape of a 401.
        NoKey = "no_key",
    }
}

session::vocabulary! {
    /// What an answer means.
    pub enum Verdict: "verdict" {
        /// As expected.
        Agrees = "agrees",
        Differs = "differs",
        /// It could not be asked.
        Unanswered = "unanswered",
    }
}

/// The answer to one question.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) question: Question,
    pub(super) verdict: Verdict,
    pub(super) expected: String,
    pub(super) seen: String,
    /// How long its stream was open.
    pub(super) took: Duration,
}

impl Answer {
    pub(super) fn agrees(&self) -> bool {
        self.verdict == Verdict::Agrees
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "question": self.question.as_str(),
            "verdict": self.verdict.as_str(),
            "expected": self.expected,
            "seen": self.seen,
            "duration_ms": self.took.as_micros() as f64 / 1_000.0,
        })
    }
}

/// All answers as a table, fitted to the terminal.
pub(super) fn table(answers: &[Answer]) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_lines(ContentLineStyle::none()));
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if !std::io::stdout().is_terminal() {
        table.set_width(WIDTH);
    }
    table.set_header(["QUESTION", "VERDICT", "EXPECTED", "SEEN"]);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for answer in answers {
        let verdict = match answer.verdict {
            Verdict::Agrees => answer.verdict.as_str().to_owned(),
            Verdict::Differs | Verdict::Unanswered => answer.verdict.as_str().to_uppercase(),
        };
        let seen = plain::line(&answer.seen);
        table.add_row([answer.question.as_str(), &verdict, &answer.expected, &seen]);
    }
    table
}
