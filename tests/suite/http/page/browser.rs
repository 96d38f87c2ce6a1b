//! The pages in a real browser: `tests/browser/page.mjs` has what a person does there.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::clients::install::{copy, node_is_recent, run, step};
use crate::http::called::{Called, READ_SECRET, SECRET, SLOWLY};
use crate::process::{Process, find_program, skip};
use crate::servers::Engine;
use crate::stage::Stage;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");
const INSTALLED: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/browser");
/// Of all that is done there, on a slow machine.
const LIMIT: Duration = Duration::from_mins(4);
/// A job whose table is not there.
const BROKEN: &str = "[jobs.broken]\nschedule = \"manual\"\npreset = \"authjs-prisma\"\ntable = \"Absent\"";

#[test]
fn a_person_with_a_browser_sees_and_does_what_the_page_promises() {
    let chromium = find_program("chromium", &[]).or_else(|| find_program("chromium-browser", &[]));
    let Some(chromium) = chromium else { return skip("no program `chromium`") };
    let directory = match install() {
        Ok(directory) => directory,
        Err(reason) => return skip(&format!("no packages for the browser: {reason}")),
    };
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    stage.fill(1200, 50);
    let mut called = Called::start(&stage, SLOWLY, BROKEN);
    called.post("/api/jobs/broken/runs");
    let mut command = Command::new("node");
    command.arg(directory.join("page.mjs")).arg(chromium).args([&called.url(""), SECRET, READ_SECRET]);
    let mut browser = Process::spawn(command);
    assert_eq!(browser.exit_code(LIMIT), 0, "{}\n{}", browser.output(), called.daemon.output());
    called.stop();
    assert_eq!(stage.sessions(), (50, 0));
}

/// The packages, installed once below the target directory.
fn install() -> Result<PathBuf, String> {
    node_is_recent()?;
    let directory = Path::new(INSTALLED);
    copy(Path::new(SOURCE), directory);
    let lock = File::create(directory.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    step(directory, "node_modules", &[".npmrc", "package.json", "package-lock.json"], || {
        run(directory, "npm", &["ci", "--ignore-scripts", "--prefer-offline"])
    })?;
    Ok(directory.to_owned())
}
