//! The Debian package, installed and purged in a root directory of its own. The scripts of the package run outside of
//! it, with `DPKG_ROOT` set, so that neither this machine is changed nor a whole system needed.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{have, house, printed, run};
use crate::process::{skip, sweepd};

const TOOLS: [&str; 6] = ["dpkg", "dpkg-deb", "lintian", "strip", "deb-systemd-helper", "fakeroot"];

/// A root directory with nothing but dpkg's own books.
struct Root(TempDir);

impl Root {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let books = root.path().join("var/lib/dpkg");
        for folder in ["info", "updates"] {
            fs::create_dir_all(books.join(folder)).unwrap();
        }
        fs::write(books.join("status"), "").unwrap();
        Self(root)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What dpkg prints. libc6 is not in there, and nothing needs it.
    fn dpkg(&self, arguments: &[&str]) -> String {
        let mut dpkg = Command::new("fakeroot");
        dpkg.args(["dpkg", "--force-script-chrootless", "--force-not-root", "--force-depends", "--force-bad-path"]);
        dpkg.arg(format!("--root={}", self.0.path().display()));
        dpkg.arg(format!("--log={}", self.path("log").display())).args(arguments);
        printed(&mut dpkg)
    }

    fn mode(&self, name: &str) -> u32 {
        let file = fs::metadata(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        file.permissions().mode() & 0o7777
    }

    fn has(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }
}

fn made(directory: &Path) -> Option<PathBuf> {
    if !have(&TOOLS) {
        return None;
    }
    if !run(Command::new("cargo").args(["deb", "--version"])).status.success() {
        skip("no cargo-deb; cargo install cargo-deb --locked");
        return None;
    }
    let mut build = Command::new(house().join("debian/build"));
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    build.args([profile, "--fast", "--output"]).arg(directory.join("sweepd.deb")).env("SWEEPD_BUILT", "1");
    printed(&mut build);
    Some(directory.join("sweepd.deb"))
}

fn check_files(root: &Root) {
    for (file, mode) in [
        ("usr/bin/sweepd", 0o755),
        ("usr/lib/systemd/system/sweepd.service", 0o644),
        ("usr/share/man/man1/sweepd.1.gz", 0o644),
        ("usr/share/man/man1/sweepd-clean.1.gz", 0o644),
        ("usr/share/bash-completion/completions/sweepd", 0o644),
        ("usr/share/zsh/vendor-completions/_sweepd", 0o644),
        ("usr/share/fish/vendor_completions.d/sweepd.fish", 0o644),
        ("usr/share/doc/sweepd/copyright", 0o644),
        ("usr/share/doc/sweepd/changelog.Debian.gz", 0o644),
        ("usr/share/doc/sweepd/README.Debian", 0o644),
        ("usr/share/doc/sweepd/README.md", 0o644),
        ("usr/share/doc/sweepd/docs/README.md", 0o644),
        ("usr/share/doc/sweepd/docs/operations.md", 0o644),
        ("usr/share/doc/sweepd/deploy/sql/postgres.sql", 0o644),
        ("usr/share/doc/sweepd/examples/sweepd.toml", 0o644),
        ("etc/sweepd/sweepd.toml", 0o644),
        ("etc/sweepd/credentials", 0o700),
    ] {
        assert_eq!(root.mode(file), mode, "{file}");
    }
    for unit in fs::read_dir(house().join("systemd")).unwrap().map(|unit| unit.unwrap().path()) {
        let name = unit.file_name().unwrap().to_str().unwrap().to_owned();
        let is_example = unit.extension().is_some_and(|extension| extension == "conf");
        let folder = if is_example { "usr/share/doc/sweepd/examples" } else { "usr/lib/systemd/system" };
        let installed = fs::read(root.path(folder).join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(installed, fs::read(&unit).unwrap(), "{name}");
    }
}

/// Neither now nor at the next boot anything runs, and what would run deletes nothing.
fn check_that_nothing_is_done_unasked(root: &Root) {
    assert!(!root.has("etc/systemd/system"), "a unit is enabled");
    let config = root.path("etc/sweepd/sweepd.toml");
    let database = format!("sqlite:{}?mode=rwc", root.path("app.db").display());
    let with_config = |arguments: &[&str]| {
        let mut command = sweepd();
        command.arg("--config").arg(&config).args(arguments);
        command
    };
    let cleaned = printed(with_config(&["clean"]).env("SWEEPD_DATABASE__URL", database));
    assert_eq!(cleaned, "No job is enabled.\n");
    // Without a database, the code of a wrong configuration: the unit does not start again then.
    let started = run(&mut with_config(&["run"]));
    assert_eq!(started.status.code(), Some(2), "{started:?}");
    let unit = fs::read_to_string(root.path("usr/lib/systemd/system/sweepd.service")).unwrap();
    assert!(unit.contains("\nRestartPreventExitStatus=2\n"), "{unit}");
}

fn check_the_unit(root: &Root) {
    if !have(&["systemd-analyze"]) {
        return;
    }
    let unit = fs::read_to_string(root.path("usr/lib/systemd/system/sweepd.service")).unwrap();
    let program = root.path("usr/bin/sweepd");
    let copy = root.path("sweepd.service");
    fs::write(&copy, unit.replace("=/usr/bin/sweepd", &format!("={}", program.display()))).unwrap();
    let verified = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&copy));
    let found = String::from_utf8_lossy(&verified.stderr).into_owned();
    // What other units of the machine say is not about ours.
    assert!(verified.status.success() && !found.contains("sweepd"), "{found}");
}

