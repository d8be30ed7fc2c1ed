//! Where spans go: the file's endpoint, and OpenTelemetry's own variables for everything else.
//!
//! The variables follow OpenTelemetry's specification. The signal's own
//! (`OTEL_EXPORTER_OTLP_TRACES_…`) take precedence over the general ones, and empty means not set.

use std::path::PathBuf;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

use super::Otlp;
use super::endpoint::{collector_url, traces_url};
use super::error::{Error, Place, Problem};
use super::finding::{Finding, Origin};
use super::proxy::{self, Proxy};

/// `service.name`, unless the environment sets another.
const SERVICE_NAME: &str = "deepgram-sidecar";

/// Timeout of one request, unless the environment sets another: OpenTelemetry's own default.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// The maximum. Anything longer is a mistake in the unit.
const TIMEOUT_MAX_MS: u64 = 600_000;

/// A collector for spans, and how they describe this process.
#[derive(Clone, Debug, PartialEq)]
pub struct Collector {
    /// Where requests go: `http` or `https`, without credentials or query.
    pub url: Url,
    /// Sent with each request. They may hold credentials, so `Debug` shows none.
    pub headers: HeaderMap,
    /// Timeout of one request, its response included.
    pub timeout: Duration,
    /// The proxy on the way, if any.
    pub proxy: Option<Proxy>,
    /// Certificates, as PEM, to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// `service.name`.
    pub service_name: String,
    /// Further attributes of the resource, in the order given.
    pub attributes: Vec<(String, String)>,
}

impl Collector {
    /// The variable that names [`Collector::ca_file`], for messages.
    pub const CA_FILE_SETTING: &'static str = "OTEL_EXPORTER_OTLP_CERTIFICATE";

    /// The collector from the configuration and the environment; `None` if tracing is off.
    ///
    /// # Errors
    /// All malformed variables at once; [`super::load`] reports them too.
    pub fn find(otlp: &Otlp, environment: &[(String, String)]) -> Result<Option<Self>, Error> {
        let mut findings = Vec::new();
        let found = read(otlp, environment, &mut findings);
        if findings.is_empty() {
            return Ok(found);
        }
        let problems = findings.into_iter().filter_map(|Finding { origin, key, message }| {
            let Origin::Variable(name) = origin else { return None };
            Some(Problem { place: Place::Variable(name), key, message })
        });
        Err(Error { file: None, problems: problems.collect(), omitted: 0 })
    }
}

/// Reads the variables, and collects mistakes. Variables that would have no effect are not
/// checked: pods share them with applications.
pub(super) fn read(
    otlp: &Otlp,
    environment: &[(String, String)],
    findings: &mut Vec<Finding>,
) -> Option<Collector> {
    let mut variables = Variables { environment, findings };
    if variables.switch_traces_off() {
        return None;
    }
    let url = match &otlp.endpoint {
        Some(base) => traces_url(base),
        None => variables.endpoint()?,
    };
    let mut attributes = variables.read("OTEL_RESOURCE_ATTRIBUTES", pairs).unwrap_or_default();
    let named = take(&mut attributes, "service.name");
    let service_name = variables.get("OTEL_SERVICE_NAME").map(str::to_owned).or(named);
    let proxy = proxy::read(&url, environment, variables.findings);
    Some(Collector {
        url,
        proxy,
        headers: variables.exporter("HEADERS", headers).unwrap_or_default(),
        timeout: variables.exporter("TIMEOUT", timeout).unwrap_or(TIMEOUT_DEFAULT),
        ca_file: variables.exporter("CERTIFICATE", |file| Ok(file.into())),
        service_name: service_name.unwrap_or_else(|| SERVICE_NAME.to_owned()),
        attributes,
    })
}

struct Variables<'a> {
    environment: &'a [(String, String)],
    findings: &'a mut Vec<Finding>,
}

