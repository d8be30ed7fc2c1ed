//! The subcommands.
//!
//! They are plain clients of the daemon: anything they can do, any application can do.

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
