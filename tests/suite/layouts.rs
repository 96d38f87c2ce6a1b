//! Every encoding on every engine, and the layouts that are refused before the first DELETE.

use crate::oneshot::{Shell, authjs, hours, left, on_every_engine, quoted};
use crate::servers::Engine;

/// An encoding: its configuration, the column's type, and an expression for the time in so many hours.
struct Case {
    engine: Engine,
    layout: &'static str,
    kind: &'static str,
    at: fn(i32) -> String,
}

const NEW_YORK: &str = "encoding = \"timestamp\"\nwriter_timezone = \"America/New_York\"";
const EPOCH: &str = "CAST(strftime('%s','now') AS INTEGER)";

const CASES: &[Case] = &[
    Case {
        engine: Engine::Postgres,
        layout: "encoding = \"timestamptz\"",
        kind: "timestamptz",
        at: |h| format!("now() + interval '{h} hours'"),
    },
    Case {
        engine: Engine::Postgres,
        layout: NEW_YORK,
        kind: "timestamp",
        at: |h| format!("(now() + interval '{h} hours') AT TIME ZONE 'America/New_York'"),
    },
    Case {
        engine: Engine::Postgres,
        layout: "encoding = \"epoch-seconds\"",
        kind: "integer",
        at: |h| format!("extract(epoch FROM now() + interval '{h} hours')::int"),
    },
    Case {
        engine: Engine::Postgres,
        layout: "encoding = \"epoch-millis\"",
        kind: "bigint",
        at: |h| format!("(extract(epoch FROM now() + interval '{h} hours') * 1000)::bigint"),
    },
    Case {
        engine: Engine::Postgres,
        layout: "encoding = \"epoch-millis-text\"",
        kind: "varchar(20)",
        at: |h| format!("(extract(epoch FROM now() + interval '{h} hours') * 1000)::bigint::text"),
    },
    Case {
        engine: Engine::MySql,
        layout: "encoding = \"timestamptz\"",
        kind: "timestamp(3) NULL",
        at: |h| format!("UTC_TIMESTAMP() + INTERVAL {h} HOUR"),
    },
    Case {
        engine: Engine::MySql,
        layout: "encoding = \"timestamp\"\nwriter_timezone = \"Asia/Tokyo\"",
        kind: "datetime(6)",
        at: |h| format!("UTC_TIMESTAMP() + INTERVAL {h} + 9 HOUR"),
    },
    Case {
        engine: Engine::MySql,
        layout: "encoding = \"epoch-seconds\"",
        kind: "int unsigned",
        at: |h| format!("UNIX_TIMESTAMP() + {h} * 3600"),
    },
    Case {
        engine: Engine::MySql,
        layout: "encoding = \"epoch-millis\"",
        kind: "bigint",
        at: |h| format!("(UNIX_TIMESTAMP() + {h} * 3600) * 1000"),
    },
    Case {
        engine: Engine::MySql,
        layout: "encoding = \"epoch-millis-text\"",
        kind: "varchar(20)",
        at: |h| format!("CAST((UNIX_TIMESTAMP() + {h} * 3600) * 1000 AS CHAR)"),
    },
    Case {
        engine: Engine::Sqlite,
        layout: "encoding = \"epoch-seconds\"",
        kind: "integer",
        at: |h| format!("{EPOCH} + {h} * 3600"),
    },
    Case {
        engine: Engine::Sqlite,
        layout: "encoding = \"epoch-millis\"",
        kind: "datetime",
        at: |h| format!("({EPOCH} + {h} * 3600) * 1000"),
    },
    Case {
        engine: Engine::Sqlite,
        layout: "encoding = \"epoch-millis-text\"",
        kind: "text",
        at: |h| format!("CAST(({EPOCH} + {h} * 3600) * 1000 AS TEXT)"),
    },
    Case {
        engine: Engine::Sqlite,
        layout: "encoding = \"iso-text\"\nwriter_timezone = \"UTC\"",
        kind: "text",
        at: |h| format!("strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '{h} hours')"),
    },
    Case {
        engine: Engine::Sqlite,
        layout: "encoding = \"iso-text\"\nwriter_timezone = \"UTC\"",
        kind: "datetime",
        at: |h| format!("strftime('%Y-%m-%dT%H:%M:%f+05:00', 'now', '{h} hours', '5 hours')"),
    },
    Case {
        engine: Engine::Sqlite,
        layout: "encoding = \"iso-text\"\nwriter_timezone = \"Asia/Tokyo\"",
        kind: "datetime",
        at: |h| format!("strftime('%Y-%m-%d %H:%M:%f', 'now', '{h} hours', '9 hours')"),
    },
    Case {
        engine: Engine::Sqlite,
        layout: "encoding = \"julian-day\"",
        kind: "real",
        at: |h| format!("julianday('now', '{h} hours')"),
    },
];

