//! The sliding expiry, to the millisecond and in every encoding.

use chrono::{DateTime, TimeDelta, Utc};
use sweepd::clock::Clock;
use sweepd::sessions::Sessions;
use sweepd::zone::Zone;

use super::{block_on, minutes, now, on_every_engine, open};
use crate::servers::{Engine, TestDatabase};

/// An encoding: its layout, the column's type, how an instant is written, and how much earlier is a little earlier.
struct Case {
    engine: Engine,
    layout: &'static str,
    kind: &'static str,
    write: fn(DateTime<Utc>) -> String,
    unit: i64,
}

const PLAIN: &str = "%Y-%m-%d %H:%M:%S%.3f";

fn local(zone: &str, at: DateTime<Utc>, format: &str) -> String {
    format!("'{}'", Zone::parse(zone).unwrap().local(at).format(format))
}

const CASES: &[Case] = &[
    Case {
        engine: Engine::Postgres,
        layout: "encoding = \"timestamptz\"",
        kind: "timestamptz",
        write: |at| format!("timestamptz '{}'", at.to_rfc3339()),
        unit: 1,
    },
    Case {
        engine: Engine::Postgres,
        layout: "encoding = \"timestamp\"\nwriter_timezone = \"America/New_York\"",
        kind: "timestamp(3)",
        write: |at| format!("timestamp {}", local("America/New_York", at, PLAIN)),
        unit: 1,
    },
    Case {
        engine: Engine::Postgres,
        layout: "encoding = \"epoch-seconds\"",
        kind: "integer",
        write: |at| at.timestamp().to_string(),
        unit: 1000,
    },
    Case {
        engine: Engine::Postgres,
        layout: "encoding = \"epoch-millis\"",
        kind: "numeric",
        write: |at| at.timestamp_millis().to_string(),
        unit: 1,
    },
    Case {
        engine: Engine::Postgres,
        layout: "encoding = \"epoch-millis-text\"",
        kind: "varchar(20)",
        write: |at| format!("'{}'", at.timestamp_millis()),
        unit: 1,
    },
    Case {
        engine: Engine::MySql,
        layout: "encoding = \"timestamptz\"",
        kind: "timestamp NULL",
        write: |at| local("UTC", at, PLAIN),
        unit: 1000,
    },
    Case {
        engine: Engine::MySql,
        layout: "encoding = \"timestamp\"\nwriter_timezone = \"Asia/Tokyo\"",
        kind: "datetime(6)",
        write: |at| local("Asia/Tokyo", at, PLAIN),
        unit: 1,
    },
    Case {
        engine: Engine::MySql,
        layout: "encoding = \"epoch-seconds\"",
        kind: "int unsigned",
        write: |at| at.timestamp().to_string(),
        unit: 1000,
    },
    Case {
        engine: Engine::MySql,
        layout: "encoding = \"epoch-millis\"",
        kind: "bigint",
        write: |at| at.timestamp_millis().to_string(),
        unit: 1,
    },
    Case {
        engine: Engine::MySql,
        layout: "encoding = \"epoch-millis-text\"",
        kind: "varchar(20)",
        write: |at| format!("'{}'", at.timestamp_millis()),
        unit: 1,
    },
    Case {
        engine: Engine::Sqlite,
        layout: "encoding = \"epoch-seconds\"",
        kind: "integer",
        write: |at| at.timestamp().to_string(),
        unit: 1000,
    },
    Case {
        engine: Engine::Sqlite,
        layout: "encoding = \"epoch-millis\"",
        kind: "datetime",
        write: |at| at.timestamp_millis().to_string(),
        unit: 1,
    },
    Case {
        engine: Engine::Sqlite,
        layout: "encoding = \"epoch-millis-text\"",
        kind: "text",
        write: |at| format!("'{}'", at.timestamp_millis()),
        unit: 1,
    },
    Case {
        engine: Engine::Sqlite,
        layout: "encoding = \"iso-text\"\nwriter_timezone = \"UTC\"",
        kind: "datetime",
        write: |at| local("UTC", at, "%Y-%m-%dT%H:%M:%S%.3f+00:00"),
        unit: 1,
    },
    Case {
        engine: Engine::Sqlite,
        layout: "encoding = \"iso-text\"\nwriter_timezone = \"UTC\"",
        kind: "text",
        write: |at| local("UTC", at, "%Y-%m-%dT%H:%M:%S%.3fZ"),
        unit: 1,
    },
    Case {
        engine: Engine::Sqlite,
        layout: "encoding = \"iso-text\"\nwriter_timezone = \"Asia/Tokyo\"",
        kind: "text",
        write: |at| local("Asia/Tokyo", at, "%Y-%m-%d %H:%M:%S"),
        unit: 1000,
    },
    Case {
        engine: Engine::Sqlite,
        layout: "encoding = \"julian-day\"",
        kind: "real",
        write: |at| format!("julianday({})", local("UTC", at, PLAIN)),
        unit: 1,
    },
];

