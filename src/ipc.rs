//! The application's side: what an application may send and receive on the Unix socket.
//!
//! It knows nothing of Deepgram: it turns bytes into [`session`]'s vocabulary and back. The
//! contract is `docs/ipc-protocol.md`.

pub mod app;
pub mod compatible;
mod inbox;
pub mod open;
mod outbox;
pub mod payload;
pub mod socket;
