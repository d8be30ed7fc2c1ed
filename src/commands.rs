//! The commands that a person types, less what `main` does itself.
//!
//! They are clients of the daemon and of nothing else: what they can do, any application can.

pub mod configuration;
#[cfg(feature = "emulator")]
pub mod demo;
mod pace;
mod play;
pub mod run;
mod screen;
mod session;
mod source;
pub mod stream;
mod summary;
mod transcript;
mod wav;
