//! What only SQLite has: values of any type in any column, and a write-ahead log that everybody shares.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sweepd::db::batch_sql::Batch;
use sweepd::db::expiry_sql::Expiry;
use sweepd::db::sweep_sql::{Path, Stretch, Target};
use sweepd::db::{self, Column, Encoding, Mode, Param, Statement, Table, TableKind, TableName};
use sweepd::zone::Zone;

use crate::process::Process;
use crate::servers::{Engine, Session, TestDatabase};
use crate::stage::{LIMIT, NEVER, Stage};

/// A type of each affinity; that of the first is none.
const KINDS: [&str; 8] = ["", "BLOB", "INTEGER", "REAL", "NUMERIC", "DATETIME", "TEXT", "VARCHAR(20)"];

fn at() -> DateTime<Utc> {
    "2026-03-04T05:06:07Z".parse().unwrap()
}

/// `number` is the cutoff as the column would hold it.
fn values(number: &str) -> Vec<(&'static str, String)> {
    let add = |by: &str| format!("{number} {by}");
    let text = |value: String| format!("CAST({value} AS TEXT)");
    vec![
        ("cutoff", number.to_owned()),
        ("cutoff as a real", add("+ 0.0")),
        ("earlier", add("- 1")),
        ("earlier as a real", add("- 0.5")),
        ("live", add("+ 1")),
        ("live as a real", add("+ 0.25")),
        ("zero", "0".into()),
        ("negative", "-1".into()),
        ("minus infinity", "-9e999".into()),
        ("infinity", "9e999".into()),
        ("null", "NULL".into()),
        ("empty text", "''".into()),
        ("words", "'never'".into()),
        ("a date", "'2020-01-01T00:00:00Z'".into()),
        ("a date with a zone", "'2020-01-01T00:00:00+02:00'".into()),
        ("digits", text(add("- 1"))),
        ("digits of a live one", text(add("+ 1"))),
        ("digits in bytes", format!("CAST({} AS BLOB)", text(add("- 1")))),
        ("no bytes", "x''".into()),
    ]
}

/// The statement with its parameters written into it.
fn literal(statement: Statement) -> String {
    let (mut sql, params) = statement.into_parts();
    for (index, param) in params.iter().enumerate().rev() {
        let value = match param {
            Param::Int(value) => value.to_string(),
            Param::Text(value) => format!("'{value}'"),
            other => panic!("{other:?}"),
        };
        sql = sql.replace(&format!("${}", index + 1), &value);
    }
    sql
}

fn target(encoding: Encoding) -> Target {
    let column = |name: &str| Column {
        name: name.into(),
        kind: String::new(),
        nullable: true,
        has_default: false,
        collation: None,
    };
    let table = Table {
        name: TableName { schema: Some("main".into()), name: "s".into() },
        kind: TableKind::Plain,
        columns: vec![column("id"), column("expires")],
        key: vec!["id".into()],
        indexes: Vec::new(),
        estimated_rows: None,
        hides_rows: false,
    };
    let expiry = Expiry { engine: db::Engine::Sqlite, column: "expires".into(), encoding, mode: Mode::Expires };
    Target { table, expiry }
}

/// The rows that a batch deletes, filled in anew.
fn deleted(session: &Session, kind: &str, number: &str, delete: &str) -> BTreeSet<String> {
    let rows: Vec<_> = values(number).iter().map(|(name, value)| format!("('{name}', {value})")).collect();
    session.execute(&format!(
        "DROP TABLE IF EXISTS s; CREATE TABLE s (id TEXT PRIMARY KEY, expires {kind}); CREATE INDEX e ON s (expires);
         INSERT INTO s VALUES {}; DROP TABLE IF EXISTS before;
         CREATE TABLE before AS SELECT id, expires, typeof(expires) AS class FROM s",
        rows.join(", ")
    ));
    session.execute(delete);
    ids(session, "SELECT id FROM before WHERE id NOT IN (SELECT id FROM s)")
}

fn ids(session: &Session, sql: &str) -> BTreeSet<String> {
    session.texts(sql).into_iter().flatten().collect()
}

