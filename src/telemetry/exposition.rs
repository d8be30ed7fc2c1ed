//! Metrics as text, in the two formats that Prometheus reads: its own 0.0.4, and OpenMetrics 1.0,
//! the only one with exemplars.
//!
//! One writer for both formats and both pages, so that a series has the same name in each: where
//! the formats' conventions differ, as in `le="1.0"`, OpenMetrics' is used.

use std::fmt::Write;

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

use super::exemplar::{Exemplar, Exemplars};

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own, version 0.0.4.
    Text,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The format for this `Accept` header: OpenMetrics if it names it.
    pub fn accepted(accept: Option<&str>) -> Self {
        let takes_open_metrics = accept.unwrap_or("").split(',').any(|item| {
            let mut parts = item.split(';').map(str::trim);
            let is_named = parts.next() == Some("application/openmetrics-text");
            is_named && !parts.any(|part| matches!(part, "q=0" | "q=0.0"))
        });
        if takes_open_metrics { Self::OpenMetrics } else { Self::Text }
    }

    /// The `Content-Type` of a page in this format.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What a family's samples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A page being written.
#[derive(Debug)]
pub(crate) struct Page {
    format: Format,
    text: String,
}

impl Page {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, text: String::with_capacity(64 << 10) }
    }

    /// Starts a family. `name` is complete, a counter's with its `_total`.
    pub(crate) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let (word, name) = match (kind, self.format) {
            (Kind::Counter, Format::OpenMetrics) => {
                ("counter", name.strip_suffix("_total").unwrap_or(name))
            }
            (Kind::Counter, Format::Text) => ("counter", name),
            (Kind::Gauge, _) => ("gauge", name),
            (Kind::Histogram, _) => ("histogram", name),
        };
        self.put(format_args!("# HELP {name} "));
        self.put_escaped(help, false);
        self.put(format_args!("\n# TYPE {name} {word}\n"));
    }

    /// Writes a sample of the current family.
    pub(crate) fn sample<'a>(
        &mut self,
        name: &str,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        value: f64,
    ) {
        self.sample_with(name, labels, value, None);
    }

    fn sample_with<'a>(
        &mut self,
        name: &str,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        value: f64,
        exemplar: Option<Exemplar>,
    ) {
        self.text.push_str(name);
        let mut separator = '{';
        for (label, value) in labels {
            self.put(format_args!("{separator}{label}=\""));
            self.put_escaped(value, true);
            self.text.push('"');
            separator = ',';
        }
        self.text.push_str(if separator == '{' { " " } else { "} " });
        self.put_number(value);
        if let Some(exemplar) = exemplar.filter(|_| self.format == Format::OpenMetrics) {
            self.put_exemplar(&exemplar);
        }
        self.text.push('\n');
    }

    fn put_exemplar(&mut self, exemplar: &Exemplar) {
        let Exemplar { trace_id, value, at } = exemplar;
        self.put(format_args!(" # {{trace_id=\"{trace_id:032x}\"}} "));
        self.put_number(*value);
        self.put(format_args!(" {}.{:03}", at.as_secs(), at.subsec_millis()));
    }

    /// The finished page.
    pub(crate) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn put(&mut self, arguments: std::fmt::Arguments<'_>) {
        self.text.write_fmt(arguments).expect("a string takes all");
    }

    fn put_number(&mut self, value: f64) {
        match value {
            f64::INFINITY => self.text.push_str("+Inf"),
            f64::NEG_INFINITY => self.text.push_str("-Inf"),
            _ => self.put(format_args!("{value}")),
        }
    }

    fn put_escaped(&mut self, text: &str, is_quoted: bool) {
        for c in text.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '"' if is_quoted => self.text.push_str("\\\""),
                c => self.text.push(c),
            }
        }
    }
}

/// What a registry gathered, with the exemplars.
pub(crate) fn write(page: &mut Page, families: &[MetricFamily], exemplars: &Exemplars) {
    for family in families {
        let kind = match family.get_field_type() {
            MetricType::COUNTER => Kind::Counter,
            MetricType::HISTOGRAM => Kind::Histogram,
            _ => Kind::Gauge,
        };
        page.family(family.name(), kind, family.help());
        for metric in family.get_metric() {
            write_metric(page, family.name(), kind, metric, exemplars);
        }
    }
}

fn write_metric(page: &mut Page, name: &str, kind: Kind, metric: &Metric, exemplars: &Exemplars) {
    let labels = || pairs(metric.get_label());
    let values: Vec<_> = labels().map(|(_, value)| value).collect();
    let slots = exemplars.find(name, &values);
    match kind {
        Kind::Counter => {
            let exemplar = slots.and_then(|slots| slots.get(0));
            page.sample_with(name, labels(), metric.get_counter().get_value(), exemplar);
        }
        Kind::Gauge => page.sample(name, labels(), metric.get_gauge().get_value()),
        Kind::Histogram => {
            let exemplar = |bucket| slots.and_then(|slots| slots.get(bucket));
            write_histogram(page, name, metric, exemplar);
        }
    }
}

fn write_histogram(
    page: &mut Page,
    name: &str,
    metric: &Metric,
    exemplar: impl Fn(usize) -> Option<Exemplar>,
) {
    let histogram = metric.get_histogram();
    let bucket_name = format!("{name}_bucket");
    let bounded = histogram.get_bucket().iter();
    let bounded = bounded.map(|it| (format!("{:?}", it.upper_bound()), it.cumulative_count()));
    let all = ("+Inf".to_owned(), histogram.get_sample_count());
    for (place, (bound, count)) in bounded.chain([all]).enumerate() {
        let labels = pairs(metric.get_label()).chain([("le", bound.as_str())]);
        page.sample_with(&bucket_name, labels, count as f64, exemplar(place));
    }
    let labels = || pairs(metric.get_label());
    page.sample(&format!("{name}_sum"), labels(), histogram.get_sample_sum());
    page.sample(&format!("{name}_count"), labels(), histogram.get_sample_count() as f64);
}

fn pairs(labels: &[LabelPair]) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|label| (label.name(), label.value()))
}

#[cfg(test)]
mod tests;
