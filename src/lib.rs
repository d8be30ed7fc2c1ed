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
pub mod commands;
pub mod config;
pub mod daemon;
pub mod drain;
pub mod ipc;
pub mod live;
pub mod relay;
pub mod telemetry;
pub mod upstream;
