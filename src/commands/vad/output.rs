//! The file that a drawing goes to.

use std::path::PathBuf;

use anyhow::{Context, bail};

use super::drawing::Drawing;
use super::{pixels, svg};

/// A picture to make: its name says of which kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub(super) file: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Svg,
    Png,
}

impl Picture {
    /// Of a file's name.
    ///
    /// # Errors
    /// If its ending is neither.
    pub(super) fn parse(name: &str) -> anyhow::Result<Self> {
        let file = PathBuf::from(name);
        let ending = file.extension().unwrap_or_default().to_ascii_lowercase();
        let kind = match ending.to_str() {
            Some("svg") => Kind::Svg,
            Some("png") => Kind::Png,
            _ => bail!("name a file that ends in .svg or .png"),
        };
        Ok(Self { file, kind })
    }

    /// Writes the file; one that is there is replaced.
    pub(super) fn write(&self, drawing: &Drawing) -> anyhow::Result<()> {
        let bytes = match self.kind {
            Kind::Svg => svg::of(drawing).into_bytes(),
            Kind::Png => pixels::of(drawing).context("cannot encode the picture")?,
        };
        std::fs::write(&self.file, bytes)
            .with_context(|| format!("cannot write {}", self.file.display()))
    }
}
