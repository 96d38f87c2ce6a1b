//! What stands between a wrong setting and somebody's live sessions. Without the guard, each of these tables would lose
//! rows that it must keep; and what is only odd must not stop a run.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sweepd::clock::{Clock, Stopwatch};
use sweepd::config::{Config, Environment};
use sweepd::db::sweep_sql::Target;
use sweepd::db::{Database, Encoding, Index, Param};
use sweepd::report::{Outcome, Report, Trigger};
use sweepd::sweep::{Answer, Progress, Request, guard};
use sweepd::telemetry::metrics::Metrics;
use sweepd::zone::Zone;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::oneshot::{Shell, authjs, left, on_every_engine, quoted};
use crate::servers::{Engine, PrivateServer, TestDatabase};
use crate::stage::{Stage, insert};

/// Clocks may be as far apart as a test pretends.
const ANY: Duration = Duration::from_hours(100 * 365 * 24);
const MINUTE: Duration = Duration::from_mins(1);

/// The configuration of one job.
fn configuration(database: &TestDatabase, layout: &str) -> Config {
    let text = format!("[jobs.sessions]\nschedule = \"manual\"\n{layout}\n");
    let environment: Environment = [("DATABASE_URL", database.url())].into_iter().collect();
    Config::from_text(Path::new("sweepd.toml"), &text, &environment).unwrap()
}

