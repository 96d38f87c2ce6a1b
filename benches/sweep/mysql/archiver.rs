//! `pt-archiver`, from Debian's package percona-toolkit.

use std::process::{Command, Stdio};

use sweepd::clock::Stopwatch;
use url::Url;

use crate::process::find_program;
use crate::servers::TestDatabase;
use crate::strategy::Measured;

/// What its documentation gives for a purge in batches.
const OPTIONS: [&str; 5] = ["--purge", "--limit=1000", "--bulk-delete", "--commit-each", "--no-check-charset"];

pub fn is_installed() -> bool {
    find_program("pt-archiver", &[]).is_some()
}

/// For the head of the table.
pub fn describe() -> String {
    if !is_installed() {
        return "pt-archiver is not installed (package percona-toolkit) and left out".to_owned();
    }
    let said = Command::new("pt-archiver").arg("--version").output().expect("pt-archiver starts");
    format!("{}: `{}`", String::from_utf8_lossy(&said.stdout).trim(), OPTIONS.join(" "))
}

/// Deletes what the condition matches, which is `expired` rows. The time is that of the whole program.
pub fn purge(database: &TestDatabase, condition: &str, expired: u64) -> Measured {
    let url = Url::parse(database.url()).expect("a URL");
    let (host, port) = (url.host_str().expect("a host"), database.port());
    let (user, password) = (url.username(), url.password().unwrap_or_default());
    let source = format!("h={host},P={port},u={user},p={password},D={},t=Session", database.name());
    let watch = Stopwatch::start();
    let status = Command::new("pt-archiver")
        .args(["--source", &source, "--where", condition])
        .args(OPTIONS)
        .stdin(Stdio::null())
        .status()
        .expect("pt-archiver starts");
    assert!(status.success(), "pt-archiver: {status}");
    Measured { rows: expired, time: watch.elapsed(), ..Measured::default() }
}
