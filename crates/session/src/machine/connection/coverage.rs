//! Which of a connection's audio the final results are about.
//!
//! Deepgram's results follow one another without a gap. Where there is one, what lies in it is not
//! claimed: nothing has been said about it.

/// Most channels whose results are told apart.
const CHANNELS_MAX: usize = 64;

/// Most gaps that are told apart; further ones are joined to the last, so that less is claimed.
const GAPS_MAX: usize = 64;

/// Final results, as positions in the application's audio, all channels together.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// Up to where each channel has results.
    ends: Vec<u64>,
    /// What results of any channel left out, in order and apart from one another: from, to.
    gaps: Vec<(u64, u64)>,
    /// How much of gaps has been allowed for.
    allowed: u64,
}

/// What a start may be off from the end before it without leaving a gap, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slack {
    /// Each time: seconds written as decimals are not exact.
    pub(super) noise: u64,
    /// In all.
    pub(super) total: u64,
}

impl Coverage {
    /// A channel has a result.
    pub(super) fn cover(
        &mut self,
        channel: u32,
        channels: u32,
        start: Option<u64>,
        end: u64,
        slack: Slack,
    ) {
        let channels = (channels as usize).clamp(1, CHANNELS_MAX);
        if self.ends.len() < channels {
            self.ends.resize(channels, 0);
        }
        let Some(reached) = self.ends.get_mut(channel as usize) else { return };
        let from = *reached;
        *reached = from.max(end);
        let gap = start.map_or(0, |start| start.saturating_sub(from));
        if gap <= slack.noise {
            return;
        }
        if gap <= slack.total.saturating_sub(self.allowed) {
            self.allowed += gap;
        } else {
            self.leave_out(from, from + gap);
        }
    }

    /// Up to where each channel has results.
    pub(super) fn ends(&self) -> &[u64] {
        &self.ends
    }

    /// Up to where every channel has results.
    pub(super) fn end(&self) -> u64 {
        self.ends.iter().min().copied().unwrap_or(0)
    }

    /// How many bytes of the first `audio` ones every channel has results for.
    pub(super) fn covered(&self, audio: u64) -> u64 {
        let end = self.end().min(audio);
        let left_out = |&(from, to): &(u64, u64)| to.min(end).saturating_sub(from);
        end - self.gaps.iter().map(left_out).sum::<u64>()
    }

    /// The newest gap is mostly the last: others are joined with it, or with the ones it overlaps.
    fn leave_out(&mut self, from: u64, to: u64) {
        let place = self.gaps.partition_point(|gap| gap.0 <= from);
        self.gaps.insert(place, (from, to));
        self.gaps.dedup_by(|next, gap| {
            let is_one = next.0 <= gap.1;
            if is_one {
                gap.1 = gap.1.max(next.1);
            }
            is_one
        });
        if self.gaps.len() > GAPS_MAX
            && let Some(last) = self.gaps.pop()
            && let Some(gap) = self.gaps.last_mut()
        {
            gap.1 = last.1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: Slack = Slack { noise: 0, total: 0 };

    #[test]
    fn what_is_allowed_for_is_allowed_once_and_noise_always() {
        let mut coverage = Coverage::default();
        let slack = Slack { noise: 1, total: 10 };
        coverage.cover(0, 1, Some(8), 100, slack);
        coverage.cover(0, 1, Some(101), 200, slack);
        coverage.cover(0, 1, Some(208), 300, slack);
        assert_eq!(coverage.covered(300), 292);
    }

    #[test]
    fn an_absurd_end_is_an_end() {
        let mut coverage = Coverage::default();
        coverage.cover(0, 1, Some(0), u64::MAX, Slack { noise: 1, total: 10 });
        coverage.cover(0, 1, Some(u64::MAX), 10, Slack { noise: 1, total: 10 });
        assert_eq!(coverage.covered(300), 300);
    }

    #[test]
    fn results_that_follow_one_another_leave_nothing_out() {
        let mut coverage = Coverage::default();
        coverage.cover(0, 1, Some(0), 100, Slack { noise: 0, total: 5 });
        coverage.cover(0, 1, Some(104), 200, Slack { noise: 0, total: 5 });
        assert_eq!((coverage.end(), coverage.covered(150)), (200, 150));
    }

    #[test]
    fn a_gap_is_left_out_once_whatever_channel_it_is_in() {
        let mut coverage = Coverage::default();
        for channel in [0, 1] {
            coverage.cover(channel, 3, Some(0), 100, EXACT);
            coverage.cover(channel, 3, Some(150 + u64::from(channel) * 10), 300, EXACT);
        }
        assert_eq!(coverage.covered(300), 0, "the third channel has no result");
        coverage.cover(2, 3, Some(0), 250, EXACT);
        assert_eq!((coverage.end(), coverage.covered(300)), (250, 190));
    }

    #[test]
    fn gaps_beyond_the_bound_are_joined_and_never_claimed() {
        let mut coverage = Coverage::default();
        for result in 0..1000_u64 {
            coverage.cover(0, 1, Some(result * 10 + 5), result * 10 + 10, EXACT);
        }
        assert!(coverage.gaps.len() <= GAPS_MAX);
        assert!(coverage.covered(10_000) <= 5_000);
        assert!(coverage.covered(10_000) >= 5 * 63);
    }

    #[test]
    fn a_channel_beyond_the_bound_claims_nothing() {
        let mut coverage = Coverage::default();
        coverage.cover(70, 80, Some(0), 100, EXACT);
        assert_eq!(coverage.covered(100), 0);
    }
}
