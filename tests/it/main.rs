//! The whole daemon: the built binaries as processes, real sockets, real time, one module for each
//! story. What only needs the machine or one end of a socket is tested beside the code.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say so where it stands")]

mod admin;
mod breach;
mod bystanders;
mod cast;
mod compatible;
mod death;
mod dialing;
mod doctor;
mod drain;
mod endings;
mod faults;
mod flow;
mod flux;
mod gate;
mod hostile;
mod keepalive;
mod key;
mod liveness;
mod memory;
mod neighbours;
mod operator;
mod pauses;
mod poison;
mod prelude;
mod probe;
mod prometheus;
mod proxy;
mod receipts;
mod refusal;
mod resources;
mod sdks;
mod start;
mod support;
mod tls;
mod traces;
mod voices;