/// A database of one case: a session for each of these values of its column.
struct Table<'a> {
    case: &'a Case,
    database: TestDatabase,
}

impl<'a> Table<'a> {
    fn of(case: &'a Case) -> Option<Self> {
        let database = TestDatabase::fresh(case.engine)?;
        database.execute(&format!("CREATE TABLE s (t varchar(40) PRIMARY KEY, u varchar(40), e {} )", case.kind));
        Some(Self { case, database })
    }

    fn add(&self, token: &str, value: &str) {
        self.database.execute(&format!("INSERT INTO s VALUES ('{token}', 'ada', {value})"));
    }

    fn holds(&self, token: &str, value: &str) -> bool {
        let same = match (self.case.engine, self.case.kind) {
            _ if value == "NULL" => "e IS NULL".to_owned(),
            (_, "real") => format!("abs(e - {value}) < 0.000000005"),
            (Engine::Sqlite, _) => format!("e = {value} AND typeof(e) = typeof({value})"),
            _ => format!("e = {value}"),
        };
        self.database.count(&format!("SELECT COUNT(*) FROM s WHERE t = '{token}' AND {same}")) == 1
    }

    fn sessions(&self, mode: &str, clock: &Clock) -> Sessions {
        let layout = self.case.layout;
        let text = format!(
            "[jobs.s]\nschedule = \"manual\"\ntable = \"s\"\nexpires_at = \"e\"\ntoken = \"t\"\nuser = \"u\"\n{layout}\n{mode}"
        );
        open(&self.database, &text, clock)
    }

    /// The values that are no expiry.
    fn never(&self) -> Vec<&'static str> {
        match (self.case.engine, self.case.kind) {
            (Engine::Postgres, kind) if kind.starts_with("timestamp") => vec!["NULL", "'infinity'", "'-infinity'"],
            (_, "integer" | "numeric" | "bigint" | "int unsigned") => vec!["NULL", "0"],
            _ => vec!["NULL"],
        }
    }
}

#[test]
fn an_expiry_is_moved_where_it_is_due_and_nowhere_else() {
    for case in CASES {
        let Some(table) = Table::of(case) else { continue };
        let little = TimeDelta::milliseconds(case.unit);
        let moved = Some(minutes(30));
        // When it expires, whether it is alive, and to where it is moved.
        let rows = [
            ("long-dead", now() - TimeDelta::days(1), false, None),
            ("just-dead", now() - little, false, None),
            ("now", now(), false, None),
            ("last-moment", now() + little, true, moved),
            ("just-due", minutes(25) - little, true, moved),
            ("not-yet", minutes(25), true, None),
            ("fresh", minutes(30), true, None),
            ("longer", minutes(60 * 24), true, None),
        ];
        for (token, expires, ..) in rows {
            table.add(token, &(case.write)(expires));
        }
        for value in table.never() {
            table.add(&format!("never-{}", value.replace('\'', "")), value);
        }
        let sessions = table.sessions("", &Clock::fixed(now()));
        block_on(async {
            for (token, expires, alive, to) in rows {
                let name = format!("{:?} {} {token}", case.engine, case.layout);
                for _ in 0..2 {
                    assert_eq!(sessions.touch_session(token).await.unwrap(), alive, "{name}");
                    assert!(table.holds(token, &(case.write)(to.unwrap_or(expires))), "{name}");
                }
            }
            for value in table.never() {
                let token = format!("never-{}", value.replace('\'', ""));
                assert!(sessions.touch_session(&token).await.unwrap(), "{:?} {}: {value}", case.engine, case.layout);
                assert!(table.holds(&token, value), "{:?} {}: {value}", case.engine, case.layout);
            }
            assert!(!sessions.touch_session("nobody").await.unwrap());
            let listed = sessions.user_sessions("ada").await.unwrap();
            assert_eq!(listed.len(), 5 + table.never().len(), "{:?} {}: {listed:?}", case.engine, case.layout);
            let ends: Vec<_> = listed.iter().filter_map(|session| session.expires_at).collect();
            let close = |at: &DateTime<Utc>, to: DateTime<Utc>| (*at - to).abs() <= TimeDelta::milliseconds(1);
            assert!(close(&ends[0], minutes(60 * 24)) && close(&ends[1], minutes(30)), "{:?} {ends:?}", case.layout);
            assert!(listed[..table.never().len()].iter().all(|session| session.expires_at.is_none()), "{listed:?}");
            sessions.close().await;
        });
    }
}

