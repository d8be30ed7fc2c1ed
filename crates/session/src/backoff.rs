//! How long to wait before trying again: `min(2^k s + jitter, 32 s)` (contract, section 7).

use std::time::Duration;

/// Longest wait between two attempts.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(32);

/// The jitter's source: splitmix64, from a seed that the machine is given.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The wait after failure `k`, from 0.
    pub(crate) fn backoff(&mut self, k: u32) -> Duration {
        let exponential = Duration::from_secs(1_u64.checked_shl(k).unwrap_or(32).clamp(1, 32));
        (exponential + self.jitter()).min(BACKOFF_MAX)
    }

    /// 0 to 1 s, so that those refused together do not return together.
    fn jitter(&mut self) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        Duration::from_nanos(mixed % 1_000_000_000)
    }
}
