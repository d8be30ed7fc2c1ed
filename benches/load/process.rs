//! Processes under measurement, and what the kernel says they have used.

use std::ffi::OsStr;
use std::fs;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context;
use tokio::process::Command;

/// Field numbers as in proc(5).
const FIRST_AFTER_NAME: usize = 3;
const UTIME: usize = 14;

/// Linux tells user space 100 ticks a second on every architecture that we build for.
const MILLIS_PER_TICK: u64 = 10;

/// User and system time of all threads so far.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in field 2 may hold spaces and parentheses; the rest is plain.
    let (_, fields) = stat.rsplit_once(')').context("no process name in /proc/PID/stat")?;
    let mut times = fields.split_whitespace().skip(UTIME - FIRST_AFTER_NAME);
    let mut ticks = || times.next().and_then(|ticks| ticks.parse::<u64>().ok());
    let (user, system) = ticks().zip(ticks()).context("no times in /proc/PID/stat")?;
    Ok(Duration::from_millis((user + system) * MILLIS_PER_TICK))
}

/// Proportional set size in KiB: shared pages count by share, the kernel's socket buffers not.
pub(crate) fn pss_kib(pid: u32) -> anyhow::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let value = line.and_then(|line| line.trim().strip_suffix("kB")).context("no Pss")?;
    Ok(value.trim().parse()?)
}

/// A command that will run on the machine's last core alone. On a machine with one core, or
/// without `taskset`, it runs wherever the kernel likes.
pub(crate) fn pinned(program: impl AsRef<OsStr>) -> Command {
    let cores = available_parallelism().map_or(1, usize::from);
    let has_taskset = std::process::Command::new("taskset").arg("--version").output().is_ok();
    if cores == 1 || !has_taskset {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.arg("--cpu-list").arg((cores - 1).to_string()).arg(program);
    command
}