/// Text is greater than any number, and a column may turn one into the other: none of it may make a live row expired.
#[test]
fn only_values_of_the_encodings_type_expire() {
    let database = TestDatabase::fresh(Engine::Sqlite).unwrap();
    let session = database.session();
    session.execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY");
    for name in ["epoch-seconds", "epoch-millis", "julian-day", "epoch-millis-text", "iso-text"] {
        let encoding = Encoding::from_name(name, Zone::utc()).unwrap();
        let number = match name {
            "epoch-seconds" => "1772600767",
            "julian-day" => "julianday('2026-03-04 05:06:07.000')",
            _ => "1772600767000",
        };
        let is_number = !matches!(encoding, Encoding::EpochMillisText | Encoding::IsoText(_));
        let target = target(encoding);
        for kind in KINDS {
            for path in [Path::Expiry, Path::Key(vec!["id".into()])] {
                for most in [None, Some(100)] {
                    let stretch = Stretch::default();
                    let batch = Batch { path: &path, stretch, cutoff: at(), most, skip_locked: false, wanted: false };
                    let delete = literal(target.delete(&batch));
                    let gone = deleted(&session, kind, number, &delete);
                    let case = format!("{name} in {kind:?} along {path:?}, most {most:?}: {gone:?}");
                    let wanted = if is_number {
                        format!(
                            "SELECT id FROM before WHERE class IN ('integer', 'real')
                                AND expires + 0.0 <= {number} AND expires + 0.0 > 1000000"
                        )
                    } else if name == "iso-text" {
                        "SELECT id FROM before WHERE class = 'text' AND id LIKE 'a date%'".to_owned()
                    } else {
                        format!(
                            "SELECT id FROM before WHERE class = 'text' AND expires GLOB '[0-9]*' AND NOT expires GLOB '*[^0-9]*'
                                AND CAST(expires AS INTEGER) BETWEEN 31536000001 AND {number}"
                        )
                    };
                    let wanted = ids(&session, &wanted);
                    assert_eq!(gone, wanted, "{case}");
                    assert!(!gone.iter().any(|id| id.contains("live")), "{case}");
                    let numbers = ["cutoff", "cutoff as a real", "earlier", "earlier as a real"];
                    if is_number && kind.is_empty() {
                        assert_eq!(gone, numbers.map(str::to_owned).into(), "{case}");
                    }
                }
            }
        }
    }
}

/// A sweep that goes on for a while, in the middle, on a database with a write-ahead log.
fn sweeping(limits: &str) -> (Stage, Process) {
    let database = TestDatabase::fresh(Engine::Sqlite).unwrap();
    database.execute("PRAGMA journal_mode = WAL");
    let stage = Stage::on(database);
    stage.database().execute("CREATE INDEX by_user ON \"Session\" (\"userId\", \"sessionToken\")");
    stage.fill(10_000, 100);
    let path = stage.configure(NEVER, limits, "");
    let mut command = crate::process::sweepd();
    command.arg("--config").arg(path).args(["clean", "-v"]);
    let mut sweep = Process::spawn(command);
    stage.wait_for_progress(&mut sweep);
    (stage, sweep)
}

/// Empties the log as an application may, which keeps everybody from writing while it waits for readers, for 5 s at most.
/// Whether it could.
fn truncates(stage: &Stage) -> bool {
    stage.database().session().count("PRAGMA wal_checkpoint(TRUNCATE)") == 0
}

#[test]
fn an_application_may_empty_the_log_in_the_middle_of_a_sweep() {
    let (stage, mut sweep) = sweeping("nice = 30\nbatch_target = \"5ms\"");
    assert!(truncates(&stage), "{}", sweep.output());
    assert!(sweep.wait_timeout(Duration::ZERO).is_none(), "the sweep ended too soon");
    for _ in 0..3 {
        assert!(truncates(&stage), "{}", sweep.output());
    }
    assert_eq!(sweep.exit_code(LIMIT), 0, "{}", sweep.output());
    assert_eq!(stage.sessions(), (100, 0));
}

#[test]
fn a_sweep_that_pauses_leaves_the_log_to_the_application() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("stop");
    let limits =
        format!("nice = 30\nbatch_target = \"5ms\"\nstop_file = {}", toml::Value::from(file.to_str().unwrap()));
    let (stage, mut sweep) = sweeping(&limits);
    fs::write(&file, "").unwrap();
    sweep.wait_for_output("pausing: the stop file", LIMIT);
    assert!(truncates(&stage), "{}", sweep.output());
    fs::remove_file(&file).unwrap();
    assert_eq!(sweep.exit_code(LIMIT), 0, "{}", sweep.output());
    assert_eq!(stage.sessions(), (100, 0));
}
