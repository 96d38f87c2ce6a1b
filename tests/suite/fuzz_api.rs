//! A public client that reads an `OpenAPI` document and tries everything that it promises, and everything that it does
//! not: schemathesis, in `tests/clients/schemathesis`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::http::called::{Called, LATER, SECRET};
use crate::process::{Process, find_program};
use crate::pypi;
use crate::servers::Engine;
use crate::stage::{LIMIT, Stage};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/schemathesis");

/// How many requests of each kind are made to each operation: some seconds for each.
const EXAMPLES: &str = "5";
/// More than it takes on a slow machine, for an API of some twenty operations.
const FUZZ_LIMIT: Duration = Duration::from_mins(3);

/// The client, installed.
#[derive(Clone)]
pub struct Schemathesis {
    program: PathBuf,
}

/// What the client found.
pub struct Findings {
    /// 0 when there is nothing to complain about, 1 when there is.
    pub status: i32,
    /// What it says, with a `curl` command for each finding.
    pub output: String,
}

impl Schemathesis {
    /// Installs the client below the target directory once; later calls, and offline ones, take it from there.
    /// `None`, with a printed reason, where it cannot be had; with `CI` set that is a failure instead.
    pub fn ready() -> Option<Self> {
        static READY: OnceLock<Option<Schemathesis>> = OnceLock::new();
        READY.get_or_init(|| Some(Self { program: pypi::programs("schemathesis")?.join("schemathesis") })).clone()
    }

    /// Tries the API that the document at `url` describes, with all checks and always the same requests. Each of them
    /// has the secret, but those that shall be refused. `options` are more of the client's own.
    pub fn fuzz(&self, url: &str, secret: &str, options: &[&str]) -> Findings {
        let mut command = Command::new(&self.program);
        command
            .arg("--config-file")
            .arg(Path::new(SOURCE).join("schemathesis.toml"))
            .args(["run", url, "--checks", "all", "--continue-on-failure", "--seed", "1"])
            .args([
                "--max-examples",
                EXAMPLES,
                "--request-timeout",
                "10",
                "--generation-database",
                "none",
                "--no-color",
            ])
            .arg("--header")
            .arg(format!("Authorization: Bearer {secret}"))
            // Who is refused is slowed down, up to five seconds for each call; `http::openapi` has each call refused once.
            .args(["--exclude-checks", "ignored_auth"])
            .args(options)
            .env("PYTHONUTF8", "1")
            // A proxy of the surroundings has no way to this machine.
            .env("NO_PROXY", "*")
            .env("no_proxy", "*");
        let mut client = Process::spawn(command);
        let status = client.exit_code(FUZZ_LIMIT);
        Findings { status, output: client.output() }
    }

    /// Fails with what the client found.
    pub fn assert_sound(&self, url: &str, secret: &str, options: &[&str]) {
        let Findings { status, output } = self.fuzz(url, secret, options);
        assert_eq!(status, 0, "{output}");
    }
}

#[test]
fn the_daemon_keeps_what_its_description_promises() {
    let Some(client) = Schemathesis::ready() else { return };
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    stage.fill(50, 50);
    stage.database().execute(
        "CREATE TABLE User (id TEXT PRIMARY KEY, name TEXT, email TEXT NOT NULL UNIQUE, role TEXT NOT NULL);
        INSERT INTO User VALUES ('ada', 'Ada', 'ada@example.com', 'USER'), ('bob', NULL, 'bob@example.com', 'ADMIN');
        CREATE TABLE carts (id INTEGER PRIMARY KEY, ends INTEGER NOT NULL);
        INSERT INTO carts VALUES (1, 1700000000), (2, 1700000001), (3, 4000000000)",
    );
    let carts = format!(
        "[jobs.carts]\nschedule = \"{LATER}\"\ntable = \"carts\"\nexpires_at = \"ends\"\nencoding = \"epoch-seconds\""
    );
    let mut called = Called::start(&stage, "", &carts);
    client.assert_sound(&called.url("/api/openapi.json"), SECRET, &[]);
    called.stop();
}

/// A small API of Python's own server, to try the client itself on.
#[test]
fn the_client_finds_an_answer_that_is_not_as_described() {
    const SECRET: &str = "a-secret-of-the-small-api";
    let Some(client) = Schemathesis::ready() else { return };
    let mut server = Command::new(find_program("python3", &[]).expect("the client's Python"));
    server.arg(Path::new(SOURCE).join("server.py")).env("SECRET", SECRET);
    let mut server = Process::spawn(server);
    server.wait_for_output("listening on http://127.0.0.1:", LIMIT);
    let url = server.stdout().split_whitespace().last().expect("a URL").to_owned();

    let found = client.fuzz(&format!("{url}/both.json"), SECRET, &[]);
    assert_eq!(found.status, 1, "{}", found.output);
    assert!(found.output.contains("_ GET /wrong _") && found.output.contains("violates schema"), "{}", found.output);
    assert!(!found.output.contains("_ GET /right _"), "{}", found.output);
    // Who is refused everything finds nothing wrong, and that must not pass.
    let refused = client.fuzz(&format!("{url}/right.json"), "another secret", &[]);
    assert_eq!(refused.status, 1, "{}", refused.output);
    client.assert_sound(&format!("{url}/right.json"), SECRET, &[]);
}
