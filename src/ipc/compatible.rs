//! Deepgram's own dialect, so that its SDKs need another address and nothing else.
//!
//! An application asks for a WebSocket as it would ask Deepgram. What the session tells it takes
//! Deepgram's form: an upgrade or a refusal instead of OPENED or ERROR, text messages, a close frame
//! instead of FINISHED.

mod caller;
mod query;
mod request;
mod response;
mod sdk;
mod socket;
mod text;

pub use caller::Caller;
pub use request::{HttpRefusal, Request, read as read_request};
pub use response::refusal;
pub use socket::{CompatibleSocket, Unserved};