#[test]
fn a_last_use_becomes_now_where_it_is_old_enough() {
    for case in CASES {
        let Some(table) = Table::of(case) else { continue };
        let little = TimeDelta::milliseconds(case.unit);
        let rows = [
            ("dead", minutes(-60), false, None),
            ("last-moment", minutes(-60) + little, true, Some(now())),
            ("just-due", minutes(-5) - little, true, Some(now())),
            ("not-yet", minutes(-5), true, None),
            ("now", now(), true, None),
        ];
        for (token, used, ..) in rows {
            table.add(token, &(case.write)(used));
        }
        let sessions = table.sessions("mode = \"last-seen\"\nlifetime = \"1h\"", &Clock::fixed(now()));
        block_on(async {
            for (token, used, alive, to) in rows {
                let name = format!("{:?} {} {token}", case.engine, case.layout);
                assert_eq!(sessions.touch_session(token).await.unwrap(), alive, "{name}");
                assert!(table.holds(token, &(case.write)(to.unwrap_or(used))), "{name}");
            }
            sessions.close().await;
        });
    }
}

/// Prisma's text and its numbers, side by side in one column.
#[test]
fn a_value_of_another_form_is_left_alone() {
    let Some(case) = CASES.iter().find(|case| case.kind == "datetime" && case.layout.contains("millis")) else {
        return;
    };
    let Some(table) = Table::of(case) else { return };
    let text = "'2030-01-02T03:04:06.000+00:00'";
    table.add("text", text);
    table.add("number", &(case.write)(minutes(1)));
    table.add("number2", &(case.write)(minutes(1)));
    let sessions = table.sessions("", &Clock::fixed(now()));
    block_on(async {
        assert!(sessions.touch_session("text").await.unwrap());
        assert!(table.holds("text", text));
        assert!(sessions.touch_session("number").await.unwrap());
        assert!(table.holds("number", &(case.write)(minutes(30))));
    });
}

#[test]
fn neither_clock_alone_revives_a_session() {
    on_every_engine(&async |app| {
        let real = Clock::system().now();
        app.add("dead", "ada", real - TimeDelta::minutes(1));
        app.add("live", "ada", real + TimeDelta::minutes(10));
        // A host whose clock is a year slow. SQLite has no other clock.
        if app.engine != Engine::Sqlite {
            let slow = app.sessions_with("", &Clock::fixed(real - TimeDelta::days(365)));
            assert!(!slow.touch_session("dead").await.unwrap(), "{:?}", app.engine);
            assert!(slow.touch_session("live").await.unwrap());
            assert_eq!(slow.user_sessions("ada").await.unwrap().len(), 1);
        }
        // And one that is set back while it runs.
        let clock = Clock::fixed(now());
        let set_back = app.sessions_with("", &clock);
        app.add("later", "ada", minutes(1));
        assert!(set_back.touch_session("later").await.unwrap());
        clock.set(minutes(31));
        clock.step(minutes(-60));
        assert!(!set_back.touch_session("later").await.unwrap());
    });
}
