//! The application at the other end: Auth.js's own adapter over Prisma's real client, in `tests/clients/prisma`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::process::{find_program, skip};

/// What `prisma migrate dev` writes for the schema.
pub const MIGRATION: &str = include_str!("../clients/prisma/prisma/migrations/0001_init/migration.sql");

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/prisma");
const INSTALLED: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/prisma-client");

/// Everything that decides what `npm ci` and `prisma generate` produce.
const INPUTS: [&str; 4] = [".npmrc", "package.json", "package-lock.json", "prisma/schema.prisma"];
const SCRIPTS: [&str; 3] = ["client.mjs", "write-sessions.mjs", "check.mjs"];

/// The client, installed and generated.
#[derive(Clone)]
pub struct PrismaClient {
    directory: PathBuf,
}

impl PrismaClient {
    /// Installs the client below the target directory once; later calls, and offline ones, take it from there.
    /// `None`, with a printed reason, where it cannot be had; with `CI` set that is a failure instead.
    pub fn ready() -> Option<Self> {
        static READY: OnceLock<Option<PrismaClient>> = OnceLock::new();
        READY
            .get_or_init(|| match install(Path::new(INSTALLED)) {
                Ok(()) => Some(Self { directory: INSTALLED.into() }),
                Err(reason) => {
                    skip(&format!("no Prisma client: {reason}"));
                    None
                }
            })
            .clone()
    }

    /// Lets the application write sessions. The answer holds the counts: see `write-sessions.mjs`.
    pub fn write(&self, url: &str, expired: usize, live: usize) -> Value {
        self.run("write-sessions.mjs", url, &[expired.to_string(), live.to_string()])
    }

    /// What the application sees: its sessions and the newest rows of its audit log. See `check.mjs`.
    pub fn check(&self, url: &str) -> Value {
        self.run("check.mjs", url, &[])
    }

    fn run(&self, script: &str, url: &str, arguments: &[String]) -> Value {
        let output = Command::new("node")
            .arg(script)
            .args(arguments)
            .current_dir(&self.directory)
            .env("DATABASE_URL", url)
            .output()
            .expect("node starts");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("the script prints JSON")
    }
}

/// Test processes that run at the same time install once: the others wait for the lock.
fn install(directory: &Path) -> Result<(), String> {
    node_is_recent()?;
    fs::create_dir_all(directory.join("prisma")).expect("a directory below target");
    let lock = File::create(directory.join("lock")).expect("a lock file");
    lock.lock().expect("a lock");

    let stamp = directory.join("installed");
    let wanted = copy(directory);
    if fs::read(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let _ = fs::remove_file(&stamp);
    // The packages' own install scripts only fetch engines that this client does not use.
    npm(directory, &["ci", "--ignore-scripts", "--prefer-offline"])?;
    npm(directory, &["exec", "--offline", "--", "prisma", "generate"])?;
    fs::write(&stamp, wanted).expect("a stamp file");
    Ok(())
}

/// Copies the sources, and returns what identifies an installation made from them.
fn copy(directory: &Path) -> Vec<u8> {
    for file in INPUTS.iter().chain(&SCRIPTS) {
        fs::copy(Path::new(SOURCE).join(file), directory.join(file)).expect("a source file");
    }
    INPUTS.iter().flat_map(|file| fs::read(directory.join(file)).expect("a copied file")).collect()
}

fn npm(directory: &Path, arguments: &[&str]) -> Result<(), String> {
    // Prisma would fetch its migration engine for every command, though generating does not run it.
    let unused = find_program("true", &[]).ok_or("no program `true`")?;
    let output = Command::new("npm")
        .args(arguments)
        .current_dir(directory)
        .env("PRISMA_SCHEMA_ENGINE_BINARY", unused)
        .env("CHECKPOINT_DISABLE", "1")
        .env("PRISMA_HIDE_UPDATE_MESSAGE", "1")
        // The default waits more than a minute for a registry that cannot be reached.
        .env("npm_config_fetch_retry_mintimeout", "1000")
        .env("npm_config_fetch_retry_maxtimeout", "5000")
        .env("npm_config_audit", "false")
        .env("npm_config_fund", "false")
        .env("npm_config_update_notifier", "false")
        .output()
        .map_err(|error| format!("npm does not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<_> = words.lines().filter(|line| !line.starts_with("npm warn")).collect();
    Err(format!("npm {}: {}", arguments[0], errors.join("\n")))
}

/// Prisma 7 needs Node.js 20.19, 22.12 or 24.
fn node_is_recent() -> Result<(), String> {
    let output =
        Command::new("node").arg("--version").output().map_err(|error| format!("node does not start: {error}"))?;
    let version = String::from_utf8_lossy(&output.stdout);
    let mut numbers = version.trim().trim_start_matches('v').split('.');
    let mut next = || numbers.next().and_then(|part| part.parse::<u32>().ok());
    match (next(), next()) {
        (Some(major), Some(minor)) if (major, minor) >= (20, 19) => Ok(()),
        _ => Err(format!("Node.js {} is older than 20.19", version.trim())),
    }
}
