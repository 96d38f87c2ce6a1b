//! The archive: what is deleted is in it first.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::oneshot::{Shell, authjs, on_every_engine};
use crate::process::{Process, sweepd};
use crate::servers::Engine;
use crate::stage::{LIMIT, Stage, insert, wait};

fn configure(shell: &Shell, keys: &str) {
    let directory = toml::Value::from(shell.path().join("archive").to_str().unwrap());
    shell.job(&format!("preset = \"authjs-prisma\"\n[jobs.sessions.archive]\ndirectory = {directory}\n{keys}"));
}

/// The lines of all files, in the order in which they were written.
fn lines(directory: &Path) -> Vec<Value> {
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let text = |file: &std::path::PathBuf| {
        let bytes = fs::read(file).unwrap();
        let compressed = file.extension().is_some_and(|extension| extension == "zst");
        let bytes = if compressed { zstd::decode_all(bytes.as_slice()).unwrap() } else { bytes };
        String::from_utf8(bytes).unwrap()
    };
    let texts: Vec<_> = files.iter().map(text).collect();
    texts.iter().flat_map(|text| text.lines()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn rows(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line.get("sweepd").is_none()).collect()
}

#[test]
pub fn each_deleted_row_is_in_it_with_its_secrets_hashed() {
    for compress in ["zstd", "none"] {
        on_every_engine(
            |engine| authjs(engine, "Session"),
            |shell, _| {
                configure(&shell, &format!("compress = \"{compress}\""));
                let said = shell.json(0, &["clean"]);
                let lines = lines(&shell.path().join("archive"));
                let run = &said["runs"][0];
                assert_eq!((&lines[0]["run"], &lines[0]["rows"]), (&run["runId"], &2.into()), "{lines:?}");
                assert_eq!(lines[0]["batch"], 1);
                let rows = rows(&lines);
                assert_eq!(rows.len(), 2, "{lines:?}");
                for row in rows {
                    assert!(row["sessionToken"].as_str().unwrap().starts_with("sha256:"), "{row}");
                    assert_eq!(row["userId"], "u");
                    assert!(!row["expires"].is_null(), "{row}");
                }
            },
        );
    }
}

#[test]
fn secrets_are_kept_where_that_is_asked_for() {
    on_every_engine(
        |engine| authjs(engine, "Session"),
        |shell, _| {
            configure(&shell, "secrets = \"keep\"");
            shell.expect(0, &["clean"]);
            let lines = lines(&shell.path().join("archive"));
            let tokens: Vec<_> = rows(&lines).iter().map(|row| row["sessionToken"].as_str().unwrap()).collect();
            assert_eq!(tokens.len(), 2, "{lines:?}");
            assert!(tokens.iter().all(|token| !token.starts_with("sha256:")));
        },
    );
}

#[test]
fn nothing_is_deleted_that_cannot_be_archived() {
    on_every_engine(
        |engine| authjs(engine, "Session"),
        |shell, _| {
            configure(&shell, "");
            // A file where the directory should be.
            fs::write(shell.path().join("archive"), "").unwrap();
            let said = shell.expect(1, &["clean"]).stderr;
            assert!(said.contains("cannot create the archive directory"), "{said}");
            let runs = shell.json(0, &["history"])["runs"].clone();
            assert_eq!((&runs[0]["outcome"], &runs[0]["deletedCount"]), (&"failed".into(), &0.into()));
        },
    );
}

/// After SIGKILL in the middle: each row that is gone is in the archive, and the batches that count are known.
#[test]
pub fn a_crash_leaves_no_gap_in_it() {
    for engine in [Engine::Postgres, Engine::MySql, Engine::Sqlite] {
        let Some(stage) = Stage::fresh(engine) else { continue };
        stage.database().execute(&insert(engine, "expired", 20_000, -1));
        let directory = stage.directory().join("archive");
        let archive = format!(
            "[jobs.sessions.archive]\nsecrets = \"keep\"\ndirectory = {}",
            toml::Value::from(directory.to_str().unwrap())
        );
        let mut command = sweepd();
        command
            .arg("--config")
            .arg(stage.configure("manual", "batch_target = \"2ms\"\nnice = 1", &archive))
            .arg("clean");
        let mut sweep = Process::spawn(command);
        wait(&mut sweep, "nothing was deleted", || stage.sessions().1 < 15_000);
        sweep.signal("KILL");
        let _ = sweep.wait_timeout(LIMIT);
        let gone = 20_000 - stage.sessions().1;
        let lines = lines(&directory);
        let mut archived = BTreeMap::new();
        for row in rows(&lines) {
            *archived.entry(row["sessionToken"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
        let archived_count = i64::try_from(archived.len()).unwrap();
        assert!(archived_count >= gone, "{engine:?}: {archived_count} archived, {gone} gone");
        let left = stage.database().texts(if engine == Engine::MySql {
            "SELECT sessionToken FROM Session"
        } else {
            "SELECT \"sessionToken\" FROM \"Session\""
        });
        let extra = left.into_iter().flatten().filter(|token| archived.contains_key(token)).count();
        assert_eq!(archived_count, gone + i64::try_from(extra).unwrap(), "extras are rows of a batch that rolled back");
    }
}
