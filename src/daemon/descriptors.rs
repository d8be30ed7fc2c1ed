//! How the process's file descriptors are divided, so that no shortage reaches the admin port, the
//! log or a dial that is under way: applications are refused before that.

use std::fs;

use rustix::process::{Resource, getrlimit};

use crate::telemetry::Telemetry;
use crate::telemetry::event::{Emit, SessionsCapped};

/// An application's connection and the connection to Deepgram.
pub(super) const PER_SESSION: usize = 2;

/// Connections of applications that are not sessions yet, or no longer.
const UNOPENED: usize = 128;

/// Kept back in any case: the two listeners, a connection accepted and not yet admitted, a dial's
/// further addresses, one lookup, the key file, a scrape's look at `/proc`, the collector.
const RESERVE: usize = 20;

/// Concurrent lookups, with the resolver's file and socket each. They are all for one name, so more
/// would not be faster.
const LOOKUPS: usize = 16;
const PER_LOOKUP: usize = 2;

/// Concurrent connections to the admin port: where there are plenty of descriptors, and where not.
const ADMIN: usize = 64;
const ADMIN_SCARCE: usize = 8;

/// What a runtime has open, rounded up, so that `doctor` counts as `run` does, which has more open.
const OPEN: usize = 16;

/// What a daemon needs besides its sessions, at most: those with few sessions need less.
pub(super) const BESIDES: usize = OPEN + RESERVE + ADMIN_SCARCE + UNOPENED;

/// Who may have how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptors {
    /// The process's limit.
    pub(super) limit: usize,
    pub(super) sessions_max: usize,
    /// Connections of applications at a time, sessions included.
    pub(super) connections_max: usize,
    pub(super) admin_max: usize,
    pub(super) lookups_max: usize,
}

impl Descriptors {
    /// Divides what this process has left, and says so if that is too little.
    pub(super) fn of_process(wanted: usize, telemetry: &Telemetry) -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let divided = Self::within(usize::try_from(limit).unwrap_or(usize::MAX), wanted);
        let Self { limit, sessions_max: sessions, .. } = divided;
        if sessions < wanted {
            SessionsCapped { sessions, wanted, limit }.emit(telemetry);
        }
        divided
    }

    /// Divides what this process has left of such a limit. What it inherited counts.
    pub(super) fn within(limit: usize, sessions_wanted: usize) -> Self {
        let open = fs::read_dir("/proc/self/fd").map_or(OPEN, Iterator::count);
        Self::divide(limit, open.max(OPEN), sessions_wanted)
    }

    fn divide(limit: usize, open: usize, sessions_wanted: usize) -> Self {
        let left = limit.saturating_sub(open + RESERVE);
        let unopened_wanted = sessions_wanted.saturating_add(UNOPENED);
        let wanted = sessions_wanted
            .saturating_mul(PER_SESSION)
            .saturating_add(unopened_wanted + ADMIN + LOOKUPS * PER_LOOKUP);
        if wanted <= left {
            return Self {
                limit,
                sessions_max: sessions_wanted,
                connections_max: sessions_wanted + unopened_wanted,
                admin_max: ADMIN,
                lookups_max: LOOKUPS,
            };
        }
        let left = left.saturating_sub(ADMIN_SCARCE);
        let unopened = (left / 8).clamp(1, UNOPENED);
        let fits = left.saturating_sub(unopened) / PER_SESSION;
        let sessions_max = fits.min(sessions_wanted).max(1);
        let rest = left.saturating_sub(sessions_max * PER_SESSION).max(1);
        Self {
            limit,
            sessions_max,
            connections_max: sessions_max + rest,
            admin_max: ADMIN_SCARCE,
            lookups_max: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_plenty_everybody_gets_what_they_want() {
        let plenty = Descriptors::divide(1 << 20, 15, 2_000);
        assert_eq!((plenty.sessions_max, plenty.connections_max), (2_000, 4_128));
        assert_eq!((plenty.admin_max, plenty.lookups_max), (ADMIN, LOOKUPS));
        assert_eq!(Descriptors::divide(usize::MAX, 15, 2_000).sessions_max, 2_000);
    }

    #[test]
    fn whatever_the_limit_all_together_fit_into_it() {
        for limit in 48..8_000 {
            for wanted in [1, 10, 500, 2_000] {
                let it = Descriptors::divide(limit, 15, wanted);
                let dials = it.sessions_max;
                let used = 15 + RESERVE + it.connections_max + dials + it.admin_max;
                assert!(used <= limit, "{it:?}");
                assert!((1..=wanted).contains(&it.sessions_max));
                assert!(it.connections_max > it.sessions_max, "somebody can be told: {it:?}");
            }
        }
    }

    #[test]
    fn what_is_needed_is_what_the_documents_say() {
        for sessions in [1, 10, 500, 2_000] {
            let limit = PER_SESSION * sessions + BESIDES;
            assert_eq!(Descriptors::divide(limit, OPEN, sessions).sessions_max, sessions);
        }
        assert!(Descriptors::divide(2 * 2_000 + BESIDES - 1, OPEN, 2_000).sessions_max < 2_000);
        let said = format!("and about {BESIDES} ");
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/");
        for page in ["deploy.md", "doctor.md"] {
            let text = fs::read_to_string(format!("{root}{page}")).unwrap();
            assert!(text.contains(&said), "{page} does not say {said:?}");
        }
    }

    #[test]
    fn the_usual_limits_leave_most_to_sessions() {
        assert_eq!(Descriptors::divide(1_024, 15, 2_000).sessions_max, 429);
        assert_eq!(Descriptors::divide(4_096, 15, 2_000).sessions_max, 1_962);
        assert_eq!(Descriptors::divide(64, 15, 2_000).sessions_max, 9);
    }
}
