//! The time axis of a picture.

use std::ops::Range;

/// Between ticks, in ms.
const STEPS: [u64; 20] = [
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
    600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 28_800_000,
];

/// A labelled moment.
#[derive(Debug, PartialEq)]
pub(super) struct Tick {
    /// From the start of the recording.
    pub(super) ms: u64,
    pub(super) label: String,
}

/// At most so many round moments of a time in ms, if it is not longer than some days.
pub(super) fn ticks(view: &Range<u64>, most: u64) -> Vec<Tick> {
    let enough = |step: &u64| (view.end - view.start) / step < most;
    let step = STEPS.into_iter().find(enough).unwrap_or(STEPS[STEPS.len() - 1]);
    let first = view.start.div_ceil(step);
    let moments = (first..=view.end / step).map(|it| it * step);
    moments.map(|ms| Tick { ms, label: label(ms, step, view.end) }).collect()
}

fn label(ms: u64, step: u64, end: u64) -> String {
    let (seconds, minutes) = (ms / 1_000 % 60, ms / 60_000);
    let fraction = match step % 1_000 {
        0 => String::new(),
        it if it % 100 == 0 => format!(".{}", ms % 1_000 / 100),
        _ => format!(".{:02}", ms % 1_000 / 10),
    };
    match end {
        0..60_000 => format!("{seconds}{fraction}s"),
        60_000..3_600_000 => format!("{minutes}:{seconds:02}{fraction}"),
        _ => format!("{}:{:02}:{seconds:02}{fraction}", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(view: Range<u64>) -> String {
        let ticks = ticks(&view, 7);
        assert!(ticks.len() <= 7, "{ticks:?}");
        assert!(ticks.iter().all(|it| (view.start..=view.end).contains(&it.ms)), "{ticks:?}");
        ticks.into_iter().map(|it| it.label).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn moments_are_round_and_few() {
        for (view, expected) in [
            (0..9_990, "0s 2s 4s 6s 8s"),
            (0..120, "0.00s 0.05s 0.10s"),
            (1_250..2_900, "1.5s 2.0s 2.5s"),
            (0..61_000, "0:00 0:10 0:20 0:30 0:40 0:50 1:00"),
            (59_800..60_900, "0:59.8 1:00.0 1:00.2 1:00.4 1:00.6 1:00.8"),
            (0..3_600_000, "0:00:00 0:10:00 0:20:00 0:30:00 0:40:00 0:50:00 1:00:00"),
            (0..86_400_000, "0:00:00 4:00:00 8:00:00 12:00:00 16:00:00 20:00:00 24:00:00"),
        ] {
            assert_eq!(labels(view), expected);
        }
    }
}
