//! The SQL of every engine, held against a file: a change of it is a change that somebody reads.
//! `UPDATE_SQL=1 cargo test sql_text` writes the file anew.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sweepd::db::alert_sql;
use sweepd::db::batch_sql::Batch;
use sweepd::db::expiry_sql::{Expiry, Moving};
use sweepd::db::history_sql::{self, Place};
use sweepd::db::ledger_sql::{self, Ending, NewRun};
use sweepd::db::session_sql::{self, Key, SessionTable};
use sweepd::db::sweep_sql::{Path, Stretch, Target};
use sweepd::db::{Column, Encoding, Engine, Index, Mode, Param, Statement, Table, TableKind, TableName, migrate};
use sweepd::report::{Outcome, RunId, SweepOrder, Trigger};
use sweepd::zone::Zone;

const ENGINES: [Engine; 3] = [Engine::Postgres, Engine::MySql, Engine::Sqlite];

fn at() -> DateTime<Utc> {
    "2026-03-04T05:06:07.890123Z".parse().unwrap()
}

pub fn target(engine: Engine, encoding: Encoding) -> Target {
    let table = Table {
        name: TableName { schema: Some("app".into()), name: "Session".into() },
        kind: TableKind::Plain,
        columns: vec![Column {
            name: "expires".into(),
            kind: "its_type".into(),
            nullable: false,
            has_default: false,
            collation: None,
        }],
        key: vec!["a".into(), "b".into()],
        indexes: Vec::new(),
        estimated_rows: None,
        hides_rows: false,
    };
    Target { table, expiry: Expiry { engine, column: "expires".into(), encoding, mode: Mode::Expires } }
}

fn encodings(engine: Engine) -> Vec<Encoding> {
    let utc = Encoding::NAMES.iter().filter_map(|name| Encoding::from_name(name, Zone::utc()));
    let elsewhere = |encoding: &Encoding| match engine {
        Engine::Sqlite => matches!(encoding, Encoding::Timestamptz | Encoding::Timestamp(_)),
        Engine::Postgres | Engine::MySql => matches!(encoding, Encoding::IsoText(_) | Encoding::JulianDay),
    };
    let mut found: Vec<_> = utc.filter(|encoding| !elsewhere(encoding)).collect();
    let zone = Zone::parse("America/New_York").unwrap();
    found.push(if engine == Engine::Sqlite { Encoding::IsoText(zone) } else { Encoding::Timestamp(zone) });
    found
}

fn write(text: &mut String, name: &str, statement: Statement) {
    let (sql, params) = statement.into_parts();
    writeln!(text, "{name}\n  {sql}\n  {params:?}").unwrap();
}

fn sweep(text: &mut String, engine: Engine) {
    for encoding in encodings(engine) {
        let target = target(engine, encoding);
        let name = |what: &str| format!("{engine} {} {what}", target.expiry.encoding);
        write(text, &name("count"), target.count(at()));
        write(text, &name("statistics"), target.statistics(at()));
        write(text, &name("sample"), target.sample(1000));
        write(text, &name("ahead"), target.ahead(at(), at(), 10));
        let after = vec![Param::Text("2026-01-01 00:00:00".into())];
        let stretch = Stretch { after: Some(after.clone()), upto: Some(after.clone()) };
        write(text, &name("expiry boundary"), target.boundary(&Path::Expiry, Some(&after), 500, at()));
        write(text, &name("expiry delete"), target.delete(&batch(&Path::Expiry, &stretch)));
    }
}