impl<'a> Variables<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.environment.iter().find(|(other, _)| other == name);
        found.map(|(_, text)| text.trim()).filter(|text| !text.is_empty())
    }

    fn read<T>(&mut self, name: &str, parse: Parse<T>) -> Option<T> {
        parse(self.get(name)?).map_err(|complaint| self.complain(name, complaint)).ok()
    }

    /// A variable of the exporter: the signal's own or the general one.
    fn exporter<T>(&mut self, what: &str, parse: Parse<T>) -> Option<T> {
        let own = format!("OTEL_EXPORTER_OTLP_TRACES_{what}");
        let general = format!("OTEL_EXPORTER_OTLP_{what}");
        let name = if self.get(&own).is_some() { own } else { general };
        self.read(&name, parse)
    }

    fn complain(&mut self, name: &str, complaint: &str) {
        let origin = Origin::Variable(name.to_owned());
        self.findings.push(Finding { origin, key: String::new(), message: complaint.to_owned() });
    }

    fn switch_traces_off(&self) -> bool {
        let is = |name, word: &str| {
            self.get(name).is_some_and(|text: &str| text.eq_ignore_ascii_case(word))
        };
        is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none")
    }

    /// Used if the file sets no endpoint. The protocol is only checked here: it describes the
    /// variables' endpoint, not the file's.
    fn endpoint(&mut self) -> Option<Url> {
        let own = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        let general = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let url = match self.get(own) {
            Some(_) => self.read(own, endpoint),
            None => self.read(general, endpoint).map(|base| traces_url(&base)),
        };
        if self.get(own).or(self.get(general)).is_some() {
            self.exporter("PROTOCOL", protocol);
        }
        url
    }
}

/// Reads a variable; the error is a sentence for the operator, and never repeats the text.
type Parse<T> = fn(&str) -> Result<T, &'static str>;

fn endpoint(text: &str) -> Result<Url, &'static str> {
    let url = text.parse().map_err(|_| "must be a URL such as http://collector:4318")?;
    collector_url(&url).map(|()| url)
}

fn protocol(text: &str) -> Result<(), &'static str> {
    match text {
        "http/protobuf" => Ok(()),
        _ => Err("must be http/protobuf, the only protocol this version supports; point \
                  telemetry.otlp.endpoint at the collector's HTTP port, usually 4318"),
    }
}

fn timeout(text: &str) -> Result<Duration, &'static str> {
    match text.parse() {
        Ok(millis @ 1..=TIMEOUT_MAX_MS) => Ok(Duration::from_millis(millis)),
        _ => Err("must be a whole number of milliseconds, from 1 to 600000"),
    }
}

fn headers(text: &str) -> Result<HeaderMap, &'static str> {
    const WRONG: &str = "must be headers such as api-key=SECRET,tenant=acme, with values \
                         percent-encoded";
    let mut headers = HeaderMap::new();
    for (name, value) in pairs(text).map_err(|_| WRONG)? {
        let name = HeaderName::try_from(name).map_err(|_| WRONG)?;
        if [CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
            return Err("must not set content-length or transfer-encoding: the request sets them");
        }
        let mut value = HeaderValue::try_from(value).map_err(|_| WRONG)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// `name=value,name=value`, values percent-encoded.
fn pairs(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    const WRONG: &str = "must be pairs such as k8s.pod.name=app-0,team=speech, with values \
                         percent-encoded";
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let pair = |item: &str| {
        let (name, value) = item.split_once('=').ok_or(WRONG)?;
        let name = name.trim();
        let value = percent_decode_str(value.trim()).decode_utf8().map_err(|_| WRONG)?;
        if name.is_empty() { Err(WRONG) } else { Ok((name.to_owned(), value.into_owned())) }
    };
    items.map(pair).collect()
}

/// Removes a pair from the list; the last one of a name wins.
fn take(pairs: &mut Vec<(String, String)>, name: &str) -> Option<String> {
    let (taken, kept) = std::mem::take(pairs).into_iter().partition(|(other, _)| other == name);
    *pairs = kept;
    let taken: Vec<(String, String)> = taken;
    taken.into_iter().next_back().map(|(_, value)| value)
}

#[cfg(test)]
mod tests;