/// Runs a job as if it were `at` on this host.
fn sweep_at(database: &TestDatabase, layout: &str, at: DateTime<Utc>, max_clock_skew: Duration) -> Report {
    let config = configuration(database, layout);
    let mut job = config.jobs[0].clone();
    job.spec.max_clock_skew = max_clock_skew;
    let sweeper = sweepd::daemon::sweeper(&config, &job, &Clock::fixed(at), &Metrics::default());
    let request = Request::new(Trigger::Manual, at);
    let (stop, progress) = (CancellationToken::new(), watch::Sender::new(Progress::default()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(sweeper.run(&job.spec, request, &stop, &progress)) {
        Answer::Ran(report) => report,
        other => panic!("{other:?}"),
    }
}

fn now() -> DateTime<Utc> {
    Clock::system().now()
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// What the wall clock of a zone shows in so many hours, as a literal.
fn wall(zone: &str, hours: i64) -> String {
    let at = Zone::parse(zone).unwrap().local(now() + TimeDelta::hours(hours)).naive_local();
    format!("'{}'", at.format("%Y-%m-%d %H:%M:%S"))
}

/// The type and the encoding of times without a zone.
fn naive(engine: Engine) -> (&'static str, &'static str) {
    match engine {
        Engine::Postgres => ("timestamp", "timestamp"),
        Engine::MySql => ("datetime(6)", "timestamp"),
        Engine::Sqlite => ("datetime", "iso-text"),
    }
}

/// A table of tokens and values; each row is a token and an SQL expression.
fn table(engine: Engine, kind: &str, rows: &[(&str, String)]) -> String {
    let token = quoted(engine, "sessionToken");
    let rows: Vec<_> = rows.iter().map(|(name, at)| format!("('{name}', {at})")).collect();
    format!("CREATE TABLE s ({token} varchar(40) PRIMARY KEY, e {kind}); INSERT INTO s VALUES {}", rows.join(", "))
}

fn layout(keys: &str) -> String {
    format!("table = \"s\"\nexpires_at = \"e\"\n{keys}")
}

fn tokens(shell: &Shell, engine: Engine) -> Vec<String> {
    left(shell, engine, "s")
}

fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

/// A host whose clock is three hours ahead sees live sessions as expired, and so does one whose database's clock is.
#[test]
fn clocks_that_are_apart_stop_a_run_and_where_they_may_the_earlier_one_counts() {
    for engine in Engine::SERVERS {
        let Some(shell) = Shell::with(engine, &authjs(engine, "Session")) else { continue };
        let preset = "preset = \"authjs-prisma\"";
        for apart in [-3, 3] {
            let at = now() + TimeDelta::hours(apart);
            let report = sweep_at(&shell.database, preset, at, MINUTE);
            let error = report.error.unwrap_or_default();
            assert_eq!((report.outcome, report.deleted_count), (Some(Outcome::Failed), 0), "{error}");
            assert_says(&error, &["schedule.max_clock_skew", " s apart and more", "(1m)", &at.to_rfc3339()[..15]]);
            assert_eq!(left(&shell, engine, "Session").len(), 5);
        }
        // `late` expired an hour ago: for a host that is behind, it has not.
        let behind = sweep_at(&shell.database, preset, now() - TimeDelta::hours(3), ANY);
        assert_eq!((behind.outcome, behind.deleted_count), (Some(Outcome::Completed), 1), "{behind:?}");
        let ahead = sweep_at(&shell.database, preset, now() + TimeDelta::hours(3), ANY);
        assert_eq!((ahead.outcome, ahead.deleted_count), (Some(Outcome::Completed), 1), "{ahead:?}");
        assert_eq!(left(&shell, engine, "Session"), ["far", "never", "soon"]);
    }
}

/// (engine, type, keys, the cutoff, the next value that the type can hold)
const AT_THE_CUTOFF: &[(Engine, &str, &str, &str, &str)] = &[
    (
        Engine::Postgres,
        "timestamptz",
        "encoding = \"timestamptz\"",
        "'2025-05-05 14:00:00+02'",
        "'2025-05-05 12:00:00.000001+00'",
    ),
    (
        Engine::Postgres,
        "timestamp",
        "encoding = \"timestamp\"\nwriter_timezone = \"Asia/Tokyo\"",
        "'2025-05-05 21:00:00'",
        "'2025-05-05 21:00:00.000001'",
    ),
    (Engine::Postgres, "integer", "encoding = \"epoch-seconds\"", "1746446400", "1746446401"),
    (Engine::Postgres, "double precision", "encoding = \"epoch-seconds\"", "1746446400", "1746446400.001"),
    (Engine::Postgres, "numeric", "encoding = \"epoch-millis\"", "1746446400000", "1746446400000.1"),
    (Engine::Postgres, "text", "encoding = \"epoch-millis-text\"", "'1746446400000'", "'1746446400001'"),
    (
        Engine::MySql,
        "timestamp(6) NULL",
        "encoding = \"timestamptz\"",
        "'2025-05-05 12:00:00'",
        "'2025-05-05 12:00:00.000001'",
    ),
    (
        Engine::MySql,
        "datetime(6)",
        "encoding = \"timestamp\"\nwriter_timezone = \"America/New_York\"",
        "'2025-05-05 08:00:00'",
        "'2025-05-05 08:00:00.000001'",
    ),
    (Engine::MySql, "int unsigned", "encoding = \"epoch-seconds\"", "1746446400", "1746446401"),
    (Engine::MySql, "bigint", "encoding = \"epoch-millis\"", "1746446400000", "1746446400001"),
    (Engine::MySql, "varchar(20)", "encoding = \"epoch-millis-text\"", "'1746446400000'", "'1746446400001'"),
    (Engine::Sqlite, "integer", "encoding = \"epoch-seconds\"", "1746446400", "1746446400.001"),
    (Engine::Sqlite, "integer", "encoding = \"epoch-millis\"", "1746446400000", "1746446400001"),
    (Engine::Sqlite, "text", "encoding = \"epoch-millis-text\"", "'1746446400000'", "'1746446400001'"),
    (
        Engine::Sqlite,
        "text",
        "encoding = \"iso-text\"\nwriter_timezone = \"UTC\"",
        "'2025-05-05T14:00:00.000+02:00'",
        "'2025-05-05T12:00:00.001Z'",
    ),
    (
        Engine::Sqlite,
        "real",
        "encoding = \"julian-day\"",
        "julianday('2025-05-05 12:00:00')",
        "julianday('2025-05-05 12:00:00.001')",
    ),
];

#[test]
fn a_row_that_expires_exactly_at_the_cutoff_goes_and_the_next_one_stays() {
    for engine in Engine::all() {
        let Some(shell) = Shell::fresh(engine) else { continue };
        for (_, kind, keys, at, next) in AT_THE_CUTOFF.iter().filter(|case| case.0 == engine) {
            let rows = [("at", (*at).to_owned()), ("next", (*next).to_owned())];
            shell.database.execute(&format!("DROP TABLE IF EXISTS s; {}", table(engine, kind, &rows)));
            // The last use, the life after it and the time to be kept add up to the same.
            let later = layout(&format!("{keys}\nmode = \"last-seen\"\nlifetime = \"2h\"\nkeep = \"1h\""));
            let early = sweep_at(&shell.database, &later, instant("2025-05-05T14:59:59.999Z"), ANY);
            assert_eq!((early.outcome, early.deleted_count), (Some(Outcome::Completed), 0), "{engine:?} {keys}");
            let report = sweep_at(&shell.database, &layout(keys), instant("2025-05-05T12:00:00Z"), ANY);
            assert_eq!((report.outcome, report.deleted_count), (Some(Outcome::Completed), 1), "{engine:?} {keys}");
            assert_eq!(tokens(&shell, engine), ["next"], "{engine:?} {keys}");
        }
    }
}

/// A reading of a repeated hour may be meant for its second pass: until then it is left.
#[test]
fn in_a_repeated_hour_nothing_goes_that_may_be_meant_for_its_second_pass() {
    let cases = [
        ("Europe/Paris", "2025-10-26T00:45:00Z", "2025-10-26T01:45:00Z", "2025-10-26 01:59:59", "2025-10-26 02:30:00"),
        (
            "America/New_York",
            "2025-11-02T05:45:00Z",
            "2025-11-02T06:45:00Z",
            "2025-11-02 00:59:59",
            "2025-11-02 01:30:00",
        ),
    ];
    for engine in Engine::all() {
        let (kind, encoding) = naive(engine);
        let Some(shell) = Shell::fresh(engine) else { continue };
        for (zone, first_pass, second_pass, before, repeated) in cases {
            let rows = [("before", format!("'{before}'")), ("repeated", format!("'{repeated}'"))];
            shell.database.execute(&format!("DROP TABLE IF EXISTS s; {}", table(engine, kind, &rows)));
            let keys = layout(&format!("encoding = \"{encoding}\"\nwriter_timezone = \"{zone}\""));
            assert_eq!(sweep_at(&shell.database, &keys, instant(first_pass), ANY).deleted_count, 1, "{engine:?}");
            assert_eq!(tokens(&shell, engine), ["repeated"], "{engine:?} {zone}");
            assert_eq!(sweep_at(&shell.database, &keys, instant(second_pass), ANY).deleted_count, 1, "{engine:?}");
        }
    }
}

/// New York's live session reads as expired four or five hours ago, and Tokyo's give the mistake away.
#[test]
fn a_zone_that_the_job_has_wrong_is_refused_by_the_longest_life() {
    let month = 30 * 24;
    let cases: [(&str, &[(&str, i64, &str)]); 4] = [
        ("UTC", &[("live", 1, "America/New_York"), ("far", month, "Asia/Tokyo")]),
        ("UTC", &[("live", 1, "Asia/Tokyo"), ("far", month, "Asia/Tokyo")]),
        ("America/New_York", &[("live", 1, "UTC"), ("far", month, "UTC")]),
        ("America/New_York", &[("live", 1, "Asia/Tokyo"), ("far", month, "Asia/Tokyo")]),
    ];
    for engine in Engine::all() {
        let (kind, encoding) = naive(engine);
        let Some(shell) = Shell::fresh(engine) else { continue };
        for (said, sessions) in cases {
            let mut rows: Vec<_> = sessions.iter().map(|(name, at, zone)| (*name, wall(zone, *at))).collect();
            rows.push(("old", wall("UTC", -900)));
            shell.database.execute(&format!("DROP TABLE IF EXISTS s; {}", table(engine, kind, &rows)));
            let keys = layout(&format!("encoding = \"{encoding}\"\nwriter_timezone = \"{said}\"\nmax_age = \"30d\""));
            shell.job(&keys);
            let refused = shell.expect(1, &["clean"]).stderr;
            let read_as = format!("{encoding} ({said})");
            assert_says(
                &refused,
                &["longer than `max_age` (30days)", &read_as, "set `writer_timezone`", "max_age = \"7"],
            );
            assert_eq!(tokens(&shell, engine).len(), 3, "{engine:?} {said}");
        }
        shell.expect(1, &["clean", "--dry-run"]);
        assert_says(&shell.expect(1, &["check"]).stdout, &["max_age"]);
    }
}

/// What is kept for a while after it expired is no reason to think that it lives for longer; and neither is "never".
#[test]
fn the_longest_life_lets_the_right_zone_and_what_never_expires_through() {
    for engine in Engine::all() {
        let (kind, encoding) = naive(engine);
        for zone in ["UTC", "America/New_York", "Asia/Tokyo"] {
            let mut rows = vec![
                ("old", wall(zone, -2000)),
                ("live", wall(zone, 1)),
                ("far", wall(zone, 30 * 24)),
                ("null", "NULL".into()),
            ];
            rows.push(("max", "'9999-12-31 23:59:59'".into()));
            if engine == Engine::Postgres {
                rows.push(("inf", "'infinity'".into()));
            }
            let Some(shell) = Shell::with(engine, &table(engine, kind, &rows)) else { continue };
            let keys = layout(&format!("encoding = \"{encoding}\"\nwriter_timezone = \"{zone}\"\nmax_age = \"30d\""));
            shell.job(&format!("{keys}\nkeep = \"60d\""));
            assert_eq!(shell.json(0, &["clean"])["deletedCount"], 1, "{engine:?} {zone}");
            shell.database.execute("CREATE INDEX by_expiry ON s (e)");
            shell.job(&keys);
            shell.expect(0, &["clean"]);
            assert_eq!(tokens(&shell, engine).len(), rows.len() - 1, "{engine:?} {zone}");
        }
    }
}

#[test]
fn several_sessions_that_were_used_in_the_future_stop_a_run_and_one_does_not() {
    let seconds = |hours: i64| (now() + TimeDelta::hours(hours)).timestamp().to_string();
    let rows = || [("old", seconds(-900)), ("used", seconds(-1)), ("odd", seconds(9)), ("odder", seconds(800))];
    let keys = layout("encoding = \"epoch-seconds\"\nmode = \"last-seen\"\nlifetime = \"2h\"");
    on_every_engine(
        |engine| table(engine, "bigint", &rows()),
        |shell, engine| {
            for index in ["SELECT 1", "CREATE INDEX by_use ON s (e)"] {
                shell.database.execute(index);
                shell.job(&keys);
                shell.expect(0, &["clean"]);
                assert_eq!(tokens(&shell, engine), ["odd", "odder", "used"], "{engine:?}");
                shell.database.execute(&format!(
                    "INSERT INTO s VALUES ('old', {0}), ('tokyo', {1})",
                    seconds(-900),
                    seconds(9)
                ));
                let said = shell.expect(1, &["clean"]).stderr;
                assert_says(&said, &["last used in the future", "writer_timezone", "encoding", "`max_age = \"802h\"`"]);
                assert_eq!(tokens(&shell, engine).len(), 5, "{engine:?}");
                // What is stated is confirmed.
                shell.job(&format!("{keys}\nmax_age = \"803h\""));
                shell.expect(0, &["clean"]);
                shell.database.execute(&format!("DELETE FROM s WHERE {} = 'tokyo'", quoted(engine, "sessionToken")));
                shell.job(&format!("{keys}\nmax_age = \"4h\""));
                assert_says(&shell.expect(1, &["clean"]).stderr, &["longer than `max_age` (4h)"]);
                shell.database.execute(&format!("INSERT INTO s VALUES ('old', {})", seconds(-900)));
            }
        },
    );
}

/// A number among texts would be read as a day or a time of long ago. A column without a type keeps what it is given.
#[test]
fn values_of_another_type_are_left_where_they_are() {
    let epoch = now().timestamp_millis();
    let (past, future) = (epoch - 3_600_000, epoch + 3_600_000);
    let odd =
        "('day', 2455000), ('day.5', 2455000.5), ('millis', 1600000000000), ('bytes', x'32303230'), ('empty', '')";
    let cases = [
        (
            "encoding = \"iso-text\"\nwriter_timezone = \"UTC\"",
            "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 hour')",
            "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '1 hour')",
        ),
        ("encoding = \"epoch-millis-text\"", &format!("'{past}'"), &format!("'{future}'")),
    ];
    for (keys, old, live) in cases {
        let Some(shell) = Shell::fresh(Engine::Sqlite) else { return };
        let rows: Vec<_> = (0..20).map(|row| format!("('live{row}', {live})")).collect();
        shell.database.execute(&format!(
            "CREATE TABLE s (\"sessionToken\" TEXT PRIMARY KEY, e); INSERT INTO s VALUES {}, ('old', {old}), {odd}",
            rows.join(", ")
        ));
        shell.job(&layout(keys));
        assert_eq!(shell.json(0, &["clean"])["deletedCount"], 1, "{keys}");
        let left = tokens(&shell, Engine::Sqlite);
        assert_eq!(left.len(), 25, "{keys}: {left:?}");
        // Where most are of another type, it is the job that is wrong.
        shell.database.execute("DELETE FROM s WHERE typeof(e) = 'text'");
        assert_says(
            &shell.expect(1, &["clean"]).stderr,
            &["holds values of type", "(4 of 4)", "set `encoding`", "typeof"],
        );
    }
    for (keys, unit) in [("encoding = \"epoch-millis\"", 1), ("encoding = \"epoch-seconds\"", 1000)] {
        let Some(shell) = Shell::fresh(Engine::Sqlite) else { return };
        let rows: Vec<_> = (0..20).map(|row| format!("('live{row}', {})", future / unit)).collect();
        let text =
            format!("('text', '{}'), ('iso', '2020-01-01T00:00:00Z'), ('bytes', x'31'), ('no', '')", past / unit);
        shell.database.execute(&format!(
            "CREATE TABLE s (\"sessionToken\" TEXT PRIMARY KEY, e); INSERT INTO s VALUES {}, ('old', {}), {text}",
            rows.join(", "),
            past / unit
        ));
        shell.job(&layout(keys));
        assert_eq!(shell.json(0, &["clean"])["deletedCount"], 1, "{keys}");
        assert_eq!(tokens(&shell, Engine::Sqlite).len(), 24, "{keys}");
        shell.database.execute("DELETE FROM s WHERE typeof(e) <> 'text'");
        assert_says(&shell.expect(1, &["clean"]).stderr, &["holds values of type text", "(3 of 3)", "set `encoding`"]);
    }
}

/// Among other rows and alone. A time in the year 1970 is no way to say so, but what a wrong unit reads as: it is left too.
#[test]
fn every_way_to_say_never_is_left() {
    let numbers = ["NULL", "0", "-1", "253402300799", "9223372036854775807"];
    let dates = ["NULL", "'1970-01-01 00:00:00'", "'9999-12-31 23:59:59'"];
    for engine in Engine::all() {
        let (kind, encoding) = naive(engine);
        let own: &[&str] = match engine {
            Engine::Postgres => &["'infinity'", "'-infinity'", "'0001-01-01'"],
            Engine::MySql => &["'0000-00-00 00:00:00'", "'1000-01-01 00:00:00'"],
            Engine::Sqlite => &["''", "'never'", "'0000-00-00'"],
        };
        let dates = [&dates[..], own].concat();
        let naive = format!("encoding = \"{encoding}\"\nwriter_timezone = \"America/New_York\"");
        let epoch = "encoding = \"epoch-seconds\"".to_owned();
        let live = now() + TimeDelta::hours(20);
        let cases = [
            (kind, naive, dates, "'1970-06-01'", "'2020-05-05 05:05:05'", wall("America/New_York", 20)),
            ("bigint", epoch, numbers.to_vec(), "1000000", "1600000000", live.timestamp().to_string()),
        ];
        for (kind, keys, never, odd, old, live) in cases {
            let Some(shell) = Shell::fresh(engine) else { continue };
            let many = (0..10).flat_map(|row| [(format!("old{row}"), old), (format!("live{row}"), live.as_str())]);
            let never = never.iter().enumerate().map(|(row, at)| (format!("never{row}"), *at));
            let rows: Vec<_> = never.clone().chain([("odd".to_owned(), odd)]).chain(many).collect();
            let rows: Vec<_> = rows.iter().map(|(name, at)| (name.as_str(), (*at).to_owned())).collect();
            let session = shell.database.session();
            if engine == Engine::MySql {
                session.execute("SET sql_mode = ''");
            }
            session.execute(&table(engine, kind, &rows));
            shell.job(&layout(&format!("{keys}\nmax_age = \"1d\"")));
            shell.expect(0, &["clean", "--stats"]);
            assert_eq!(tokens(&shell, engine).len(), rows.len() - 10, "{engine:?} {keys}");
            let token = quoted(engine, "sessionToken");
            session.execute(&format!("DELETE FROM s WHERE {token} LIKE 'live%' OR {token} = 'odd'"));
            shell.expect(0, &["clean", "--stats"]);
            assert_eq!(tokens(&shell, engine).len(), never.count(), "{engine:?} {keys}");
        }
    }
}

/// The application's connections are in Tokyo's time, and so its `TIMESTAMP`s are instants: read as wall clocks of Tokyo,
/// they would be nine hours too early.
#[test]
fn a_timestamp_that_mysql_converts_is_refused_until_it_is_confirmed() {
    let Some(server) = PrivateServer::start_with(Engine::MySql, "--default-time-zone=+09:00") else { return };
    let shell = Shell::on(server.fresh());
    let application = shell.database.session();
    application.execute(
        "SET time_zone = '+09:00';
         CREATE TABLE s (sessionToken varchar(40) PRIMARY KEY, e timestamp NULL, d datetime);
         INSERT INTO s VALUES ('live', NOW() + INTERVAL 1 HOUR, NOW() + INTERVAL 1 HOUR), ('old', NOW() - INTERVAL 1 HOUR, NOW() - INTERVAL 1 HOUR)",
    );
    for zone in ["Asia/Tokyo", "UTC"] {
        shell.job(&layout(&format!("encoding = \"timestamp\"\nwriter_timezone = \"{zone}\"")));
        let said = shell.expect(1, &["clean"]).stderr;
        assert_says(&said, &["is a TIMESTAMP", "+09:00", "SELECT @@session.time_zone", "`encoding = \"timestamptz\"`"]);
        assert_eq!(tokens(&shell, Engine::MySql).len(), 2, "{zone}");
    }
    shell.job("table = \"s\"\nexpires_at = \"d\"\nencoding = \"timestamp\"\nwriter_timezone = \"Asia/Tokyo\"");
    assert_eq!(shell.json(0, &["clean", "--dry-run"])["runs"][0]["expired"], 1);
    shell.job(&layout("encoding = \"timestamptz\""));
    assert_eq!(shell.json(0, &["clean"])["deletedCount"], 1);
    assert_eq!(tokens(&shell, Engine::MySql), ["live"]);
}

/// Rows that are all old, or nearly all, are what a first sweep finds; and one odd row is what every table has.
#[test]
fn a_first_sweep_an_abandoned_table_and_one_odd_row_go_through_unattended() {
    let odd = |engine, name: &str, at: &str| {
        let at = if engine == Engine::Sqlite {
            format!("CAST(strftime('%s', '{at}') AS INTEGER) * 1000")
        } else {
            format!("'{at}'")
        };
        format!("INSERT INTO {} VALUES ('odd-{name}', 'u', {at})", quoted(engine, "Session"))
    };
    on_every_engine(
        |engine| {
            let authjs = authjs(engine, "Session");
            authjs.split(';').next().unwrap_or_default().to_owned()
        },
        |shell, engine| {
            let clean = || shell.json(0, &["clean"])["deletedCount"].as_u64().unwrap();
            shell.job("preset = \"authjs-prisma\"\n[jobs.sessions.limits]\nnice = 0");
            shell.database.execute(&insert(engine, "expired", 5940, -60 * 24 * 700));
            shell.database.execute(&insert(engine, "live", 60, 60));
            assert_eq!(clean(), 5940, "{engine:?}");
            assert_eq!(left(&shell, engine, "Session").len(), 60);

            shell.database.execute(&format!("DELETE FROM {}", quoted(engine, "Session")));
            shell.database.execute(&insert(engine, "expired", 500, -60 * 24 * 3000));
            assert_eq!(clean(), 500, "{engine:?}");

            shell.database.execute(&insert(engine, "expired", 50, -60));
            for (name, at) in [("past", "1969-01-01 00:00:00"), ("future", "2500-01-01 00:00:00")] {
                shell.database.execute(&odd(engine, name, at));
            }
            assert_eq!(clean(), 50, "{engine:?}");
            assert_eq!(left(&shell, engine, "Session"), ["odd-future", "odd-past"]);
        },
    );
}

/// Nobody knows which rows a policy hides; and a view of the live sessions would be emptied of the wrong ones.
#[test]
fn hidden_rows_stop_a_user_and_not_one_who_sees_them_all() {
    let Some(shell) = Shell::with(Engine::Postgres, &authjs(Engine::Postgres, "Session")) else { return };
    shell.database.execute(
        r#"ALTER TABLE "Session" ENABLE ROW LEVEL SECURITY; ALTER TABLE "Session" FORCE ROW LEVEL SECURITY;
           CREATE POLICY mine ON "Session" USING ("sessionToken" <> 'old')"#,
    );
    let rows = || shell.database.admin().count("SELECT count(*) FROM \"Session\"");
    assert_says(&shell.expect(1, &["clean"]).stderr, &["row-level security", "database.url", "BYPASSRLS"]);
    assert_eq!(rows(), 5);
    shell.database.execute(r#"ALTER TABLE "Session" NO FORCE ROW LEVEL SECURITY"#);
    assert_eq!((shell.json(0, &["clean"])["deletedCount"].as_u64(), rows()), (Some(2), 3), "its owner sees all rows");
}

/// Each partition has blocks and an index of its own.
#[test]
fn every_partition_is_looked_through() {
    let tables = r#"
        CREATE TABLE s ("sessionToken" text, e timestamp NOT NULL, part int NOT NULL) PARTITION BY LIST (part);
        CREATE TABLE s_1 PARTITION OF s FOR VALUES IN (1); CREATE TABLE s_2 PARTITION OF s FOR VALUES IN (2);
        INSERT INTO s SELECT 'old', now() - interval '2 days', 1 FROM generate_series(1, 100)"#;
    let Some(shell) = Shell::with(Engine::Postgres, tables) else { return };
    shell.database.execute(&format!("INSERT INTO s VALUES ('far', {}, 2)", wall("Asia/Tokyo", 24)));
    for index in ["SELECT 1", "CREATE INDEX by_expiry ON s (e)"] {
        shell.database.execute(index);
        shell.job(&layout("encoding = \"timestamp\"\nwriter_timezone = \"UTC\"\nmax_age = \"1d\""));
        assert_says(&shell.expect(1, &["clean"]).stderr, &["sessions in public.s_2 would live for longer"]);
        assert_eq!(shell.database.count("SELECT count(*) FROM s"), 101);
    }
    shell.job(&layout("encoding = \"timestamp\"\nwriter_timezone = \"Asia/Tokyo\"\nmax_age = \"1d\""));
    assert_eq!(shell.json(0, &["clean"])["deletedCount"], 100);
}

/// However large the table is, looking for what lies ahead reads the end of the index, or a bounded part of the table.
#[test]
fn looking_ahead_reads_little_of_a_large_table() {
    let tables = "CREATE SCHEMA app; CREATE TABLE app.\"Session\" (\"sessionToken\" text PRIMARY KEY, \"userId\" text, expires timestamp)";
    let Some(shell) = Shell::with(Engine::Postgres, tables) else { return };
    shell.database.execute(&format!("SET search_path = app; {}", insert(Engine::Postgres, "live", 200_000, 60)));
    shell.database.execute("CREATE INDEX by_expiry ON app.\"Session\" (expires)");
    shell.database.execute("VACUUM ANALYZE app.\"Session\"");
    let mut target = crate::sql_text::target(sweepd::db::Engine::Postgres, Encoding::Timestamp(Zone::utc()));
    let blocks = |target: &Target| {
        let (sql, params) = target.ahead(now() - TimeDelta::days(1), instant("2130-01-01T00:00:00Z"), 10).into_parts();
        let values = params.iter().map(|param| match param {
            Param::Text(text) => format!("'{text}'"),
            Param::Naive(at) => format!("'{at}'"),
            other => panic!("{other:?}"),
        });
        let sql = values.enumerate().fold(sql, |sql, (index, value)| sql.replace(&format!("${}", index + 1), &value));
        let plan = shell.texts(&format!("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {sql}")).join("\n");
        let read =
            plan.split_once("shared hit=").and_then(|(_, rest)| rest.split(['\n', ' ']).next()?.parse::<u32>().ok());
        (read.unwrap_or_default(), plan)
    };
    let all =
        shell.database.count("SELECT pg_relation_size('app.\"Session\"') / current_setting('block_size')::bigint");
    assert!(all > 1000, "{all}");
    let (read, plan) = blocks(&target);
    assert!(plan.contains("Sample Scan") && (100..500).contains(&read), "{read}: {plan}");
    target.table.indexes =
        vec![Index { name: "by_expiry".into(), unique: false, primary: false, columns: vec!["expires".into()] }];
    let (read, plan) = blocks(&target);
    assert!(plan.contains("Backward") && (1..20).contains(&read), "{read}: {plan}");
}

/// The same by the clock, on every engine; the table has five million rows.
#[test]
fn looking_ahead_is_quick_on_a_table_of_millions() {
    if std::env::var_os("TEST_SWEEPD_LONG").is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for engine in Engine::all() {
        let Some(stage) = Stage::fresh(engine) else { continue };
        stage.fill(4_000_000, 1_000_000);
        for index in ["without an index", "with an index"] {
            let config = configuration(stage.database(), "preset = \"authjs-prisma\"\nmax_age = \"1d\"");
            let job = &config.jobs[0];
            let settings = sweepd::daemon::sweeper(&config, job, &Clock::system(), &Metrics::default()).database;
            let took = runtime.block_on(async {
                let database = Database::connect(&settings).await.unwrap();
                let target = guard::target(&database, &job.spec).await.unwrap();
                assert_eq!(target.is_indexed(), index == "with an index");
                let watch = Stopwatch::start();
                guard::ahead(&database, &job.spec, std::iter::once(&target), now()).await.unwrap();
                watch.elapsed()
            });
            println!("{engine:?} {index}: {took:?}");
            assert!(took < Duration::from_secs(2), "{engine:?} {index}: {took:?}");
            let (table, expires) = (quoted(engine, "Session"), quoted(engine, "expires"));
            if index == "without an index" {
                stage.database().execute(&format!("CREATE INDEX by_expiry ON {table} ({expires})"));
            }
        }
    }
}
