//! The commands that a person types, less what `main` does itself.
//!
//! They are clients of the daemon and of nothing else: what they can do, any application can.

pub mod admin;
pub mod configuration;
#[cfg(feature = "emulator")]
pub mod demo;
#[cfg(feature = "lab")]
pub mod lab;
pub mod live;
pub mod log_level;
mod pace;
mod plain;
mod play;
pub mod run;
mod screen;
pub mod sessions;
mod source;
pub mod stream;
mod streaming;
mod summary;
pub mod top;
mod transcript;
mod wav;
