//! The reference page, written from the list of keys.

use super::rule::{Rule, plain_value};
use super::schema::{Key, Section, Walk};
use super::sections::Config;
use super::setting::Setting;

/// The whole page, Markdown: `docs/configuration.md`.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("```yaml\n");
    page.push_str(&Config::default().to_yaml());
    page.push_str("```\n");
    let mut writer = Writer { page, sections: Vec::new() };
    Config::default().walk(&mut writer);
    writer.page
}

const INTRODUCTION: &str = "\
<!-- Written from the types by `UPDATE_DOCS=1 cargo test --lib config`; edit those. -->
# Configuration

`deepgram-sidecar` reads one YAML file. Every key is optional, and an empty file is a valid one.

- **Order.** Defaults, then the file, then the environment, then `--set KEY=VALUE` on the command
  line; later ones win.
- **Environment.** Every key has a variable, listed below. An empty variable counts as not set;
  lists are comma-separated (`1000,1001`). An unknown variable that starts with
  `DEEPGRAM_SIDECAR_` is an error, except `DEEPGRAM_SIDECAR_CONFIG`, which names the file, and
  those that Kubernetes creates for services.
- **Mistakes.** All are reported at once, each with its line or variable, and the daemon does not
  start. `deepgram-sidecar check-config` only checks, and needs no API key.
- **Durations** need a unit: `500ms`, `5s`, `10m`, `1m 30s`. A bare `0` is zero.
- **The API key** is never in this file. It is read from `upstream.api_key_file` or, without one,
  from the variable `DEEPGRAM_API_KEY`. A key file is reread when it changes; if it can no longer
  be read, the old key stays in use.
- **OpenTelemetry's variables** cover what no key does, so that they can be shared with the
  applications in the pod: `OTEL_EXPORTER_OTLP_ENDPOINT`, if `telemetry.otlp.endpoint` is null, and
  `OTEL_EXPORTER_OTLP_HEADERS`, `_TIMEOUT` (milliseconds, 10000) and `_CERTIFICATE` (a PEM file with
  additional roots); each also as `OTEL_EXPORTER_OTLP_TRACES_…`, which takes precedence, and whose
  endpoint is used unchanged. `_PROTOCOL` must be `http/protobuf`. `OTEL_SERVICE_NAME` and
  `OTEL_RESOURCE_ATTRIBUTES` describe this process; `OTEL_SDK_DISABLED=true` or
  `OTEL_TRACES_EXPORTER=none` turns tracing off. As long as there is an endpoint, malformed
  variables are reported like any other mistake.
- **Proxies.** `HTTPS_PROXY` and `HTTP_PROXY`, or `ALL_PROXY` instead of either, name an HTTP proxy
  (`http://user:password@proxy:3128`, percent-encoded) for connections to Deepgram and to the
  collector, by the scheme of their URL; `NO_PROXY` lists exceptions: names with their subdomains,
  addresses, networks (`10.0.0.0/8`), or `*`. Lower case works too. Loopback addresses are never
  proxied. The proxy must support CONNECT and looks names up. Any other kind of proxy, such as
  SOCKS or one behind TLS, is an error if it would be used. The log event `proxy_used` names the
  proxy at the start, once for each `destination`: `upstream.url`, `telemetry.otlp`.
- `deepgram-sidecar print-config` shows the settings in effect.

All keys with their defaults:

";

struct Writer {
    page: String,
    /// The sections that are being written, outermost first.
    sections: Vec<&'static str>,
}

impl Walk for Writer {
    fn section<S: Section>(&mut self, name: &'static str, section: &mut S) {
        self.sections.push(name);
        let level = "#".repeat(1 + self.sections.len());
        let (path, about) = (self.sections.join("."), S::ABOUT.trim());
        self.page.push_str(&format!("\n{level} `{path}`\n\n{about}\n"));
        section.walk(self);
        self.sections.pop();
    }

    fn key<T: Setting>(
        &mut self,
        name: &'static str,
        about: &'static str,
        value: &mut T,
        rule: Rule<T>,
    ) {
        self.page.push_str(&entry(&Key::new(&self.sections, name, about, value, &rule)));
    }
}

fn entry(key: &Key) -> String {
    format!(
        "\n**`{}`**: {}\n\n- Takes {}.\n- Default: `{}`.\n- Variable: `{}`.\n",
        key.path(),
        key.about,
        key.takes,
        plain_value(&key.value),
        key.variable(),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Sources, load};

    fn page_file() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md")
    }

    #[test]
    fn the_published_page_is_what_the_types_say() {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(page_file(), reference()).unwrap();
        }
        let published = std::fs::read_to_string(page_file()).unwrap();
        assert!(published == reference(), "stale: UPDATE_DOCS=1 cargo test --lib config");
    }

    #[test]
    fn the_published_example_is_the_default_configuration() {
        let published = std::fs::read_to_string(page_file()).unwrap();
        let example = published.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("example.yaml");
        std::fs::write(&file, example).unwrap();
        let config = load(&Sources { file: Some(file), ..Sources::default() }).unwrap();
        assert_eq!(config, Config::default());
        let keys = crate::config::schema::keys(&config);
        assert!(keys.iter().all(|key| example.contains(&format!(" {}:", key.name()))));
    }
}
