//! Deepgram's side: the only place that knows Deepgram.
//!
//! It knows nothing of applications: it dials, turns messages into [`session`]'s vocabulary
//! and back, and names what a failure was. It decides nothing about time.

pub mod dial;
pub mod failure;
pub mod link;
pub mod message;
pub mod meter;
pub mod timestamps;
pub mod tls;
pub mod transport;
pub mod upgrade;