impl Case {
    /// A table with a session for each of these hours.
    fn shell(&self, sessions: &[i32]) -> Option<Shell> {
        let rows: Vec<_> = sessions.iter().map(|h| format!("('{h}', {})", (self.at)(*h))).collect();
        let token = quoted(self.engine, "sessionToken");
        let tables = format!(
            "CREATE TABLE s ({token} varchar(40) PRIMARY KEY, e {}); INSERT INTO s VALUES {}",
            self.kind,
            rows.join(", ")
        );
        Shell::with(self.engine, &tables)
    }

    fn sweep(&self, sessions: &[i32], more: &str) -> Vec<String> {
        let Some(shell) = self.shell(sessions) else { return Vec::new() };
        shell.job(&format!("table = \"s\"\nexpires_at = \"e\"\n{}\n{more}", self.layout));
        shell.expect(0, &["clean"]);
        left(&shell, self.engine, "s")
    }

    fn has_server(&self) -> bool {
        Shell::fresh(self.engine).is_some()
    }
}

#[test]
fn each_encoding_deletes_the_expired_and_keeps_the_live() {
    for case in CASES.iter().filter(|case| case.has_server()) {
        assert_eq!(case.sweep(&[-900, -1, 1, 900], ""), ["1", "900"], "{:?} {}", case.engine, case.layout);
    }
}

#[test]
fn expired_rows_are_kept_for_as_long_as_they_shall_be() {
    for case in CASES.iter().filter(|case| case.has_server()) {
        assert_eq!(case.sweep(&[-49, -47, 1], "keep = \"2d\""), ["-47", "1"], "{:?} {}", case.engine, case.layout);
    }
}

#[test]
fn a_last_use_expires_after_the_lifetime() {
    let more = "mode = \"last-seen\"\nlifetime = \"2h\"";
    for case in CASES.iter().filter(|case| case.has_server()) {
        assert_eq!(case.sweep(&[-900, -3, -1], more), ["-1"], "{:?} {}", case.engine, case.layout);
    }
}

/// The longest life of a session is held against every encoding, with an index and without.
#[test]
fn a_session_that_lives_for_longer_than_stated_is_refused() {
    for case in CASES.iter().filter(|case| case.has_server()) {
        let Some(shell) = case.shell(&[-1, 1, 900]) else { continue };
        let job = |max_age| {
            shell.job(&format!("table = \"s\"\nexpires_at = \"e\"\n{}\nmax_age = \"{max_age}\"", case.layout));
        };
        for index in ["SELECT 1", "CREATE INDEX by_expiry ON s (e)"] {
            shell.database.execute(index);
            job("30d");
            let said = shell.expect(1, &["clean"]).stderr;
            for part in ["max_age", "T", "writer_timezone", "encoding", "ORDER BY 1 DESC", "`max_age = \"90"] {
                assert!(said.contains(part), "{part:?} is not in: {said}");
            }
            assert_eq!(left(&shell, case.engine, "s").len(), 3, "{:?} {}", case.engine, case.layout);
        }
        job("902h");
        shell.expect(0, &["clean"]);
        assert_eq!(left(&shell, case.engine, "s"), ["1", "900"], "{:?} {}", case.engine, case.layout);
    }
}

/// A table called `Session` or `s`, a layout, and what the refusal says.
fn refused(engine: Engine, tables: &str, layout: &str, reason: &[&str]) {
    let Some(shell) = Shell::with(engine, tables) else { return };
    let table = quoted(engine, if tables.contains("TABLE s ") { "s" } else { "Session" });
    let rows = || shell.database.admin().count(&format!("SELECT count(*) FROM {table}"));
    let before = rows();
    shell.job(layout);
    let said = shell.expect(1, &["clean"]);
    for part in reason {
        assert!(said.stderr.contains(part), "{part:?} is not in: {}", said.stderr);
    }
    shell.expect(1, &["check"]);
    assert_eq!(rows(), before);
}

#[test]
fn a_type_that_does_not_match_is_refused_by_naming_both() {
    let layout = "preset = \"authjs-prisma\"\nencoding = \"epoch-seconds\"";
    for (engine, kind) in [(Engine::Postgres, "timestamp without time zone"), (Engine::MySql, "datetime")] {
        refused(engine, &authjs(engine, "Session"), layout, &["epoch-seconds", kind, "set `encoding`"]);
    }
    // A comparison would convert by the zone of the connection.
    for (kind, encoding) in [("timestamp", "timestamptz"), ("timestamptz", "timestamp")] {
        let table = format!("CREATE TABLE s (e {kind}); INSERT INTO s VALUES (now()), (now() + interval '1 hour')");
        let layout = format!(
            "table = \"s\"\nexpires_at = \"e\"\nencoding = \"{encoding}\"\nwriter_timezone = \"America/New_York\""
        );
        refused(Engine::Postgres, &table, &layout, &["is of type timestamp", "set `encoding`"]);
    }
    let text = "CREATE TABLE s (e datetime); INSERT INTO s VALUES ('2020-01-01T00:00:00Z')";
    let layout = "table = \"s\"\nexpires_at = \"e\"\nencoding = \"epoch-millis\"";
    refused(Engine::Sqlite, text, layout, &["text", "epoch-millis"]);
}

