//! The IPC protocol between applications and the sidecar, as bytes: frames, and JSON as the contract
//! defines it.
//!
//! Both ends use this crate, and it is all that they share. It knows the form of a frame, not the
//! meaning of its payload.

#![warn(missing_docs)]

pub mod frame;
pub mod json;
