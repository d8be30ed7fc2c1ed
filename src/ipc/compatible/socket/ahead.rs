//! What has been read of an application before its session could take it.

use std::collections::VecDeque;

use bytes::Bytes;

use session::AppInput;

/// How much is read of an application that is not to be read, so that its Pings are found: half a
/// minute of audio, or the largest message.
const BYTES_MAX: usize = 1 << 20;

/// What an input counts for beside its bytes.
const ENTRY_BYTES: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Ahead {
    inputs: VecDeque<AppInput>,
    bytes: usize,
}

impl Ahead {
    /// A message shares the whole buffer that it was read into: kept, it is copied out of it.
    pub(super) fn push(&mut self, input: AppInput) {
        let input = match input {
            AppInput::Audio(payload) => AppInput::Audio(Bytes::copy_from_slice(&payload)),
            AppInput::Text(payload) => AppInput::Text(Bytes::copy_from_slice(&payload)),
            other => other,
        };
        self.bytes += weight(&input);
        self.inputs.push_back(input);
    }

    pub(super) fn pop(&mut self) -> Option<AppInput> {
        let input = self.inputs.pop_front()?;
        self.bytes -= weight(&input);
        Some(input)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// At the bound no more is read.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= BYTES_MAX
    }

    /// Gives its memory back, if it is empty.
    pub(super) fn rest(&mut self) {
        if self.inputs.is_empty() {
            self.inputs = VecDeque::new();
        }
    }
}

fn weight(input: &AppInput) -> usize {
    let payload = match input {
        AppInput::Audio(payload) | AppInput::Text(payload) => payload.len(),
        _ => 0,
    };
    ENTRY_BYTES + payload
}
