//! The subcommands.
//!
//! `run` is the daemon itself, and `demo` and `lab` start one. What streams or asks is a plain
//! client: anything that it can do, any application can do.

pub mod admin;
pub mod configuration;
#[cfg(feature = "emulator")]
pub mod demo;
pub mod doctor;
#[cfg(feature = "lab")]
pub mod lab;
pub mod live;
pub mod log_level;
mod notice;
pub mod output;
mod pace;
mod plain;
mod play;
mod raw_audio;
pub mod run;
mod screen;
pub mod sessions;
mod source;
pub mod stream;
mod streaming;
mod summary;
pub mod top;
mod transcript;
pub mod vad;
mod wav;
