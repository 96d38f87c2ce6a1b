//! The units as systemd reads them, and what it thinks of how exposed they are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::process::{find_program, skip};

const SERVICES: [&str; 2] = ["sweepd.service", "sweepd-clean.service"];

pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

fn unit(name: &str) -> String {
    fs::read_to_string(directory().join(name)).expect("a unit")
}

/// A copy of the units whose program is there, with `drop_in` for the daemon.
fn installed(drop_in: Option<&str>) -> TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    for name in [&SERVICES[..], &["sweepd-clean.timer"]].concat() {
        let text = unit(name).replace("/usr/bin/sweepd", env!("CARGO_BIN_EXE_sweepd"));
        fs::write(copy.path().join(name), text).expect("a copy");
    }
    if let Some(drop_in) = drop_in {
        let place = copy.path().join("sweepd.service.d");
        fs::create_dir(&place).expect("a directory");
        fs::copy(directory().join(drop_in), place.join(drop_in)).expect("a copy");
    }
    copy
}

fn analyze(arguments: &[&str], files: &[PathBuf]) -> Option<Output> {
    if find_program("systemd-analyze", &[]).is_none() {
        skip("no systemd-analyze");
        return None;
    }
    Some(Command::new("systemd-analyze").args(arguments).args(files).output().expect("systemd-analyze starts"))
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}

#[test]
fn systemd_finds_nothing_wrong_with_them() {
    let copy = installed(Some("local-database.conf"));
    let files: Vec<_> = fs::read_dir(copy.path()).expect("files").map(|file| file.expect("a file").path()).collect();
    let files: Vec<_> = files.into_iter().filter(|file| file.is_file()).collect();
    assert_eq!(files.len(), 3);
    let Some(output) = analyze(&["verify", "--man=no", "--recursive-errors=one"], &files) else { return };
    assert!(output.status.success(), "{}", said(&output));
    // It can find something.
    fs::write(&files[0], fs::read_to_string(&files[0]).expect("a unit") + "\nNoSuchKey=yes\n").expect("a mistake");
    let output = analyze(&["verify", "--man=no", "--recursive-errors=one"], &files).expect("systemd-analyze");
    assert!(!output.status.success(), "{}", said(&output));
}

/// At most 1.2, and 1.0 with the drop-in: the threshold is in tenths of that.
#[test]
fn they_are_hardly_exposed() {
    let exposed = |name: &str, drop_in, threshold: &str| {
        let copy = installed(drop_in);
        let threshold = format!("--threshold={threshold}");
        let arguments = ["security", "--offline=true", "--no-pager", &threshold];
        analyze(&arguments, &[copy.path().join(name)])
    };
    for (name, drop_in, threshold) in [
        ("sweepd.service", None, "12"),
        ("sweepd-clean.service", None, "12"),
        ("sweepd.service", Some("local-database.conf"), "10"),
    ] {
        let Some(output) = exposed(name, drop_in, threshold) else { return };
        assert!(output.status.success(), "{name}: {}", said(&output));
    }
    let without = exposed("sweepd.service", None, "10").expect("systemd-analyze");
    assert!(!without.status.success(), "it makes a difference: {}", said(&without));
}

#[test]
fn the_one_shot_is_as_hardened_as_the_daemon() {
    let lines = |name| -> BTreeSet<String> {
        let text = unit(name);
        let from = text.split("# Secrets").nth(1).expect("the part about secrets");
        let part = from.split("[Install]").next().unwrap_or_default();
        part.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    };
    assert_eq!(lines(SERVICES[0]), lines(SERVICES[1]));
    assert!(lines(SERVICES[0]).len() > 30);
}
