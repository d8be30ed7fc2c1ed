//! What happens to the sessions: Deepgram's part, and the application's.

/// One session of each SDK.
#[derive(Clone, Copy, Debug)]
pub(super) struct Story {
    pub(super) name: &'static str,
    /// What the emulator does with every request: a plan of its script, in YAML.
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
}

/// A transcription with a pause that Deepgram itself would end, without KeepAlives, after 10 s.
pub(super) const CONVERSATION: &[Story] = &[Story {
    name: "conversation",
    deepgram: "{}",
    steps: &[Step::Stream, Step::Silence(15), Step::Stream, Step::Finalize, Step::CloseStream],
}];

pub(super) const REFUSALS: &[Story] = &[
    Story { name: "401", deepgram: "{refuse: {status: 401}}", steps: &[] },
    Story { name: "402", deepgram: "{refuse: {status: 402}}", steps: &[] },
    Story { name: "429", deepgram: "{refuse: {status: 429}}", steps: &[] },
];

/// Closes with the last of the recording, so that nobody is writing any more.
macro_rules! close {
    ($name:literal, $close:literal) => {
        Story {
            name: $name,
            deepgram: concat!("{then: [{after_audio: 2950ms, do: {close: {", $close, "}}}]}"),
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