/// What the service leaves behind, as systemd makes it for a user that changes.
fn use_it(root: &Root) {
    for folder in ["var/lib", "var/log"] {
        fs::create_dir_all(root.path(folder).join("private/sweepd")).unwrap();
        fs::write(root.path(folder).join("private/sweepd/file"), "rows").unwrap();
        symlink("private/sweepd", root.path(folder).join("sweepd")).unwrap();
    }
    fs::write(root.path("etc/sweepd/credentials/database.url"), "postgresql://localhost/app").unwrap();
    fs::write(root.path("etc/sweepd/sweepd.toml"), "# mine\n").unwrap();
}

fn check_that_all_is_kept(root: &Root, when: &str) {
    assert_eq!(fs::read_to_string(root.path("etc/sweepd/sweepd.toml")).unwrap(), "# mine\n", "{when}");
    assert!(root.has("etc/sweepd/credentials/database.url") && root.has("var/lib/sweepd/file"), "{when}");
}

#[test]
fn the_debian_package_installs_is_inert_and_goes_without_a_trace() {
    let directory = tempfile::tempdir().unwrap();
    let Some(package) = made(directory.path()) else { return };
    let package = package.to_str().unwrap();
    let lintian = run(Command::new("lintian").args(["--allow-root", "--fail-on", "error", package]));
    assert!(lintian.status.success(), "{}", String::from_utf8_lossy(&lintian.stdout));
    let root = Root::new();
    assert!(root.dpkg(&["--install", package]).contains("not started"));
    check_files(&root);
    check_that_nothing_is_done_unasked(&root);
    check_the_unit(&root);
    use_it(&root);
    assert!(!root.dpkg(&["--install", package]).contains("not started"), "an upgrade is no first installation");
    check_that_all_is_kept(&root, "after an upgrade");
    root.dpkg(&["--remove", "sweepd"]);
    assert!(!root.has("usr/bin/sweepd"));
    check_that_all_is_kept(&root, "after a removal");
    root.dpkg(&["--purge", "sweepd"]);
    for gone in
        ["etc/sweepd", "var/lib/sweepd", "var/lib/private/sweepd", "var/log/sweepd", "var/log/private/sweepd", "usr"]
    {
        assert!(!root.has(gone), "{gone} is still there");
    }
}
