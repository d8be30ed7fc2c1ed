//! Deepgram's side: the only place that knows Deepgram.
//!
//! It knows nothing of applications: it dials, turns messages into [`crate::session`]'s vocabulary
//! and back, and names what a failure was. It decides nothing about time.

pub mod close;
pub mod dial;
pub mod link;
pub mod message;
pub mod meter;
pub mod tls;
pub mod transport;
pub mod upgrade;
