//! The name of this machine.

/// What the system says.
#[must_use]
pub fn name() -> String {
    let from_system = from_system();
    if from_system.is_empty() { "unknown".to_owned() } else { from_system }
}

#[cfg(unix)]
fn from_system() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Windows tells each process.
#[cfg(not(unix))]
fn from_system() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}
