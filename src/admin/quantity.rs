//! Human-readable quantities, for pages and terminals.

use std::fmt::Display;

/// A duration in at most two units.
pub(crate) fn time(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{seconds}.{}s", ms % 1_000 / 100),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// A duration, or a dash for none.
pub(crate) fn time_or_dash(ms: Option<u64>) -> String {
    ms.map_or_else(|| "-".into(), time)
}

/// An amount of memory, in the largest unit that it fills.
pub(crate) fn bytes(bytes: u64) -> String {
    const PREFIXES: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let power = bytes.checked_ilog2().unwrap_or(0) / 10;
    match power {
        0 => format!("{bytes} B"),
        _ => {
            let amount = bytes as f64 / (1_u64 << (10 * power)) as f64;
            format!("{amount:.2} {}B", PREFIXES[power as usize - 1])
        }
    }
}

/// A count with its noun, whose plural ends in s: `1 session`, `2 sessions`.
pub(crate) fn counted<N: Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let plural = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_units_at_most() {
        for (ms, shown) in [
            (0, "0.0s"),
            (59_999, "59.9s"),
            (60_000, "1m00s"),
            (3_599_999, "59m59s"),
            (3_600_000, "1h00m"),
            (90_061_000, "1d01h"),
        ] {
            assert_eq!(time(ms), shown);
        }
        assert_eq!(time_or_dash(None), "-");
    }

    #[test]
    fn memory_is_shown_in_the_largest_unit_that_it_fills() {
        for (amount, shown) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.00 KiB"),
            (6_400, "6.25 KiB"),
            (1 << 20, "1.00 MiB"),
            (u64::MAX, "16.00 EiB"),
        ] {
            assert_eq!(bytes(amount), shown);
        }
    }

    #[test]
    fn one_thing_is_not_counted_in_the_plural() {
        assert_eq!(counted(0_u64, "event"), "0 events");
        assert_eq!(counted(1_usize, "event"), "1 event");
        assert_eq!(counted(2_u32, "event"), "2 events");
    }
}
