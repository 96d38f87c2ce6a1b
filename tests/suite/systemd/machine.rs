//! A machine of its own for a test: systemd as process 1 of new namespaces, with sweepd installed as a packager does.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::units;
use crate::process::{Deadline, Process, find_program, skip};
use crate::stage::{LIMIT, Stage};

pub struct Machine {
    boot: Process,
    /// Process 1, as it is seen from outside.
    leader: u32,
    cgroup: String,
    /// Where its file system is mounted, which only it sees.
    _directory: TempDir,
}

impl Machine {
    /// None, with a printed reason, where this user or this machine cannot do that.
    pub fn boot() -> Option<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(1);
        if fs::metadata("/proc/self").map(|process| process.uid()).ok() != Some(0) {
            eprintln!("not run: only root can boot a systemd");
            return None;
        }
        let tools = ["unshare", "nsenter", "mount", "pivot_root", "systemctl"];
        if tools.iter().any(|tool| find_program(tool, &[]).is_none()) || !Path::new("/lib/systemd/systemd").exists() {
            skip("no systemd");
            return None;
        }
        let cgroup = format!("sweepd-test-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let directory = tempfile::tempdir().expect("a directory");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/systemd/boot.sh");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--uts", "--ipc", "--kill-child", "sh"]).arg(script);
        command.args([directory.path(), Path::new(&cgroup), &units::directory()]).arg(env!("CARGO_BIN_EXE_sweepd"));
        let mut boot = Process::spawn(command);
        let leader = leader(&mut boot)?;
        let machine = Self { boot, leader, cgroup, _directory: directory };
        machine.is_up().then_some(machine)
    }

    fn is_up(&self) -> bool {
        let deadline = Deadline::after(LIMIT);
        while !self
            .enter("systemctl is-system-running --quiet || systemctl --quiet is-active default.target")
            .status
            .success()
        {
            if deadline.has_passed() || !Path::new(&format!("/proc/{}", self.leader)).exists() {
                eprintln!("not run: systemd does not boot here:\n{}", self.boot.output());
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// Runs a line of shell inside.
    fn enter(&self, script: &str) -> std::process::Output {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.leader));
        command.args(["--mount", "--pid", "--uts", "--ipc", "--cgroup", "sh", "-c", script]);
        command.env_remove("NOTIFY_SOCKET").output().expect("nsenter starts")
    }

    /// Runs a line of shell inside, and returns what it prints.
    pub fn run(&self, script: &str) -> String {
        let output = self.enter(script);
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(
            output.status.success(),
            "{script}: {said}\n{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            self.log()
        );
        said
    }

    /// Whether a line of shell succeeds inside.
    pub fn succeeds(&self, script: &str) -> bool {
        self.enter(script).status.success()
    }

    /// Writes a file that only root can read.
    pub fn write(&self, path: &str, text: &str) {
        let inside = PathBuf::from(format!("/proc/{}/root{path}", self.leader));
        fs::create_dir_all(inside.parent().expect("a directory")).expect("a directory");
        let new = inside.with_extension("new");
        fs::write(&new, text).expect("a file");
        fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode");
        fs::rename(new, inside).expect("it takes its place");
    }

    /// Copies a file of this machine.
    pub fn copy(&self, file: &Path, path: &str) {
        fs::copy(file, format!("/proc/{}/root{path}", self.leader)).expect("a copy");
    }

    /// Installs the configuration of a stage for everybody to read, and the URL of its database as a credential.
    pub fn configure(&self, stage: &Stage, schedule: &str, limits: &str, rest: &str) {
        let text = fs::read_to_string(stage.configure(schedule, limits, rest)).expect("the configuration");
        let (url, others): (Vec<_>, Vec<_>) =
            text.lines().filter(|line| *line != "[database]").partition(|line| line.starts_with("url = "));
        self.write(
            "/etc/sweepd/credentials/database.url",
            url[0].trim_start_matches("url = ").trim_matches(['"', '\'']),
        );
        self.write("/etc/sweepd/sweepd.toml", &others.join("\n"));
        self.run("chmod 644 /etc/sweepd/sweepd.toml");
    }

    /// Adds lines to the service's unit.
    pub fn drop_in(&self, unit: &str, text: &str) {
        self.write(&format!("/etc/systemd/system/{unit}.d/test.conf"), text);
        self.run("systemctl daemon-reload");
    }

    /// A property of a unit.
    pub fn show(&self, unit: &str, property: &str) -> String {
        self.run(&format!("systemctl show --value --property={property} {unit}"))
    }

    /// Waits until a property of a unit is as wanted, and returns it.
    pub fn wait_for(&self, unit: &str, property: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Deadline::after(LIMIT);
        loop {
            let value = self.show(unit, property);
            if wanted(&value) {
                return value;
            }
            assert!(!deadline.has_passed(), "{property} of {unit} is {value:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a unit has logged that.
    pub fn wait_for_log(&self, text: &str) {
        let deadline = Deadline::after(LIMIT);
        while !self.log().contains(text) {
            assert!(!deadline.has_passed(), "no {text:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What all units have logged.
    pub fn log(&self) -> String {
        let log = self.enter("systemctl status --no-pager 'sweepd*'; journalctl --no-pager --output=cat --lines=60");
        String::from_utf8_lossy(&log.stdout).into_owned()
    }
}

/// The child of `unshare`, when it has become systemd.
fn leader(boot: &mut Process) -> Option<u32> {
    let deadline = Deadline::after(LIMIT);
    let children = format!("/proc/{0}/task/{0}/children", boot.id());
    loop {
        let child = fs::read_to_string(&children).ok().and_then(|children| children.trim().parse::<u32>().ok());
        let program = child.and_then(|child| fs::read_to_string(format!("/proc/{child}/comm")).ok());
        if program.is_some_and(|program| program.trim() == "systemd") {
            return child;
        }
        if deadline.has_passed() || boot.wait_timeout(Duration::from_millis(10)).is_some() {
            eprintln!("not run: this user or this machine may not boot a systemd:\n{}", boot.output());
            return None;
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.boot.signal("KILL");
        let _ = self.boot.wait_timeout(LIMIT);
        // Its cgroups are left, where anybody can see them.
        let script = "mount -t cgroup2 cgroup2 /mnt && for _ in 1 2 3 4 5 6 7 8 9 10; do
            find \"/mnt/$1\" -depth -type d -exec rmdir {} + 2>/dev/null; [ -d \"/mnt/$1\" ] || exit 0; sleep 0.1; done";
        let _ = Command::new("unshare").args(["--mount", "sh", "-c", script, "sh", &self.cgroup]).status();
    }
}
