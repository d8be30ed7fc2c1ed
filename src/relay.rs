//! What joins an application to Deepgram: listening, accepting a session, and driving it.

pub mod driver;
pub mod listener;
pub mod reception;
