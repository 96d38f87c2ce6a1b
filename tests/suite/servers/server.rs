//! The processes behind the test databases. `server.sh` runs the server and ends it with the test process.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::{Engine, Session};
use crate::process::{Deadline, find_program, skip};

/// Slow machines install and start several servers at once.
const START_LIMIT: Duration = Duration::from_secs(90);

/// The user that owns every test database; `server.sh` or `launch` creates it.
pub const APP_USER: &str = "app";

pub struct Server {
    pub engine: Engine,
    pub directory: PathBuf,
    pub port: u16,
    pub password: String,
    pub admin_password: String,
    guard: Mutex<Child>,
}

struct Programs {
    server: PathBuf,
    install: PathBuf,
}

impl Server {
    /// Installs and starts a server, or says why there is none. `tuning` is more options for it, parted by spaces.
    pub fn start(engine: Engine, tuning: &str) -> Option<Self> {
        let Some(programs) = Programs::find(engine) else {
            let name = match engine {
                Engine::Postgres => "PostgreSQL",
                _ => "MariaDB",
            };
            skip(&format!("no {name} server found"));
            return None;
        };
        Some(Self::launch_somewhere(engine, &programs, tuning, None))
    }

    /// A standby of this PostgreSQL server, which has its roles and databases.
    pub fn start_standby(&self, tuning: &str) -> Self {
        let programs = Programs::find(self.engine).expect("the primary's programs");
        // Beside the real one, not beside a link to it.
        let install =
            fs::canonicalize(&programs.install).expect("an installed program").with_file_name("pg_basebackup");
        let programs = Programs { install, ..programs };
        Self::launch_somewhere(self.engine, &programs, tuning, Some(self))
    }

    fn launch_somewhere(engine: Engine, programs: &Programs, tuning: &str, primary: Option<&Self>) -> Self {
        // Another process may take the port between our look and the server's start.
        let server = (0..5).find_map(|_| Self::launch(engine, programs, tuning, primary).ok());
        server.expect("a free port for the server")
    }

    fn launch(engine: Engine, programs: &Programs, tuning: &str, primary: Option<&Self>) -> Result<Self, PortTaken> {
        let directory = TempDir::with_prefix("sweepd-").expect("a temporary directory");
        let port = free_port();
        // Random passwords: a test never takes another process's server for its own.
        let secret = directory.path().file_name().unwrap().to_string_lossy();
        let (password, admin_password) = match primary {
            Some(primary) => (primary.password.clone(), primary.admin_password.clone()),
            None => (format!("app-{secret}"), format!("admin-{secret}")),
        };
        let primary_url = primary.map(|primary| primary.admin_url(None)).unwrap_or_default();
        let guard = guard_command(engine, programs, directory.path())
            .env("PORT", port.to_string())
            .env("APP", &password)
            .env("ADMIN", &admin_password)
            .env("TUNING", tuning)
            .env("PRIMARY", &primary_url)
            .spawn()
            .expect("sh starts");
        let server = Self {
            engine,
            port,
            password,
            admin_password,
            guard: Mutex::new(guard),
            // From here on the guard removes it.
            directory: directory.keep(),
        };
        server.wait_until_ready(0)?;
        if engine == Engine::Postgres && primary.is_none() {
            Session::open(engine, &server.admin_url(None))
                .execute(&format!("CREATE ROLE {APP_USER} LOGIN PASSWORD '{}'", server.password));
        }
        Ok(server)
    }