fn walks(text: &mut String, engine: Engine) {
    let target = target(engine, Encoding::EpochSeconds);
    let key = Path::Key(target.table.key.clone());
    let after = vec![Param::Int(1), Param::Text("x".into())];
    let stretch = Stretch { after: Some(after.clone()), upto: Some(after.clone()) };
    write(text, &format!("{engine} key boundary"), target.boundary(&key, Some(&after), 500, at()));
    write(text, &format!("{engine} key delete"), target.delete(&batch(&key, &stretch)));
    write(text, &format!("{engine} key delete, last"), target.delete(&batch(&key, &Stretch::default())));
    let limited = Batch { most: Some(7), ..batch(&key, &stretch) };
    write(text, &format!("{engine} key delete, limited"), target.delete(&limited));
    let skipping = Batch { skip_locked: true, wanted: true, ..batch(&key, &stretch) };
    if skipping.in_two_steps(engine) {
        write(text, &format!("{engine} select rows"), target.select_rows(&skipping));
        write(text, &format!("{engine} delete rows"), target.delete_rows(&[after.clone(), after], at()));
    } else {
        let wanted = Batch { skip_locked: engine == Engine::Postgres, ..skipping };
        write(text, &format!("{engine} key delete, skipping what is locked, for an archive"), target.delete(&wanted));
    }
    let mut indexed = target.clone();
    let (name, columns) = ("by_expiry".into(), vec!["expires".into()]);
    indexed.table.indexes = vec![Index { name, unique: false, primary: false, columns }];
    write(text, &format!("{engine} ahead, along the index"), indexed.ahead(at(), at(), 10));
    if engine == Engine::Postgres {
        let stretch = Stretch { after: Some(vec![Param::Int(0)]), upto: Some(vec![Param::Int(200)]) };
        write(text, "blocks delete", target.delete(&batch(&Path::Blocks, &stretch)));
        write(text, "blocks", target.blocks());
        write(text, "estimate", target.estimate(at()));
    }
}

fn sessions(text: &mut String, engine: Engine) {
    let kind = if engine == Engine::Postgres { "text" } else { "varchar" };
    let collation = (engine == Engine::MySql).then(|| ("utf8mb4".to_owned(), "utf8mb4_general_ci".to_owned()));
    let column = |name: &str| Column {
        name: name.into(),
        kind: kind.into(),
        nullable: false,
        has_default: false,
        collation: collation.clone(),
    };
    let (token, user, id) = (column("sessionToken"), column("userId"), column("id"));
    let moving = Moving { due: at() - Duration::from_mins(5), to: at() };
    let by_token = Key { column: &token, value: "token" };
    let by_user = Key { column: &user, value: "ada" };
    for encoding in encodings(engine) {
        let target = target(engine, encoding);
        let name = |what: &str| format!("{engine} {} sessions {what}", target.expiry.encoding);
        let (target, expiry) = (target.clone(), &target.expiry);
        let table = SessionTable { target, other: None, token: Some(token.clone()), user: Some(user.clone()) };
        write(text, &name("list"), table.list(by_user, at(), 1000));
        match engine {
            Engine::Postgres => write(text, &name("touch"), table.touch_or_find(by_token, at(), &moving)),
            Engine::MySql | Engine::Sqlite => {
                write(text, &name("look"), table.look(expiry, by_token, at(), &moving));
                write(text, &name("touch"), table.touch(expiry, by_token, at(), &moving, "2025-01-01T00:00:00.000Z"));
            }
        }
    }
    let table = SessionTable {
        target: target(engine, Encoding::EpochSeconds),
        other: None,
        token: Some(token.clone()),
        user: Some(user.clone()),
    };
    let users = TableName { schema: Some("app".into()), name: "User".into() };
    let (role, by_id) = (column("role"), Key { column: &id, value: "ada" });
    write(text, &format!("{engine} sessions owner"), table.owner(by_token));
    write(text, &format!("{engine} sessions revoke"), table.revoke(by_token, None));
    write(text, &format!("{engine} sessions revoke, but one"), table.revoke(by_user, Some(by_token)));
    write(text, &format!("{engine} user"), session_sql::user(engine, &users, by_id, &[&role]));
    let change = session_sql::update_user(engine, &users, by_id, &[(&role, Some("ADMIN"))]);
    write(text, &format!("{engine} update user"), change);
    write(text, &format!("{engine} change nothing"), session_sql::change_nothing(engine, &users, &id, &[&role]));
    let grants = [
        session_sql::grant_sessions(engine, &users, "expires", "them"),
        session_sql::grant_users(engine, &users, &id, &[&role], "them"),
    ];
    writeln!(text, "{engine} sessions grants\n  {}", grants.join("\n  ")).unwrap();
}

fn batch<'a>(path: &'a Path, stretch: &Stretch) -> Batch<'a> {
    Batch { path, stretch: stretch.clone(), cutoff: at(), most: None, skip_locked: false, wanted: false }
}

