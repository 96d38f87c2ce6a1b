//! The image's files as a container runtime runs them: read-only, as the image's user, as process 1.
//!
//! `tests/run --image` builds them and names their directory in `TEST_SWEEPD_IMAGE`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::{instruction, words};
use crate::http::tls::Certificate;
use crate::process::{Deadline, Process, find_program, send_signal};
use crate::servers::{Engine, PrivateServer};
use crate::stage::{EVERY_TWO_SECONDS, LIMIT, Stage};

/// What the image may weigh, unpacked.
const LARGEST: u64 = 25 << 20;

/// Does what a runtime does, and no more: namespaces of its own, `/proc`, the files for names and for secrets, and then
/// everything read-only. What is mounted is gone with the process.
const RUNTIME: &str = r#"
mount --bind "$ROOT" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount --bind "$MOUNTS/hosts" "$ROOT/etc/hosts"
mount --bind "$MOUNTS" "$ROOT/run/secrets"
mount -t tmpfs -o uid=65532,gid=65532 tmpfs "$ROOT/run/sweepd"
mount -o remount,bind,ro "$ROOT"
cd /
exec env -i "$@"
"#;

struct Image {
    root: TempDir,
    mounts: TempDir,
}

struct Container<'a> {
    process: Process,
    image: &'a Image,
    environment: Vec<String>,
}

impl Image {
    /// A copy, so that what a runtime adds does not become part of it. None where there is no image, or no root.
    fn unpacked() -> Option<Self> {
        let built = built()?;
        let (root, mounts) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let copied = Command::new("cp").arg("-a").arg(built.join(".")).arg(root.path()).status().expect("cp starts");
        assert!(copied.success());
        for directory in ["proc", "run/secrets"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        fs::write(root.path().join("etc/hosts"), "").unwrap();
        fs::write(mounts.path().join("hosts"), "127.0.0.1 localhost database.example.com\n").unwrap();
        for directory in [root.path(), mounts.path()] {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Some(Self { root, mounts })
    }

    fn mount(&self, name: &str, text: &str) {
        fs::write(self.mounts.path().join(name), text).unwrap();
    }

    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Container<'_> {
        let environment: Vec<_> = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", RUNTIME, "sh"]);
        command
            .args(&environment)
            .args(enter(self.root.path()))
            .args(words(&instruction("ENTRYPOINT")))
            .args(arguments);
        command.env("ROOT", self.root.path()).env("MOUNTS", self.mounts.path());
        Container { process: Process::spawn(command), image: self, environment }
    }

    /// Runs a command of the program to its end.
    fn call(&self, arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
        let mut container = self.run(arguments, environment);
        let code = container.process.exit_code(LIMIT);
        (code, container.process.output())
    }
}

impl Container<'_> {
    /// Process 1 as the host numbers it.
    fn init(&self) -> u32 {
        self.child().expect("it runs")
    }

    fn child(&self) -> Option<u32> {
        let id = self.process.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    /// Calls the program in the running container, as a health check is called.
    fn healthcheck(&self) -> (i32, String) {
        let check = instruction("HEALTHCHECK");
        let check = words(check.split_once("CMD").unwrap().1.trim());
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.init().to_string()).args(["--pid", "--mount", "env", "-i"]);
        command.args(&self.environment).args(enter(self.image.root.path())).args(check);
        let mut process = Process::spawn(command);
        let code = process.exit_code(LIMIT);
        (code, process.output().trim_end().to_owned())
    }

    /// What a runtime does to end it; ten seconds are what Docker gives.
    fn stop(&mut self) -> i32 {
        send_signal("TERM", self.init());
        self.process.exit_code(Duration::from_secs(10))
    }
}

/// Who changes to another user is no longer killed with its parent.
impl Drop for Container<'_> {
    fn drop(&mut self) {
        if let Some(init) = self.child() {
            send_signal("KILL", init);
        }
    }
}

