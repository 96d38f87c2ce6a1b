//! On what the measurements were made.

use std::fs;
use std::thread::available_parallelism;

/// One line for the head of the tables.
pub fn describe() -> String {
    let cores = available_parallelism().map_or(0, usize::from);
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory = field("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let gib = memory.unwrap_or(0) / (1 << 20);
    let version = env!("CARGO_PKG_VERSION");
    format!("Machine: {cores} cores ({processor}), {gib} GiB of memory, Linux {}; sweepd {version}", kernel.trim())
}

/// The text after `name:` in a file of such lines.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
