//! Programs from `PyPI`, each set in an environment of its own below the target directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{find_program, skip};

const TARGET: &str = env!("CARGO_TARGET_TMPDIR");
const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// The directory with the programs that `tests/clients/NAME/requirements.txt` lists. They are installed once; later calls,
/// and offline ones, take them from there. `None`, with a printed reason, where they cannot be had; with `CI` set that is
/// a failure instead.
pub fn programs(name: &str) -> Option<PathBuf> {
    match install(&Path::new(TARGET).join(name), &Path::new(CLIENTS).join(name).join("requirements.txt")) {
        Ok(programs) => Some(programs),
        Err(reason) => {
            skip(&format!("no {name}: {reason}"));
            None
        }
    }
}

/// Tests that run at the same time install once: the others wait for the lock.
fn install(directory: &Path, requirements: &Path) -> Result<PathBuf, String> {
    let python = find_program("python3", &[]).ok_or("no python3 found")?;
    let (environment, stamp) = (directory.join("environment"), directory.join("installed"));
    let programs = environment.join("bin");
    fs::create_dir_all(directory).expect("a directory below target");
    let lock = File::create(directory.join("lock")).expect("a lock file");
    lock.lock().expect("a lock");

    // Made for one Python in one place.
    let list = fs::read_to_string(requirements).expect("a list of requirements");
    let wanted = format!("{} {}\n{list}", python.display(), output(Command::new(&python).arg("--version"))?);
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) && programs.join("python").exists() {
        return Ok(programs);
    }
    let _ = fs::remove_file(&stamp);
    output(Command::new(&python).args(["-m", "venv", "--clear"]).arg(&environment))?;
    let pip =
        ["-m", "pip", "--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "15", "install"];
    let mut install = Command::new(programs.join("python"));
    output(install.args(pip).args(["--quiet", "--requirement"]).arg(requirements))?;
    fs::write(&stamp, wanted).expect("a stamp file");
    Ok(programs)
}

/// What a program prints; an error when it fails.
pub fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().display().to_string();
    let output = command.output().map_err(|error| format!("{name} does not start: {error}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    if output.status.success() { Ok(said) } else { Err(format!("{name} failed: {said}")) }
}
