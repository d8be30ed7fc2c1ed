//! What joins an application to Deepgram: listening, accepting a session, and driving it.

mod alarm;
pub mod dial_queue;
pub mod driver;
mod hearing;
mod links;
pub mod listener;
pub mod reception;
mod turn;
