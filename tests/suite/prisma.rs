//! The application at the other end: Auth.js's own adapter over Prisma's real client, in `tests/clients/prisma`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::clients::install;

/// What `prisma migrate dev` writes for the schema.
pub const MIGRATION: &str = include_str!("../clients/prisma/prisma/migrations/postgresql.sql");

/// The client, installed and generated.
#[derive(Clone, Copy)]
pub struct PrismaClient {
    directory: &'static Path,
}

impl PrismaClient {
    /// `None`, with a printed reason, where it cannot be had; with `CI` set that is a failure instead.
    pub fn ready() -> Option<Self> {
        install::node().map(|directory| Self { directory })
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
            .current_dir(self.directory.join("prisma"))
            .env("DATABASE_URL", url)
            .output()
            .expect("node starts");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("the script prints JSON")
    }
}
