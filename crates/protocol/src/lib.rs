//! The IPC protocol between applications and the sidecar, as bytes: frames, JSON as the contract
//! defines it, and WebSocket for the dialect that is compatible with Deepgram's.
//!
//! Both ends use this crate, and it is all that they share. It knows the form of a frame, not the
//! meaning of its payload.

#![warn(missing_docs)]

pub mod frame;
pub mod json;
pub mod websocket;
