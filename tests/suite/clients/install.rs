//! The packages of the clients, installed once below the target directory. Later calls, and offline ones, find them there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::process::{find_program, skip};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");
const INSTALLED: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/clients");

/// Where the clients are, with the packages of those that run on Node.js. `None`, with a printed reason, where they
/// cannot be had; with `CI` set that is a failure instead.
pub fn node() -> Option<&'static Path> {
    static READY: OnceLock<Option<PathBuf>> = OnceLock::new();
    READY.get_or_init(|| or_skip("Node.js clients", install_node)).as_deref()
}

/// The same, with all that the other clients need too.
pub fn everything() -> Option<&'static Path> {
    static READY: OnceLock<Option<PathBuf>> = OnceLock::new();
    READY.get_or_init(|| node().and_then(|_| or_skip("clients", install_others))).as_deref()
}

fn or_skip(what: &str, install: fn(&Path) -> Result<(), String>) -> Option<PathBuf> {
    let directory = PathBuf::from(INSTALLED);
    fs::create_dir_all(&directory).expect("a directory below target");
    // Test processes that run at the same time install once: the others wait for the lock.
    let lock = File::create(directory.join("lock")).expect("a lock file");
    lock.lock().expect("a lock");
    match install(&directory) {
        Ok(()) => Some(directory),
        Err(reason) => {
            skip(&format!("no {what}: {reason}"));
            None
        }
    }
}

fn install_node(directory: &Path) -> Result<(), String> {
    node_is_recent()?;
    copy(Path::new(SOURCE), directory);
    let packages =
        [".npmrc", "package.json", "package-lock.json", "prisma/generate.mjs", "prisma/prisma/schema.prisma"];
    step(directory, "node_modules", &packages, || {
        // The packages' own install scripts only fetch what these clients do not use, or cannot be fetched everywhere.
        run(directory, "npm", &["ci", "--ignore-scripts", "--prefer-offline"])?;
        run(&directory.join("prisma"), "node", &["generate.mjs"])
    })
}

fn install_others(directory: &Path) -> Result<(), String> {
    step(directory, "better-sqlite3", &["package-lock.json"], || build_sqlite(directory))?;
    let sources = ["tower-sessions/Cargo.lock", "tower-sessions/src/main.rs"];
    step(directory, "tower-sessions", &sources, || {
        run(&directory.join("tower-sessions"), env!("CARGO"), &["build", "--locked", "--target-dir", "target"])
    })?;
    step(directory, "django", &["django/requirements.txt"], || {
        run(directory, "python3", &["-m", "venv", "--clear", "venv"])?;
        let requirements = ["install", "--no-deps", "--requirement", "django/requirements.txt"];
        run(directory, "venv/bin/pip", &requirements)
    })
}

/// Its ready-made binary is on a host that not everybody reaches. A debug build, because it takes half the time.
fn build_sqlite(directory: &Path) -> Result<(), String> {
    let node = find_program("node", &[]).ok_or("no program `node`")?;
    let node = fs::canonicalize(node).map_err(|error| error.to_string())?;
    let home = node.parent().and_then(Path::parent).unwrap_or(Path::new("/usr"));
    let headers = format!("--nodedir={}", home.display());
    run(&directory.join("node_modules/better-sqlite3"), "npm", &["run", "build-debug", &headers])
}

/// Does something once, and again when one of the files that it depends on has changed.
pub fn step(
    directory: &Path,
    name: &str,
    inputs: &[&str],
    work: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let stamp = directory.join(format!("{name}.installed"));
    let read = |file: &&str| fs::read(directory.join(file)).expect("a copied file");
    let wanted: Vec<u8> = inputs.iter().flat_map(read).collect();
    if fs::read(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let _ = fs::remove_file(&stamp);
    work()?;
    fs::write(stamp, wanted).expect("a stamp file");
    Ok(())
}

/// Files that are the same stay untouched: a client of another test process may be reading them.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("the clients") {
        let (from, name) = entry.map(|entry| (entry.path(), entry.file_name())).expect("a file");
        let to = to.join(&name);
        if from.is_dir() {
            if !matches!(name.to_str(), Some("node_modules" | "generated" | "target" | "__pycache__")) {
                copy(&from, &to);
            }
            continue;
        }
        let wanted = fs::read(&from).expect("a source file");
        if !fs::read(&to).is_ok_and(|found| found == wanted) {
            fs::write(&to, wanted).expect("a copied file");
        }
    }
}

pub fn run(directory: &Path, program: &str, arguments: &[&str]) -> Result<(), String> {
    // Prisma would fetch its migration engine for every command, though generating does not run it.
    let unused = find_program("true", &[]).ok_or("no program `true`")?;
    let program = if program.contains('/') { directory.join(program) } else { program.into() };
    let output = Command::new(&program)
        .args(arguments)
        .current_dir(directory)
        .env("PRISMA_SCHEMA_ENGINE_BINARY", unused)
        .env("CHECKPOINT_DISABLE", "1")
        .env("PRISMA_HIDE_UPDATE_MESSAGE", "1")
        .env("MAKEFLAGS", "-j2")
        // The defaults wait more than a minute for a registry that cannot be reached.
        .env("npm_config_fetch_retry_mintimeout", "1000")
        .env("npm_config_fetch_retry_maxtimeout", "5000")
        .env("npm_config_audit", "false")
        .env("npm_config_fund", "false")
        .env("npm_config_update_notifier", "false")
        .env("PIP_RETRIES", "1")
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .output()
        .map_err(|error| format!("{} does not start: {error}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<_> = words.lines().filter(|line| !line.starts_with("npm warn")).collect();
    let last = errors.len().saturating_sub(20);
    Err(format!("{} {}: {}", program.display(), arguments.join(" "), errors[last..].join("\n")))
}

/// Prisma 7 needs Node.js 20.19, 22.12 or 24.
pub fn node_is_recent() -> Result<(), String> {
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
