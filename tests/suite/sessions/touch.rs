//! The sliding expiry, to the millisecond and in every encoding.

use chrono::{DateTime, TimeDelta, Utc};
use sweepd::clock::Clock;
use sweepd::db::Trouble;
use sweepd::sessions::{Error, Sessions};
use sweepd::zone::Zone;

use super::{block_on, minutes, now, on_every_engine, open};
use crate::servers::{Engine, TestDatabase};
use crate::stage::Stage;

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

#[test]
fn a_value_that_cannot_be_read_is_not_alive_and_left_alone() {
    let odd: [(&str, &[&str]); 3] = [
        ("epoch-millis\"", &["'2030-01-02T04:04:06.000+00:00'", "''"]),
        ("epoch-millis-text", &["'2030-01-02T04:04:06Z'", "''", "'1e99'", "'-1'"]),
        ("iso-text", &["'2030-01-02 04:04:06+00'", "'2030-01-02 04:04:06+0000'", "'soon'", "''"]),
    ];
    for case in CASES {
        let Some((_, values)) = odd.iter().find(|(encoding, _)| case.layout.contains(encoding)) else { continue };
        // The others have columns that hold nothing else.
        if case.engine != Engine::Sqlite && !case.layout.contains("text") {
            continue;
        }
        let Some(table) = Table::of(case) else { continue };
        for (number, value) in values.iter().enumerate() {
            table.add(&format!("good{number}"), &(case.write)(minutes(60)));
            table.add(&format!("odd{number}"), value);
        }
        let sessions = table.sessions("", &Clock::fixed(now()));
        block_on(async {
            for (number, value) in values.iter().enumerate() {
                let name = format!("{:?} {} {value}", case.engine, case.layout);
                assert!(!sessions.touch_session(&format!("odd{number}")).await.unwrap(), "{name}");
                assert!(table.holds(&format!("odd{number}"), value), "{name}");
            }
            assert_eq!(sessions.user_sessions("ada").await.unwrap().len(), values.len(), "{}", case.layout);
        });
    }
}

/// Prisma's text and its numbers, side by side in one column.
#[test]
fn a_store_that_writes_in_two_ways_is_read_in_both() {
    let Some(stage) = Stage::fresh(Engine::Sqlite) else { return };
    let text = |at: DateTime<Utc>| format!("'{}'", at.format("%Y-%m-%dT%H:%M:%S%.3f+00:00"));
    let number = |at: DateTime<Utc>| at.timestamp_millis().to_string();
    for more in [text, number] as [fn(DateTime<Utc>) -> String; 2] {
        let database = stage.database();
        database.execute("DELETE FROM \"Session\"");
        for (token, value) in [
            ("text", text(minutes(1))),
            ("number", number(minutes(2))),
            ("dead-text", text(now())),
            ("dead-number", number(now())),
            ("more", more(now())),
            ("more2", more(now())),
        ] {
            database.execute(&format!("INSERT INTO \"Session\" VALUES ('{token}', 'ada', {value})"));
        }
        let sessions = open(database, "", &Clock::fixed(now()));
        block_on(async {
            let listed = sessions.user_sessions("ada").await.unwrap();
            let ends: Vec<_> = listed.iter().map(|session| session.expires_at).collect();
            assert_eq!(ends, [Some(minutes(2)), Some(minutes(1))]);
            for (token, alive) in [("text", true), ("number", true), ("dead-text", false), ("dead-number", false)] {
                assert_eq!(sessions.touch_session(token).await.unwrap(), alive, "{token}");
            }
        });
        let moved = [("text", text(minutes(30))), ("number", number(minutes(30)))];
        for (token, value) in moved {
            let sql =
                format!("SELECT COUNT(*) FROM \"Session\" WHERE \"sessionToken\" = '{token}' AND expires = {value}");
            assert_eq!(database.count(&sql), 1, "{token}");
        }
    }
}

