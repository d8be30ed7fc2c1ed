//! The Deepgram-compatible dialect as Deepgram's SDKs use it, each in the way that it was seen to:
//! through the Unix socket and through the loopback port.

mod closes;
mod drain;
mod endings;
mod hostile;
mod messages;
mod pings;
mod port;
mod refusals;
mod upgrade;

use crate::support::websocket::{BINARY, Talk};
use crate::support::{Config, Emulator, Sidecar, speech};

/// Says it as Go's SDK does, which writes no JSON as others do.
const CLOSE_STREAM: &str = r#"{ "type": "CloseStream" }"#;

/// A daemon with both doors.
async fn start(emulator: &Emulator) -> Sidecar {
    Config::dialing(emulator).with_port().start().await
}

/// Sends so many frames of position-coded speech, from the first on.
async fn speak(talk: &mut Talk, frames: u64) {
    for frame in 0..frames {
        talk.send(BINARY, &speech(frame)).await;
    }
}