    pub fn url(&self, user: &str, password: &str, database: Option<&str>) -> String {
        let (scheme, default) = match self.engine {
            Engine::Postgres => ("postgresql", "postgres"),
            _ => ("mysql", "mysql"),
        };
        let database = database.unwrap_or(default);
        format!("{scheme}://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    pub fn admin_url(&self, database: Option<&str>) -> String {
        let user = match self.engine {
            Engine::Postgres => "postgres",
            _ => "admin",
        };
        self.url(user, &self.admin_password, database)
    }

    /// Sends a signal to the server and waits for its end.
    pub fn end(&self, signal: &str) {
        let mut guard = self.guard.lock().unwrap();
        order(&mut guard, signal);
        let answers = guard.stdout.as_mut().expect("a piped output");
        let mut answer = String::new();
        BufReader::new(answers).read_line(&mut answer).unwrap();
        assert_eq!(answer, "gone\n", "the guard of the server has ended");
    }

    pub fn restart(&self) {
        // After a crash the last processes of the old PostgreSQL may still hold its memory: try again.
        for _ in 0..100 {
            let seen = self.log().len();
            order(&mut self.guard.lock().unwrap(), "start");
            if self.wait_until_ready(seen).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the server does not start again:\n{}", self.log());
    }

    /// `seen` is the length of the log before this start.
    fn wait_until_ready(&self, seen: usize) -> Result<(), PortTaken> {
        let deadline = Deadline::after(START_LIMIT);
        while let Err(error) = Session::try_open(self.engine, &self.admin_url(None)) {
            let log = self.log();
            if log.get(seen..).is_some_and(|new| new.contains("in use")) {
                return Err(PortTaken);
            }
            let ended = self.guard.lock().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && !deadline.has_passed(),
                "the {:?} server does not start: {error}\n{log}",
                self.engine
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn log(&self) -> String {
        let bytes = fs::read(self.directory.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let guard = self.guard.get_mut().unwrap();
        // `wait` closes the guard's input, which is the order to clean up.
        let _ = guard.wait();
        // A guard that failed early has left the directory.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Lacks only the port and the passwords.
fn guard_command(engine: Engine, programs: &Programs, directory: &Path) -> Command {
    // A copy, because the unprivileged account may not be able to read the checkout.
    let script = directory.join("server.sh");
    fs::write(&script, include_str!("server.sh")).expect("a file in the directory");
    let mut command = Command::new("sh");
    command
        .arg(&script)
        .env("ENGINE", format!("{engine:?}").to_lowercase())
        .env("SERVER_PROGRAM", &programs.server)
        .env("INSTALL_PROGRAM", &programs.install)
        .env("DIR", directory)
        .env("LC_ALL", "C")
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Ctrl-C is for the tests; the guard follows when they have ended.
        .process_group(0);
    as_unprivileged(&mut command, directory);
    command
}

/// The port, or on a restart the data, is still held by another process.
struct PortTaken;

fn order(guard: &mut Child, word: &str) {
    let input = guard.stdin.as_mut().expect("a piped input");
    writeln!(input, "{word}").expect("the guard of the server listens");
}

impl Programs {
    fn find(engine: Engine) -> Option<Self> {
        let (server, install) = match engine {
            Engine::Postgres => ("postgres", "initdb"),
            _ => ("mariadbd", "mariadb-install-db"),
        };
        let directories = engine.directories();
        Some(Self { server: find_program(server, &directories)?, install: find_program(install, &directories)? })
    }
}

impl Engine {
    /// Where distributions keep servers that are not on every user's PATH; the newest version first.
    fn directories(self) -> Vec<PathBuf> {
        if self != Self::Postgres {
            return vec!["/usr/sbin".into(), "/usr/local/sbin".into()];
        }
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        let mut found: Vec<_> = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
        found.sort();
        found.reverse();
        found
    }
}

/// A port outside the range from which the system takes ports for outgoing connections: a stopped server finds its
/// own port free again. Processes start at different places, so that they seldom meet.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id() * 61;
    (0..10_000)
        .map(|_| start + NEXT.fetch_add(1, Ordering::Relaxed))
        .map(|number| u16::try_from(20_000 + number % 12_000).expect("below 32,000"))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port")
}

/// Database servers refuse to run as root: take an account that exists on every system, and give it the directory.
fn as_unprivileged(command: &mut Command, directory: &Path) {
    let is_root = fs::metadata(directory).is_ok_and(|metadata| metadata.uid() == 0);
    if is_root {
        let (uid, gid) = unprivileged_account().expect("the account `nobody` in /etc/passwd");
        chown(directory, Some(uid), Some(gid)).expect("root may give a directory away");
        command.uid(uid).gid(gid);
    }
}

fn unprivileged_account() -> Option<(u32, u32)> {
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    let find = |name: &str| {
        let line = accounts.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    ["postgres", "mysql", "nobody"].into_iter().find_map(find)
}
