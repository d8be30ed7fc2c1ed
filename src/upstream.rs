//! Deepgram's side: the only place that knows Deepgram.
//!
//! It knows nothing about applications: it dials, translates messages to and from
//! [`session`]'s vocabulary, and classifies failures. It makes no decisions about time.

pub mod addresses;
mod close_frame;
pub mod dial;
pub mod failure;
pub mod link;
pub mod message;
pub mod meter;
pub mod resources;
mod secret;
pub mod timestamps;
pub mod tls;
pub mod transport;
pub mod tunnel;
pub mod upgrade;