/// Building takes minutes, and a target that cannot be had everywhere: so even where `CI` is set this is no failure.
fn built() -> Option<PathBuf> {
    let skip = |reason: &str| {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "skipped: {reason}");
        None
    };
    let Some(built) = std::env::var_os("TEST_SWEEPD_IMAGE").filter(|path| !path.is_empty()) else {
        return skip("the image is not built (`tests/run --image` builds it)");
    };
    let tools = ["unshare", "nsenter", "setpriv", "chroot"];
    if let Some(missing) = tools.into_iter().find(|name| tool(name).is_none()) {
        return skip(&format!("no {missing} found, which runs the image"));
    }
    let may = Command::new("unshare").args(["--mount", "--pid", "--fork", "true"]).output();
    if !may.is_ok_and(|done| done.status.success()) {
        return skip("only root may run the image");
    }
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join(built))
}

fn tool(name: &str) -> Option<PathBuf> {
    find_program(name, &["/usr/sbin".into(), "/sbin".into()])
}

/// Changes to the root and the user of the image, without a way to more privileges. What follows is looked for there.
fn enter(root: &Path) -> Vec<OsString> {
    let (setpriv, chroot) = (tool("setpriv").unwrap(), tool("chroot").unwrap());
    let user = format!("--userspec={}", instruction("USER"));
    let words: [&OsStr; 6] = [
        setpriv.as_ref(),
        "--no-new-privs".as_ref(),
        chroot.as_ref(),
        user.as_ref(),
        "--groups=".as_ref(),
        root.as_ref(),
    ];
    words.map(OsStr::to_owned).into()
}

/// All files below, with their sizes. Links count for nothing.
fn files(directory: &Path) -> Vec<(PathBuf, u64, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let (path, about) = entry.map(|entry| (entry.path(), entry.metadata().unwrap())).unwrap();
        if about.is_dir() {
            found.append(&mut files(&path));
        } else {
            found.push((path, if about.is_symlink() { 0 } else { about.len() }, about.permissions().mode()));
        }
    }
    found
}

#[test]
fn it_holds_one_program_and_is_small() {
    let Some(root) = built() else { return };
    let files = files(&root);
    let programs: Vec<_> = files.iter().filter(|(_, size, mode)| *size > 0 && mode & 0o111 != 0).collect();
    assert_eq!(programs.iter().map(|file| &file.0).collect::<Vec<_>>(), [&root.join("usr/bin/sweepd")]);
    let size: u64 = files.iter().map(|file| file.1).sum();
    assert!((1 << 20..LARGEST).contains(&size), "{size} bytes");
}

#[test]
fn it_knows_zones_and_its_user_may_write_nothing() {
    let Some(image) = Image::unpacked() else { return };
    let (code, said) =
        image.call(&["schedule", "daily at 02:00", "-z", "Europe/Dublin", "--from", "2026-07-01T00:00:00Z"], &[]);
    assert!(code == 0 && said.contains("02:00:00 +01:00  2026-07-01T01:00:00Z"), "{said}");
    let url = ("DATABASE_URL", "sqlite:/nowhere.db");
    let (code, said) = image.call(&["run"], &[url, ("SWEEPD_LOG__DIRECTORY", "/var/log/sweepd")]);
    assert!(code == 1 && said.contains("Read-only file system"), "{said}");
}

