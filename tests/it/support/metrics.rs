//! A scrape.

/// The samples of one page of metrics.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    page: String,
}

impl Metrics {
    pub(super) fn of(page: String) -> Self {
        Self { page }
    }

    /// The sum over a family's samples that carry all of these labels. The prefix is understood.
    ///
    /// # Panics
    /// Where there is no such sample: a missing one and a zero are not the same to an alert.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let full_name = format!("deepgram_sidecar_{name}");
        let wanted: Vec<_> =
            labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        let samples = self.page.lines().filter_map(|line| sample(line, &full_name));
        let fitting: Vec<f64> = samples
            .filter(|(labels, _)| wanted.iter().all(|wanted| labels.contains(wanted)))
            .map(|(_, value)| value)
            .collect();
        assert!(!fitting.is_empty(), "no sample of {name} {labels:?}");
        fitting.iter().sum()
    }

    /// The page as it was read.
    pub(crate) fn page(&self) -> &str {
        &self.page
    }
}

/// Labels and value of a line, if it is a sample of this name.
fn sample<'a>(line: &'a str, name: &str) -> Option<(&'a str, f64)> {
    let rest = line.strip_prefix(name)?;
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => rest.split_once("} ")?,
        None => ("", rest.strip_prefix(' ')?),
    };
    value.parse().ok().map(|value| (labels, value))
}
