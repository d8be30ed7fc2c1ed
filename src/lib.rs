//! A sidecar that holds an application's Deepgram streaming sockets.
//!
//! ```text
//! app ──unix socket──▶ ipc ──▶ session ──▶ upstream ──wss──▶ Deepgram
//!     ◀───results──────    ◀──         ◀──          ◀─────────
//! ```
//!
//! `telemetry` watches from the side, `admin` shows it, `daemon` wires it. The library exists for
//! the project's own binaries, tests and benchmarks; its interface is the IPC protocol.

pub mod admin;
pub mod client;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod drain;
#[cfg(feature = "emulator")]
pub mod emulator;
pub mod ipc;
#[cfg(feature = "emulator")]
pub mod lab;
pub mod session;
pub mod telemetry;
pub mod upstream;
