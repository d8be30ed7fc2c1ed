//! A sidecar that manages an application's streaming connections to Deepgram.
//!
//! ```text
//! app ──unix socket──▶ ipc ──▶ session ──▶ upstream ──wss──▶ Deepgram
//!     ◀───results──────    ◀──         ◀──          ◀─────────
//! ```
//!
//! `telemetry` observes, `admin` shows, `daemon` wires it together. The library exists for the
//! project's own binaries, tests and benchmarks; the public interface is the IPC protocol.

pub mod admin;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod drain;
pub mod ipc;
pub mod json;
pub mod live;
pub mod relay;
pub mod telemetry;
pub mod upstream;
