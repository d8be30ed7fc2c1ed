//! What happens to the sessions: Deepgram's part, and the application's.

/// One session of each SDK.
#[derive(Clone, Copy, Debug)]
pub(super) struct Story {
    pub(super) name: &'static str,
    /// What the emulator does: a script in YAML, whose last plan is for all further requests.
    pub(super) deepgram: &'static str,
    /// What the SDK's user does once the session is open.
    pub(super) steps: &'static [Step],
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// The whole recording, as fast as it is taken.
    Stream,
    /// Nothing but KeepAlives, where there are any. In seconds.
    Silence(u64),
    /// Finalize, and its result.
    Finalize,
    /// CloseStream, and the end.
    CloseStream,
    /// The end, unasked.
    AwaitEnd,
    /// What the SDK's own examples end with: CloseStream, and the end whatever is still to come.
    Leave,
}

const NO_FAULT: &str = "connections: []";

/// A transcription with a pause that Deepgram itself would end, without KeepAlives, after 10 s.
pub(super) const CONVERSATION: &[Story] = &[Story {
    name: "conversation",
    deepgram: NO_FAULT,
    steps: &[Step::Stream, Step::Silence(15), Step::Stream, Step::Finalize, Step::CloseStream],
}];

/// A transcription without a pause.
pub(super) const DICTATION: &[Story] = &[Story {
    name: "dictation",
    deepgram: NO_FAULT,
    steps: &[Step::Stream, Step::Finalize, Step::CloseStream],
}];

pub(super) const GOODBYE: &[Story] = &[Story {
    name: "goodbye",
    deepgram: NO_FAULT,
    steps: &[Step::Stream, Step::Finalize, Step::Leave],
}];

/// Deepgram vanishes in the middle of the recording, and is back at once.
pub(super) const DEATH: &[Story] = &[Story {
    name: "death",
    deepgram: "connections: [{then: [{after_audio: 1500ms, do: reset}]}, {}]",
    steps: &[Step::Stream, Step::Finalize, Step::CloseStream],
}];

macro_rules! refusal {
    ($status:literal) => {
        Story {
            name: $status,
            deepgram: concat!("connections: [{refuse: {status: ", $status, "}}]"),
            steps: &[],
        }
    };
}

pub(super) const REFUSALS: &[Story] = &[refusal!("401"), refusal!("402"), refusal!("429")];

/// Closes with the last of the recording, so that nobody is writing any more.
macro_rules! close {
    ($name:literal, $close:literal) => {
        Story {
            name: $name,
            deepgram: concat!(
                "connections: [{then: [{after_audio: 2950ms, do: {close: {",
                $close,
                "}}}]}]"
            ),
            steps: &[Step::Stream, Step::AwaitEnd],
        }
    };
}

pub(super) const CLOSES: &[Story] = &[
    close!("1011", "code: 1011, reason: 'net0001: too long'"),
    close!("1000", "code: 1000"),
    close!("1014", "code: 1014, reason: 'no Deepgram here'"),
    close!("no code", ""),
];
