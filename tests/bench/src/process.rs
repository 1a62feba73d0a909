//! What Linux tells of a process.

use std::time::Duration;

use anyhow::{Context, Result};

/// The memory of a process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// The most that ever was.
    pub most: u64,
}

/// The memory of a process now.
///
/// # Errors
/// If it is gone.
pub fn memory(pid: u32) -> Result<Memory> {
    read_memory(&std::fs::read_to_string(format!("/proc/{pid}/status"))?)
}

fn read_memory(status: &str) -> Result<Memory> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let bytes = kib.and_then(|kib| kib.trim().parse::<u64>().ok()).map(|kib| kib * 1024);
        bytes.with_context(|| format!("no `{name}`"))
    };
    Ok(Memory { resident: field("VmRSS:")?, most: field("VmHWM:")? })
}

/// The processor time of a process so far, user and system, all threads; in steps of 10 ms.
///
/// # Errors
/// If it is gone.
pub fn cpu(pid: u32) -> Result<Duration> {
    read_cpu(&std::fs::read_to_string(format!("/proc/{pid}/stat"))?)
}

fn read_cpu(stat: &str) -> Result<Duration> {
    // The name of the program may hold anything, parentheses too; what follows it is numbers.
    let (_, after) = stat.rsplit_once(')').context("odd /proc/<pid>/stat")?;
    let ticks = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().context("odd /proc/<pid>/stat"))
        .sum::<Result<u64>>()?;
    Ok(Duration::from_millis(ticks * 10)) // USER_HZ is 100 for every program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read() {
        let status = "Name:\tx\nVmPeak:\t   99 kB\nVmHWM:\t    5120 kB\nVmRSS:\t    4096 kB\n";
        assert_eq!(read_memory(status).unwrap(), Memory { resident: 4096 << 10, most: 5120 << 10 });
        assert!(read_memory("Name:\tx\n").is_err(), "a process that has ended has no memory");
    }

    #[test]
    fn time_is_read_whatever_the_program_is_called() {
        let stat = "4711 (a) b (c) S 1 4711 4711 0 -1 4194304 100 0 0 0 12 30 0 0 20 0 1 0 5 6 7";
        assert_eq!(read_cpu(stat).unwrap(), Duration::from_millis(420));
        assert!(read_cpu("4711 (x").is_err());
    }

    #[test]
    fn this_process_has_both() {
        assert!(memory(std::process::id()).unwrap().resident > 0);
        cpu(std::process::id()).unwrap();
    }
}
