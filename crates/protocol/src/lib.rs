//! The IPC protocol between applications and the sidecar, as bytes: frames, and JSON as the contract
//! has it.
//!
//! Both ends use this crate, and it is all that they share. It knows what a frame looks like, not
//! what its payload means.

pub mod frame;
pub mod json;
