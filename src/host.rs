//! The name of this machine.

/// What the system says.
#[must_use]
pub fn name() -> String {
    let from_system = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if from_system.is_empty() { "unknown".to_owned() } else { from_system }
}