fn ledger(text: &mut String, engine: Engine) {
    let id: RunId = "0190b5a4-0000-7000-8000-000000000000".parse().unwrap();
    let run = NewRun {
        id,
        target: "app.Session".into(),
        job: "sessions".into(),
        trigger: Trigger::Schedule,
        scheduled_for: Some(at()),
        host: "host".into(),
    };
    let ending =
        Ending { outcome: Outcome::Failed, stopped_by: None, throttled: "{}".into(), error: Some("no".into()) };
    let place = |job: &str| Place { target: "app.Session".into(), job: job.into() };
    let jobs = [place("sessions"), place("tokens")];
    let (stale, history) = (Duration::from_millis(10_500), Duration::from_hours(24));
    let statements = [
        ("claim", ledger_sql::claim(engine, &run)),
        ("skip", ledger_sql::skip(engine, &run, Some("why"))),
        ("pause", ledger_sql::pause(engine, "app.Session", "sessions", "host")),
        ("resume", ledger_sql::resume(engine, "app.Session", "sessions")),
        ("paused", ledger_sql::paused(engine, "app.Session", "sessions")),
        ("last run of each", history_sql::runs(engine, &jobs, 1, true)),
        ("runs of each", history_sql::runs(engine, &jobs, 30, false)),
        ("last success of each", history_sql::last_success(engine, &jobs)),
        ("pause of each", history_sql::paused(engine, &jobs)),
        ("armed of each", history_sql::armed(engine, &jobs, at())),
        ("running", ledger_sql::running(engine, "app.Session", "sessions", stale)),
        ("progress", ledger_sql::progress(engine, id, 42)),
        ("heartbeat", ledger_sql::heartbeat(engine, id)),
        ("plan", ledger_sql::plan(engine, id, at(), Some(SweepOrder::Expiry), "{}")),
        ("finish", ledger_sql::finish(engine, id, &ending)),
        ("interrupt", ledger_sql::interrupt(engine, id, stale)),
        ("by instant", ledger_sql::by_instant(engine, "app.Session", "sessions", at())),
        ("arm", ledger_sql::arm(engine, "app.Session", "sessions", "0 2 * * * UTC", at())),
        ("armed", ledger_sql::armed(engine, "app.Session", "sessions", at())),
        ("left", ledger_sql::left(engine, "app.Session", "sessions", history)),
        ("history", ledger_sql::history(engine, 20)),
        ("old", ledger_sql::old(engine, history, 1000)),
        ("forget", ledger_sql::forget(engine, &[id, id])),
    ];
    for (name, statement) in statements {
        write(text, &format!("{engine} ledger {name}"), statement);
    }
    let (position, hold) = ((id, at()), Duration::from_secs(40));
    let alerts = [
        ("begin", alert_sql::begin(engine, "app.Session", "sessions")),
        ("told", alert_sql::told(engine, "app.Session", "sessions")),
        ("last ended", alert_sql::last_ended(engine, "app.Session", "sessions")),
        ("ended", alert_sql::ended(engine, "app.Session", "sessions", position)),
        ("tell", alert_sql::tell(engine, "app.Session", "sessions", position, Some("failed"), true)),
        ("queue", alert_sql::queue(engine, id, "ops", "{}")),
        ("oldest", alert_sql::oldest(engine, "ops")),
        ("take", alert_sql::take(engine, id, 2, hold)),
        ("put off", alert_sql::put_off(engine, id, 3, hold)),
        ("delivered", alert_sql::delivered(engine, id)),
        ("forget", alert_sql::forget(engine, history)),
        ("waiting", alert_sql::waiting(engine)),
    ];
    for (name, statement) in alerts {
        write(text, &format!("{engine} alerts {name}"), statement);
    }
    let table = target(engine, Encoding::EpochSeconds).table;
    writeln!(text, "{engine} index\n  {}", migrate::expiry_index(engine, &table, "expires")).unwrap();
}

#[test]
fn sql_is_as_it_was_read() {
    let mut text = String::new();
    for engine in ENGINES {
        sweep(&mut text, engine);
        walks(&mut text, engine);
        ledger(&mut text, engine);
        sessions(&mut text, engine);
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/sql.txt");
    if std::env::var_os("UPDATE_SQL").is_some() {
        std::fs::write(file, &text).unwrap();
    }
    let known = std::fs::read_to_string(file).unwrap_or_default();
    let difference = text.lines().zip(known.lines()).find(|(new, known)| new != known);
    assert_eq!(difference, None, "the SQL has changed (new, known); UPDATE_SQL=1 writes tests/cases/sql.txt anew");
    assert_eq!(text.len(), known.len(), "the SQL has changed; UPDATE_SQL=1 writes tests/cases/sql.txt anew");
}
