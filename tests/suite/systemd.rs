//! systemd: the units, the protocol that tells a service manager how the daemon is, and both together under a real systemd.

mod boot;
mod machine;
mod manager;
mod notify;
mod page;
mod units;
