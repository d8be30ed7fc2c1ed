//! What an operator can set: one YAML file, environment variables, the command line.
//!
//! Every key is listed once, in `config/sections.rs`, with its type, default, bounds and
//! documentation; loading, `print-config` and the reference page all walk that list. Whatever is
//! wrong is reported at once, each problem with its key and its place. Nothing here reads the
//! process's environment or logs.

mod collector;
mod contradiction;
mod document;
mod endpoint;
mod error;
mod finding;
pub mod key;
mod layers;
mod proxy;
mod reader;
mod reference;
mod rule;
mod schema;
mod sections;
mod setting;
#[cfg(test)]
mod tests;
mod unknown;
mod words;

use std::fmt;
use std::path::PathBuf;

pub use collector::Collector;
pub use error::{Error, Place, Problem};
pub use key::{ApiKey, KeySource, KeyStore};
pub use proxy::Proxy;
pub use reference::reference;
pub use sections::{
    Admin, Config, Drain, Ipc, Keepalive, Liveness, Logs, Metrics, Otlp, Recovery, SessionTimes,
    Telemetry, Upstream, Vad,
};
pub use setting::SocketMode;
pub use words::{Auth, LogFormat, LogLevel, OtlpProtocol, RecoveryMode, VadMode};

use layers::Layers;

/// The prefix of every key's variable: `keepalive.interval` is
/// `DEEPGRAM_SIDECAR_KEEPALIVE_INTERVAL`.
pub const VARIABLE_PREFIX: &str = "DEEPGRAM_SIDECAR_";

/// Names the configuration file, so that a container needs no arguments. The command line reads it;
/// it is not a key.
pub const FILE_VARIABLE: &str = "DEEPGRAM_SIDECAR_CONFIG";

/// Where the configuration comes from, weakest first: defaults, file, environment, command line.
#[derive(Clone, Default)]
pub struct Sources {
    /// The YAML file, if any.
    pub file: Option<PathBuf>,
    /// The process's environment. Only names that start with [`VARIABLE_PREFIX`], OpenTelemetry's,
    /// and those of proxies are used.
    pub environment: Vec<(String, String)>,
    /// What the command line sets, each as `key.path=value`; the last one for a key wins.
    pub overrides: Vec<String>,
}

/// The environment holds the API key, so no values are shown.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Reads the file, then applies the environment and the command line.
///
/// # Errors
/// All problems of all sources at once. A missing API key is not reported here: a file must be
/// checkable without the key, so [`KeyStore::load`] requires it.
pub fn load(sources: &Sources) -> Result<Config, Error> {
    let mut findings = Vec::new();
    let layers = Layers::gather(sources, &mut findings);
    let config = reader::read(&layers, &mut findings);
    collector::read(&config.telemetry.otlp, &sources.environment, &mut findings);
    proxy::read(&config.upstream.url, &sources.environment, &mut findings);
    if findings.is_empty() { Ok(config) } else { Err(layers.report(findings)) }
}

impl Config {
    /// The effective configuration as YAML, every key in the reference's order. Loading it gives
    /// this configuration again; secrets are not part of it.
    pub fn to_yaml(&self) -> String {
        let mut root = serde_yaml::Mapping::new();
        for key in schema::keys(self) {
            let mut section = &mut root;
            for name in key.sections() {
                section = section
                    .entry((*name).into())
                    .or_insert_with(|| serde_yaml::Mapping::new().into())
                    .as_mapping_mut()
                    .expect("no key has the name of a section");
            }
            section.insert(key.name().into(), key.value);
        }
        serde_yaml::to_string(&root).expect("a mapping of plain scalars can always be written")
    }
}
