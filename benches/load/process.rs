//! What the kernel says a process has used.

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// CPU time so far and memory now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system time of all threads.
    pub(crate) cpu: Duration,
    /// Proportional set size: shared pages count by share.
    pub(crate) pss_kib: u64,
}

impl Usage {
    /// Reads `/proc`.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        Ok(Self { cpu: cpu(&stat)?, pss_kib: pss_kib(&rollup)? })
    }
}

fn cpu(stat: &str) -> anyhow::Result<Duration> {
    // The name in field 2 may hold spaces and parentheses; the rest is plain.
    let (_, fields) = stat.rsplit_once(')').context("no process name in /proc/PID/stat")?;
    let mut times = fields.split_whitespace().skip(UTIME - FIRST_AFTER_NAME);
    let mut ticks = || times.next().and_then(|ticks| ticks.parse::<u64>().ok());
    let (user, system) = ticks().zip(ticks()).context("no times in /proc/PID/stat")?;
    Ok(Duration::from_millis((user + system) * MILLIS_PER_TICK))
}

fn pss_kib(rollup: &str) -> anyhow::Result<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let value = line.and_then(|line| line.trim().strip_suffix("kB")).context("no Pss")?;
    Ok(value.trim().parse()?)
}

/// Field numbers as in proc(5).
const FIRST_AFTER_NAME: usize = 3;
const UTIME: usize = 14;

/// Linux tells user space 100 ticks a second on every architecture that we build for.
const MILLIS_PER_TICK: u64 = 10;