#[test]
fn the_daemon_sweeps_is_healthy_and_stops_within_the_grace_period() {
    let Some(image) = Image::unpacked() else { return };
    let Some(stage) = Stage::fresh(Engine::Postgres) else { return };
    stage.fill(500, 50);
    image.mount("database-url", &stage.database().url().replace("127.0.0.1", "database.example.com"));
    image.mount("cron-secret", "0123456789abcdef0123456789abcdef");
    let mut container = image.run(
        &["run"],
        &[
            ("SWEEPD_DATABASE__URL_FILE", "/run/secrets/database-url"),
            ("SWEEPD_HTTP__SOCKET", "/run/sweepd/http.sock"),
            ("SWEEPD_HTTP__SECRET_FILE", "/run/secrets/cron-secret"),
            ("SWEEPD_JOBS__SESSIONS__PRESET", "authjs-prisma"),
            ("SWEEPD_JOBS__SESSIONS__SCHEDULE", EVERY_TWO_SECONDS),
            ("SWEEPD_JOBS__SESSIONS__TIMEZONE", "America/New_York"),
        ],
    );
    stage.wait_until_swept(&mut container.process);
    assert_eq!(container.healthcheck(), (0, "ok: unix:/run/sweepd/http.sock/healthz".to_owned()));
    let status = fs::read_to_string(format!("/proc/{}/status", container.init())).unwrap();
    for line in
        ["NSpid:", "Uid:\t65532\t65532\t65532\t65532", "Groups:\t \n", "CapEff:\t0000000000000000", "NoNewPrivs:\t1"]
    {
        assert!(status.contains(line), "{line:?}: {status}");
    }
    assert!(status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")), "{status}");
    assert_eq!(container.stop(), 0, "{}", container.process.output());
    assert_eq!(stage.sessions(), (50, 0));
    assert_eq!(stage.assert_counts(500), 500);
}

#[test]
fn process_1_stops_before_its_database_is_there() {
    let Some(image) = Image::unpacked() else { return };
    image.mount("database-url", "postgresql://app:password@127.0.0.1:1/app");
    let mut container = image.run(&["run"], &[("SWEEPD_DATABASE__URL_FILE", "/run/secrets/database-url")]);
    container.process.wait_for_output("is ready", LIMIT);
    assert_eq!(container.healthcheck().0, 0, "HTTP is off");
    assert_eq!(container.stop(), 0, "{}", container.process.output());
}

/// The key has to be the server's own.
fn serve_tls(server: &PrivateServer, directory: &Path, certificate: &Certificate) {
    let owner = fs::metadata(directory.join("data")).unwrap();
    let admin = server.admin();
    for (name, file) in [("ssl_cert_file", &certificate.certificate), ("ssl_key_file", &certificate.key)] {
        let copy = directory.join(name);
        fs::copy(file, &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&copy, Some(owner.uid()), Some(owner.gid())).unwrap();
        admin.execute(&format!("ALTER SYSTEM SET {name} = '{}'", copy.display()));
    }
    admin.execute("ALTER SYSTEM SET ssl = on");
    admin.execute("SELECT pg_reload_conf()");
    let deadline = Deadline::after(LIMIT);
    while server.admin().texts("SHOW ssl") != [Some("on".to_owned())] {
        assert!(!deadline.has_passed(), "the server does not take the certificate");
    }
}

#[test]
fn it_reaches_a_database_that_wants_tls_and_proves_its_name() {
    let Some(image) = Image::unpacked() else { return };
    let directory = TempDir::new().unwrap();
    let Some(certificate) = Certificate::make(directory.path(), "127.0.0.1") else { return };
    let Some(server) = PrivateServer::start(Engine::Postgres) else { return };
    let stage = Stage::on(server.fresh());
    stage.fill(10, 5);
    serve_tls(&server, stage.database().socket_directory(), &certificate);
    image.mount("root.crt", &fs::read_to_string(&certificate.certificate).unwrap());
    let clean = |mode: &str| {
        image.mount("database-url", &format!("{}?sslmode={mode}", stage.database().url()));
        let preset = ("SWEEPD_JOBS__SESSIONS__PRESET", "authjs-prisma");
        image.call(&["clean"], &[("SWEEPD_DATABASE__URL_FILE", "/run/secrets/database-url"), preset])
    };
    let (code, said) = clean("verify-full");
    assert!(code == 1 && said.contains("certificate"), "no public authority knows it: {said}");
    let (code, said) = clean("verify-full&sslrootcert=/run/secrets/root.crt");
    assert_eq!(code, 0, "{said}");
    assert_eq!(stage.sessions(), (5, 0));
}
