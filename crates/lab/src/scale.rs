//! Durations of rules, queries and of Alertmanager's configuration, divided by one factor.
//!
//! The lab runs production's rules, faster. Nothing is copied by hand: every duration in the real
//! files is made shorter. In PromQL a number with a unit is always a duration: a range, an offset,
//! a subquery's step. Thresholds have no unit and stay unchanged.

use std::time::Duration;

use serde_yaml::Value;

const MILLISECOND: Duration = Duration::from_millis(1);

/// How much faster than production the lab runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor(u32);

/// A duration that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{text} is not a duration such as 30s or 10m")]
pub struct NoDuration {
    text: String,
}

impl Factor {
    /// # Panics
    /// If it is 0.
    pub const fn new(factor: u32) -> Self {
        assert!(factor > 0, "a factor divides");
        Self(factor)
    }

    /// The number itself.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The shorter duration; never shorter than the millisecond that Prometheus knows.
    pub fn divide(self, duration: Duration) -> Duration {
        if duration.is_zero() { duration } else { (duration / self.0).max(MILLISECOND) }
    }

    /// A PromQL expression with shorter durations. Strings, comments and names stay.
    pub fn promql(self, expression: &str) -> String {
        let mut scaled = String::with_capacity(expression.len());
        let mut rest = expression;
        while let Some(first) = rest.chars().next() {
            let (token, tail) = rest.split_at(token_length(rest, first));
            match read(token).filter(|_| first.is_ascii_digit()) {
                Some(duration) => scaled.push_str(&write(self.divide(duration))),
                None => scaled.push_str(token),
            }
            rest = tail;
        }
        scaled
    }

    /// A rule file with shorter `interval`, `for`, `keep_firing_for` and expressions.
    ///
    /// # Errors
    /// A member that should be a duration but is not.
    pub fn rules(self, file: &mut Value) -> Result<(), NoDuration> {
        for group in items(file, "groups") {
            self.member(group, "interval")?;
            for rule in items(group, "rules") {
                self.member(rule, "for")?;
                self.member(rule, "keep_firing_for")?;
                if let Some(Value::String(expression)) = rule.get_mut("expr") {
                    *expression = self.promql(expression);
                }
            }
        }
        Ok(())
    }

    /// A route of Alertmanager and those below it, with shorter waits.
    ///
    /// # Errors
    /// A wait that is not a duration.
    pub fn route(self, route: &mut Value) -> Result<(), NoDuration> {
        for wait in ["group_wait", "group_interval", "repeat_interval"] {
            self.member(route, wait)?;
        }
        items(route, "routes").try_for_each(|route| self.route(route))
    }

    fn member(self, owner: &mut Value, name: &str) -> Result<(), NoDuration> {
        let Some(Value::String(text)) = owner.get_mut(name) else { return Ok(()) };
        let duration = read(text).ok_or_else(|| NoDuration { text: text.clone() })?;
        *text = write(self.divide(duration));
        Ok(())
    }
}

/// The length of what begins with `first`: a string, a comment, a word, a number, or one sign.
fn token_length(rest: &str, first: char) -> usize {
    match first {
        '"' | '\'' => quoted_length(rest, first, true),
        '`' => quoted_length(rest, first, false),
        '#' => rest.find('\n').unwrap_or(rest.len()),
        // A colon may stand inside a name; ahead of a number it belongs to a subquery.
        '_' | 'a'..='z' | 'A'..='Z' => run(rest, |it| it.is_alphanumeric() || "_:".contains(it)),
        '0'..='9' => run(rest, |it| it.is_alphanumeric() || it == '.'),
        other => other.len_utf8(),
    }
}

