//! What the VAD gate does.

use std::time::Duration;

use crate::gate::{VadMode, VadUnavailable};
use crate::members::{Members, Visitor};

/// The gate that the configuration asks for cannot be had: everything is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct VadNotAvailable {
    pub cause: VadUnavailable,
}

impl Members for VadNotAvailable {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.word(self.cause);
    }
}

crate::vocabulary! {
    /// What has set the gate's mode.
    pub enum VadModeSource: "by" {
        /// The application's UPDATE.
        Update = "update",
        /// The end of the prelude.
        Prelude = "prelude",
    }
}

/// The gate's mode is another.
#[derive(Clone, Debug, PartialEq)]
pub struct VadModeChanged {
    pub from: VadMode,
    pub to: VadMode,
    pub by: VadModeSource,
}

impl Members for VadModeChanged {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("from", self.from.as_str());
        visitor.member("to", self.to.as_str());
        visitor.word(self.by);
    }
}

/// Someone speaks; told in shadow as well.
#[derive(Clone, Debug, PartialEq)]
pub struct VadOpened {
    /// Audio that was held back before, or would have been.
    pub held: Duration,
}

impl Members for VadOpened {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("held_ms", self.held);
    }
}

/// Nobody has spoken for the hangover; told in shadow as well.
#[derive(Clone, Debug, PartialEq)]
pub struct VadClosed {
    /// Audio that passed since it opened.
    pub passed: Duration,
}

impl Members for VadClosed {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("passed_ms", self.passed);
    }
}

/// The detector has failed: everything is sent for the rest of the session.
#[derive(Clone, Debug, PartialEq)]
pub struct VadFailed {
    /// What the gate was set to.
    pub mode: VadMode,
}

impl Members for VadFailed {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.word(self.mode);
    }
}