/// Around the clock changes of New York: the time, what the column holds, whether that is alive, and what it holds then.
#[test]
fn a_change_of_the_clocks_revives_nobody_and_ends_nobody() {
    let spring = "2030-03-10T07:30:00Z"; // 03:30, half an hour after a gap
    let first = "2030-11-03T05:45:00Z"; // 01:45
    let second = "2030-11-03T06:10:00Z"; // 01:10 again
    let cases = [
        (spring, "2030-03-10 03:05:00", false, "2030-03-10 03:05:00"),
        (spring, "2030-03-10 03:35:00", true, "2030-03-10 04:00:00"),
        (first, "2030-11-03 01:05:00", false, "2030-11-03 01:05:00"),
        // Half an hour later it is 01:15 again, which would be over.
        (first, "2030-11-03 01:50:00", true, "2030-11-03 02:00:00"),
        (first, "2030-11-03 02:00:00", true, "2030-11-03 02:00:00"),
        (second, "2030-11-03 01:10:00", false, "2030-11-03 01:10:00"),
        (second, "2030-11-03 01:20:00", true, "2030-11-03 02:00:00"),
        (second, "2030-11-03 02:05:00", true, "2030-11-03 02:05:00"),
    ];
    let zoned = "writer_timezone = \"America/New_York\"";
    for (engine, encoding, kind) in [
        (Engine::Postgres, "timestamp", "timestamp(3)"),
        (Engine::MySql, "timestamp", "datetime(3)"),
        (Engine::Sqlite, "iso-text", "text"),
    ] {
        let layout = &*format!("encoding = \"{encoding}\"\n{zoned}").leak();
        let case = Case { engine, layout, kind, write: |at| at.to_string(), unit: 1 };
        let Some(table) = Table::of(&case) else { continue };
        for (number, (_, reading, ..)) in cases.iter().enumerate() {
            table.add(&format!("t{number}"), &format!("'{reading}'"));
        }
        for (number, (at, reading, alive, then)) in cases.iter().enumerate() {
            let sessions = table.sessions("", &Clock::fixed(at.parse().unwrap()));
            let found = block_on(sessions.touch_session(&format!("t{number}"))).unwrap();
            assert_eq!(found, *alive, "{engine:?} {at} {reading}");
            assert!(table.holds(&format!("t{number}"), &format!("'{then}'")), "{engine:?} {at} {reading}");
        }
    }
}

/// A value that the database refuses to hold ends no session.
#[test]
fn a_touch_that_the_database_refuses_is_an_error() {
    on_every_engine(&async |app| {
        let (session, expires) = (app.name("Session"), app.name("expires"));
        let latest = match app.engine {
            Engine::Sqlite => minutes(20).timestamp_millis().to_string(),
            _ => format!("'{}'", minutes(20).format(PLAIN)),
        };
        let token = app.name("sessionToken");
        app.database().execute(&match app.engine {
            Engine::Sqlite => format!(
                "DROP TABLE {session}; CREATE TABLE {session} ({token} text, {user} text, {expires} datetime CHECK ({expires} < {latest}))",
                user = app.name("userId"),
            ),
            _ => format!("ALTER TABLE {session} ADD CHECK ({expires} < {latest})"),
        });
        app.add("one", "ada", minutes(1));
        let error = app.sessions().touch_session("one").await.unwrap_err();
        assert!(matches!(&error, Error::Database(error) if error.trouble == Trouble::Constraint), "{error:?}");
    });
}

/// The end of a session would be out of the column's range: it was not moved, and it is alive.
#[test]
fn an_expiry_out_of_range_is_an_error_and_not_a_dead_session() {
    for (engine, kind) in [(Engine::Postgres, "numeric(13)"), (Engine::MySql, "decimal(13)")] {
        let layout = "encoding = \"epoch-millis\"";
        let case = Case { engine, layout, kind, write: |at| at.timestamp_millis().to_string(), unit: 1 };
        let Some(table) = Table::of(&case) else { continue };
        let last = DateTime::from_timestamp_millis(9_999_999_999_999).unwrap();
        let before = last - TimeDelta::minutes(10);
        table.add("one", &(case.write)(before + TimeDelta::minutes(1)));
        // So that the column's values look like dates.
        for other in ["two", "three", "four"] {
            table.add(other, &(case.write)(now()));
        }
        let sessions = table.sessions("", &Clock::fixed(before));
        block_on(async {
            let error = sessions.touch_session("one").await.unwrap_err();
            assert!(matches!(&error, Error::Database(error) if error.trouble == Trouble::Form), "{engine:?} {error:?}");
        });
    }
}

/// `MySQL` in its usual mode does not take zero dates, but old rows hold them.
#[test]
fn a_zero_date_is_no_expiry_and_not_written_back() {
    let layout = "encoding = \"timestamp\"\nwriter_timezone = \"UTC\"";
    let case =
        Case { engine: Engine::MySql, layout, kind: "datetime", write: |at| local("UTC", at, PLAIN), unit: 1000 };
    let Some(table) = Table::of(&case) else { return };
    table.database.execute("SET SESSION sql_mode = ''; INSERT INTO s VALUES ('zero', 'ada', '0000-00-00 00:00:00')");
    let sessions = table.sessions("", &Clock::fixed(now()));
    block_on(async {
        assert!(sessions.touch_session("zero").await.unwrap());
        assert_eq!(sessions.user_sessions("ada").await.unwrap()[0].expires_at, None);
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