/// With the quotes. One that is left open reaches to the end.
fn quoted_length(rest: &str, quote: char, has_escapes: bool) -> usize {
    let mut is_escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, it)| {
        let closes = *it == quote && !is_escaped;
        is_escaped = has_escapes && *it == '\\' && !is_escaped;
        closes
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

fn run(rest: &str, belongs: impl Fn(char) -> bool) -> usize {
    rest.find(|it| !belongs(it)).unwrap_or(rest.len())
}

/// A duration as Prometheus writes it; a bare number is none.
fn read(text: &str) -> Option<Duration> {
    let has_unit = text.ends_with(|last: char| last.is_ascii_alphabetic());
    has_unit.then(|| humantime::parse_duration(text).ok()).flatten()
}

fn write(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

fn items<'a>(owner: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    owner.get_mut(name).and_then(Value::as_sequence_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIXTY: Factor = Factor::new(60);

    fn yaml(text: &str) -> Value {
        serde_yaml::from_str(text).unwrap()
    }

    #[test]
    fn ranges_offsets_and_subqueries_become_shorter() {
        for (before, after) in [
            ("rate(x_total[10m])", "rate(x_total[10s])"),
            ("rate(x[6h] offset 10m)", "rate(x[360s] offset 10s)"),
            ("x offset -1d", "x offset -1440s"),
            ("max_over_time(y[1h:30s])", "max_over_time(y[60s:500ms])"),
            ("max_over_time(y[1h:])", "max_over_time(y[60s:])"),
            ("increase(x[1h30m])", "increase(x[90s])"),
            ("x[90ms]", "x[1ms]"),
        ] {
            assert_eq!(SIXTY.promql(before), after);
        }
    }

    #[test]
    fn what_only_looks_like_a_duration_stays() {
        for text in [
            r#"x{path="5m", other='10m\'1h'} > 20"#,
            "x # for 10m\n> 5",
            "`[10m]`",
            "job:lost:ratio_rate5m > 14.4 * 0.001",
            "x_5m + y:1h",
            "0x1d + 1e3 + 2.5e-3",
            "\"[10m]",
            "sum by (le) (ü) + 1",
        ] {
            assert_eq!(SIXTY.promql(text), text);
        }
    }

    #[test]
    fn what_follows_a_string_or_a_comment_is_scaled_again() {
        let before = "rate(a{b=\"\\\\\"}[5m]) # [1h]\n+ rate(c[1h])";
        let after = "rate(a{b=\"\\\\\"}[5s]) # [1h]\n+ rate(c[60s])";
        assert_eq!(SIXTY.promql(before), after);
    }

    #[test]
    fn a_rule_file_keeps_all_but_its_durations() {
        let mut file = yaml(
            "groups: [{name: g, interval: 30s, rules: [
                {alert: A, expr: 'x[5m] > 5', for: 2m, keep_firing_for: 10m, labels: {long: 1h}},
                {record: 'r:x_5m', expr: 'rate(x[5m])'}]}]",
        );
        SIXTY.rules(&mut file).unwrap();
        let scaled = yaml(
            "groups: [{name: g, interval: 500ms, rules: [
                {alert: A, expr: 'x[5s] > 5', for: 2s, keep_firing_for: 10s, labels: {long: 1h}},
                {record: 'r:x_5m', expr: 'rate(x[5s])'}]}]",
        );
        assert_eq!(file, scaled);
    }

    #[test]
    fn routes_are_scaled_at_every_depth() {
        let mut route = yaml("{group_wait: 30s, routes: [{repeat_interval: 4h, routes: []}]}");
        SIXTY.route(&mut route).unwrap();
        assert_eq!(
            route,
            yaml("{group_wait: 500ms, routes: [{repeat_interval: 240s, routes: []}]}")
        );
    }

    #[test]
    fn a_duration_that_is_none_is_named() {
        let mut file = yaml("groups: [{rules: [{for: soon}]}]");
        let error = SIXTY.rules(&mut file).unwrap_err().to_string();
        assert_eq!(error, "soon is not a duration such as 30s or 10m");
    }

    #[test]
    fn nothing_becomes_zero_that_was_not() {
        assert_eq!(SIXTY.divide(Duration::ZERO), Duration::ZERO);
        assert_eq!(SIXTY.divide(Duration::from_millis(2)), MILLISECOND);
    }
}
