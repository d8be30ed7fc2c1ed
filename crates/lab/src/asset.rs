//! The project's files that the lab works with, embedded: a lab needs no checkout beside it.

/// An example of Alertmanager's configuration.
pub(super) const ALERTMANAGER: &str = include_str!("../../../alerts/alertmanager.example.yaml");

/// Which panels are empty when all is well, and the fault that fills each.
pub(super) const EMPTY_WHEN_WELL: &str = include_str!("../../../dashboards/empty-when-well.yaml");

/// Every metric by name.
pub(super) const CATALOGUE: &str = include_str!("../../../docs/metrics.md");

/// A file: its name and its text.
pub(super) type Asset = (&'static str, &'static str);

/// Embeds files of a directory of the project's root.
macro_rules! assets {
    ($directory:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../", $directory, "/", $name)))),+]
    };
}

/// The alert and recording rules.
pub(super) const RULES: &[Asset] = assets!("alerts":
    "availability.yaml",
    "capacity.yaml",
    "deaths.yaml",
    "keepalive.yaml",
    "recording.yaml",
    "recovery.yaml",
    "telemetry.yaml",
    "transcripts.yaml",
    "upstream.yaml",
    "vad.yaml",
    "words.yaml",
);

/// The Grafana dashboards.
pub(super) const DASHBOARDS: &[Asset] =
    assets!("dashboards": "deepgram.json", "fleet.json", "pod.json", "session.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// A file that is not embedded would be left out of every lab without a word.
    #[test]
    fn every_rule_file_and_every_dashboard_is_embedded() {
        assert_eq!(names(RULES), on_disk("alerts", ".yaml", "alertmanager.example.yaml"));
        assert_eq!(names(DASHBOARDS), on_disk("dashboards", ".json", ""));
    }

    fn names(assets: &[Asset]) -> BTreeSet<String> {
        assets.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    fn on_disk(directory: &str, ending: &str, except: &str) -> BTreeSet<String> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(directory);
        let files = std::fs::read_dir(directory).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(ending) && name != except).collect()
    }
}