#[test]
fn seconds_read_as_milliseconds_and_the_reverse_are_refused() {
    for case in CASES.iter().filter(|case| case.has_server()) {
        let wrong = match case.layout {
            "encoding = \"epoch-seconds\"" => "encoding = \"epoch-millis\"",
            "encoding = \"epoch-millis\"" => "encoding = \"epoch-seconds\"",
            _ => continue,
        };
        let Some(shell) = case.shell(&[-1, 1, 2]) else { continue };
        shell.job(&format!("table = \"s\"\nexpires_at = \"e\"\n{wrong}"));
        let said = shell.expect(1, &["clean"]);
        for part in ["do not look like", "set `encoding`", "; as epoch-", "ORDER BY 1 DESC"] {
            assert!(said.stderr.contains(part), "{part:?} is not in: {}", said.stderr);
        }
        assert_eq!(left(&shell, case.engine, "s").len(), 3);
    }
}

#[test]
fn what_is_no_table_of_sessions_is_refused() {
    on_every_engine(
        |engine| format!("{}; CREATE VIEW v AS SELECT * FROM {}", authjs(engine, "Session"), quoted(engine, "Session")),
        |shell, engine| {
            for (layout, reason) in [
                ("table = \"v\"", "is not a table but a view or the like; set `table` in the job"),
                ("table = \"Sesion\"", "did you mean \"Session\"?"),
                ("expires_at = \"expiry\"", "has no column \"expiry\""),
            ] {
                shell.job(&format!("preset = \"authjs-prisma\"\n{layout}"));
                let said = shell.expect(1, &["clean"]);
                assert!(said.stderr.contains(reason), "{reason:?} is not in: {}", said.stderr);
            }
            assert_eq!(left(&shell, engine, "Session").len(), 5);
        },
    );
}

#[test]
fn hidden_rows_and_engines_without_transactions_are_refused() {
    let hidden = format!(
        "{}; ALTER TABLE \"Session\" ENABLE ROW LEVEL SECURITY; ALTER TABLE \"Session\" FORCE ROW LEVEL SECURITY",
        authjs(Engine::Postgres, "Session")
    );
    refused(
        Engine::Postgres,
        &hidden,
        "preset = \"authjs-prisma\"",
        &["row-level security", "database.url", "ALTER ROLE app BYPASSRLS"],
    );
    let myisam = format!("{}; ALTER TABLE Session ENGINE = MyISAM", authjs(Engine::MySql, "Session"));
    refused(
        Engine::MySql,
        &myisam,
        "preset = \"authjs-prisma\"",
        &["without transactions", "`Session` ENGINE = InnoDB"],
    );
}

#[test]
fn tables_with_other_keys_are_swept() {
    let rows = |engine| {
        format!(
            "('a', 'x', {}), ('a', 'y', {}), ('b', 'x', {})",
            hours(engine, -1),
            hours(engine, 1),
            hours(engine, -2)
        )
    };
    let without_key = |engine, kind: &str| {
        format!("CREATE TABLE t (a varchar(9), b varchar(9), expires {kind}); INSERT INTO t VALUES {}", rows(engine))
    };
    let with_key = |engine, kind: &str, end: &str| {
        format!(
            "CREATE TABLE t (a varchar(9), b varchar(9), expires {kind}, PRIMARY KEY (a, b)) {end}; INSERT INTO t VALUES {}",
            rows(engine)
        )
    };
    let cases = [
        (Engine::Postgres, without_key(Engine::Postgres, "timestamp")),
        (Engine::MySql, with_key(Engine::MySql, "datetime", "CHARACTER SET latin1")),
        (Engine::Sqlite, without_key(Engine::Sqlite, "datetime")),
        (Engine::Sqlite, with_key(Engine::Sqlite, "datetime", "WITHOUT ROWID")),
    ];
    for (engine, tables) in cases {
        let Some(shell) = Shell::with(engine, &tables) else { continue };
        shell.job("preset = \"authjs-prisma\"\ntable = \"t\"");
        assert_eq!(shell.json(0, &["clean"])["deletedCount"], 2, "{tables}");
    }
    let Some(shell) = Shell::with(Engine::MySql, &without_key(Engine::MySql, "datetime")) else { return };
    shell.job("preset = \"authjs-prisma\"\ntable = \"t\"");
    assert!(shell.expect(1, &["clean"]).stderr.contains("migrate --index"));
    shell.expect(0, &["migrate", "--index"]);
    assert_eq!(shell.json(0, &["clean"])["deletedCount"], 2);
}
