//! The recipes in `deploy/` do what `docs/one-shot.md` says of them.

mod cron;
mod page;
mod vercel;
mod windows;
mod workflows;

use std::path::PathBuf;

use crate::oneshot::{Shell, authjs};
use crate::servers::Engine;

/// A job that sweeps the table of [`shell`], and nothing about the database.
const JOB: &str = "[jobs.sessions]\nschedule = \"manual\"\npreset = \"authjs-prisma\"\n";

fn deployed(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "deploy", name].iter().collect();
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An application's SQLite file with two expired sessions of five, and its URL in the file `database-url`.
fn shell() -> Shell {
    let shell = Shell::with(Engine::Sqlite, &authjs(Engine::Sqlite, "Session")).expect("SQLite is built in");
    shell.configure(JOB);
    std::fs::write(shell.path().join("database-url"), format!("{}\n", shell.database.url())).unwrap();
    shell
}
