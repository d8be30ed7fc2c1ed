//! The sources in layers: file, environment, command line.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::document::{Document, Node};
use super::error::{Error, Place, Problem};
use super::finding::{Finding, Origin};
use super::schema::{self, Key};
use super::sections::Config;
use super::{FILE_VARIABLE, Sources, VARIABLE_PREFIX, unknown};

/// Maximum file size. Anything larger is not a configuration, and the parser copies it several times.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Everything that was given, not yet read as values.
#[derive(Debug)]
pub(super) struct Layers {
    file: Option<PathBuf>,
    document: Option<Document>,
    /// The environment's, then the command line's: later ones win.
    overrides: Vec<Override>,
}

/// A key given as text.
#[derive(Debug)]
struct Override {
    origin: Origin,
    path: String,
    text: String,
}

/// One value that was given for a key.
#[derive(Debug)]
pub(super) enum Given<'a> {
    Yaml(&'a Node),
    Text(&'a str),
}

impl Layers {
    /// Splits the sources into keys. Unknown keys are found here, wrong values later.
    pub(super) fn gather(sources: &Sources, findings: &mut Vec<Finding>) -> Self {
        let keys = schema::keys(&Config::default());
        let document = sources.file.as_deref().and_then(|file| match open(file) {
            Ok(document) => Some(document),
            Err(finding) => {
                findings.push(finding);
                None
            }
        });
        if let Some(document) = &document {
            unknown::find(&document.root, &keys, findings);
        }
        let mut layers = Self { file: sources.file.clone(), document, overrides: Vec::new() };
        layers.take_environment(&sources.environment, &keys, findings);
        layers.take_command_line(&sources.overrides, &keys, findings);
        layers
    }

    /// All values given for a key, weakest first.
    pub(super) fn given<'a>(
        &'a self,
        names: &'a [&str],
    ) -> impl Iterator<Item = (Origin, Given<'a>)> {
        let path = names.join(".");
        let in_file = self.document.as_ref().and_then(|document| document.find(names));
        let in_file = in_file.map(|(trail, node)| (Origin::Document(trail), Given::Yaml(node)));
        let as_text = self.overrides.iter().filter(move |given| given.path == path);
        let as_text = as_text.map(|given| (given.origin.clone(), Given::Text(&given.text)));
        in_file.into_iter().chain(as_text)
    }

    /// Sorts the findings and looks up their lines.
    pub(super) fn report(self, mut findings: Vec<Finding>) -> Error {
        findings.sort_by(|one, other| one.origin.cmp(&other.origin));
        let omitted = findings.len().saturating_sub(Error::PROBLEMS_MAX);
        findings.truncate(Error::PROBLEMS_MAX);
        let problems = findings.into_iter().map(|finding| Problem {
            place: self.place(finding.origin),
            key: finding.key,
            message: finding.message,
        });
        Error { problems: problems.collect(), omitted, file: self.file.clone() }
    }

    fn place(&self, origin: Origin) -> Place {
        match origin {
            Origin::Text(line) => Place::File(line),
            Origin::Document(trail) => {
                Place::File(self.document.as_ref().and_then(|document| document.line(&trail)))
            }
            Origin::Variable(name) => Place::Variable(name),
            Origin::CommandLine => Place::CommandLine,
        }
    }

    /// Takes only our own variables. OpenTelemetry's rank below the file and set no key:
    /// see `config/collector.rs`.
    fn take_environment(
        &mut self,
        environment: &[(String, String)],
        keys: &[Key],
        findings: &mut Vec<Finding>,
    ) {
        // A template that omits a value still names the variable: empty means not set.
        let ours = environment.iter().filter(|(name, text)| {
            name.starts_with(VARIABLE_PREFIX) && name != FILE_VARIABLE && !text.is_empty()
        });
        for (name, text) in ours {
            let origin = Origin::Variable(name.clone());
            match keys.iter().find(|key| key.variable() == *name) {
                Some(key) => {
                    self.overrides.push(Override { origin, path: key.path(), text: text.clone() });
                }
                None if is_service_link(name, text) => {}
                None => findings.push(unknown::variable(name, keys)),
            }
        }
    }

    fn take_command_line(
        &mut self,
        overrides: &[String],
        keys: &[Key],
        findings: &mut Vec<Finding>,
    ) {
        for given in overrides {
            let (path, text) = given.split_once('=').unwrap_or((given, ""));
            match keys.iter().find(|key| key.path() == path) {
                Some(key) if given.contains('=') => self.overrides.push(Override {
                    origin: Origin::CommandLine,
                    path: key.path(),
                    text: text.to_owned(),
                }),
                Some(key) => findings.push(Finding {
                    origin: Origin::CommandLine,
                    key: key.path(),
                    message: format!("has no value; write {path}=VALUE"),
                }),
                None => findings.push(unknown::argument(path, keys)),
            }
        }
    }
}

/// Kubernetes describes every service of the namespace in variables. Those of a service called
/// `deepgram-sidecar`, or `deepgram-sidecar-metrics`, start like ours:
/// `…_SERVICE_HOST`, `…_SERVICE_PORT`, `…_PORT=tcp://…`, `…_PORT_80_TCP`, `…_PORT_80_TCP_ADDR`.
fn is_service_link(name: &str, text: &str) -> bool {
    let is_service = |suffix| name.contains("_SERVICE_") && name.contains(suffix);
    let is_port = |protocol: &str| {
        let link = format!("_{}_", protocol.to_uppercase());
        text.starts_with(&format!("{protocol}://"))
            || name.contains("_PORT_") && name.contains(&link)
    };
    is_service("_HOST") || is_service("_PORT") || ["tcp", "udp", "sctp"].into_iter().any(is_port)
}

fn open(file: &Path) -> Result<Document, Finding> {
    let wrong = |line, message| Finding { origin: Origin::Text(line), key: String::new(), message };
    let bytes = read(file).map_err(|error| {
        wrong(None, format!("cannot be read: {error}; check the path and its permissions"))
    })?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong(None, "is larger than 1 MiB; this is not a configuration file".into()));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        wrong(Some(line), "not UTF-8 from here; save it as UTF-8".into())
    })?;
    Document::parse(text).map_err(|error| wrong(error.line, error.message))
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
