//! Every preset on every database that it exists on, with the tables as its library creates them: it is found, and what
//! `init` writes for it deletes what has expired and nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use sweepd::clock::Clock;
use sweepd::config::{Config, Environment};
use sweepd::db;
use sweepd::preset::{Holds, PRESETS, Preset, Store, Writer};
use sweepd::report::{Outcome, Report, Trigger};
use sweepd::sweep::{Answer, Progress, Request};
use sweepd::telemetry::metrics::Metrics;
use sweepd::zone::Zone;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::oneshot::{Shell, quoted};
use crate::servers::server::APP_USER;
use crate::servers::{Engine, PrivateServer, TestDatabase};

/// Where the application runs whose zone a store leaves open.
const ZONE: &str = "America/New_York";

/// What a library does: create its tables, write a row.
pub struct Library {
    pub tables: &'static str,
    row: &'static str,
}

/// The libraries of an engine by preset.
pub fn libraries(engine: Engine) -> BTreeMap<&'static str, Library> {
    let text = match engine {
        Engine::Postgres => include_str!("../cases/stores/postgres.sql"),
        Engine::MySql => include_str!("../cases/stores/mysql.sql"),
        Engine::Sqlite => include_str!("../cases/stores/sqlite.sql"),
    };
    let sections = text.split("\n\n-- ").skip(1);
    let library = |section: &'static str| {
        let (name, rest) = section.split_once('\n').unwrap();
        let (tables, row) = rest.split_once("-- row\n").unwrap();
        (name, Library { tables, row: row.trim() })
    };
    sections.map(library).collect()
}

impl Library {
    /// The statement that writes a row; `at` is an SQL expression.
    pub fn insert(&self, token: &str, at: &str) -> String {
        self.row.replace("{token}", &format!("'{token}'")).replace("{at}", at)
    }
}

pub fn engine_of(engine: Engine) -> db::Engine {
    match engine {
        Engine::Postgres => db::Engine::Postgres,
        Engine::MySql => db::Engine::MySql,
        Engine::Sqlite => db::Engine::Sqlite,
    }
}

fn is_asking(store: &Store) -> bool {
    matches!(store.writer, Writer::Ask(_))
}

/// `at` as the library writes it.
fn literal(preset: &Preset, store: &Store, encoding: &str, at: DateTime<Utc>) -> String {
    let zone = if is_asking(store) { ZONE } else { "UTC" };
    let wall = Zone::parse(zone).unwrap().local(at).naive_local();
    match encoding {
        "timestamptz" => format!("'{}'", at.format("%Y-%m-%d %H:%M:%S%.3f")),
        "timestamp" => format!("'{}'", wall.format("%Y-%m-%d %H:%M:%S%.3f")),
        "epoch-seconds" => at.timestamp().to_string(),
        "epoch-millis" => at.timestamp_millis().to_string(),
        "epoch-millis-text" => format!("'{}'", at.timestamp_millis()),
        "iso-text" if is_asking(store) || preset.name == "rails" => {
            format!("'{}'", wall.format("%Y-%m-%d %H:%M:%S%.6f"))
        }
        "iso-text" => format!("'{}'", at.format("%Y-%m-%dT%H:%M:%S%.3fZ")),
        "julian-day" => format!("julianday('{}')", at.format("%Y-%m-%d %H:%M:%S%.3f")),
        other => panic!("{other}"),
    }
}

/// The column that a row of the test is known by.
fn marker(store: &Store) -> &'static str {
    let others = ["token", "id"].into_iter().find(|column| store.others.contains(column));
    store.token.or(store.schema.filter(|schema| *schema == "auth").map(|_| "tag")).or(others).unwrap()
}

/// Runs the job of a configuration as if it were `at`.
pub fn sweep_at(database: &TestDatabase, text: &str, at: DateTime<Utc>) -> Report {
    let environment: Environment = [("DATABASE_URL", database.url())].into_iter().collect();
    let config = Config::from_text(Path::new("sweepd.toml"), text, &environment)
        .unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    let job = &config.jobs[0];
    let sweeper = sweepd::daemon::sweeper(&config, job, &Clock::fixed(at), &Metrics::default());
    let request = Request::new(Trigger::Manual, at);
    let (stop, progress) = (CancellationToken::new(), watch::Sender::new(Progress::default()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(sweeper.run(&job.spec, request, &stop, &progress)) {
        Answer::Ran(report) => report,
        other => panic!("{other:?}"),
    }
}

/// Fills in what `init` asks for.
fn filled_in(text: &str) -> String {
    let enabled: Vec<_> = text.lines().filter(|line| !line.starts_with("enabled = false")).collect();
    let lifetime = enabled.join("\n").replace("lifetime = \"365d\"", "lifetime = \"2h\"");
    lifetime.replace("writer_timezone = \"UTC\"", &format!("writer_timezone = \"{ZONE}\""))
}

fn case(shell: &Shell, engine: Engine, preset: &Preset, library: &Library, encoding: &str) {
    let store = preset.store(engine_of(engine)).unwrap();
    let said = format!("{} on {engine:?} as {encoding}", preset.name);
    // Some columns hold whole seconds. A little while ago, as the clocks may not be apart.
    let cutoff = Clock::system().now().with_nanosecond(0).unwrap() - TimeDelta::seconds(20);
    let unit = if engine == Engine::MySql || encoding == "epoch-seconds" { 1000 } else { 1 };
    let last_use = if preset.lifetime.is_some() { TimeDelta::hours(2) } else { TimeDelta::zero() };
    let ends = [("a-old", -3_600_000), ("b-now", 0), ("c-next", unit), ("d-live", 3_600_000)];
    for (token, millis) in ends {
        let at = cutoff + TimeDelta::milliseconds(millis) - last_use;
        shell.database.execute(&library.insert(token, &literal(preset, store, encoding, at)));
    }
    let text = shell.expect(0, &["init", "--dry-run"]).stdout;
    let jobs = text.lines().filter(|line| line.starts_with("[jobs.")).count();
    assert!(jobs == 1 && text.contains(&format!("\npreset = \"{}\"\n", preset.name)), "{said}: {text}");
    // Lucia's is an id, a user and an end, and that could be many a table.
    let sure = if preset.name == "lucia" { "likely, but its columns are those of many a table" } else { "certain" };
    assert!(text.replace("\n#  ", "").contains(&format!("is {}: {sure}.", preset.title)), "{said}: {text}");
    let asks = is_asking(store) || preset.lifetime.is_some() || preset.cleans_itself;
    assert_eq!(text.contains("enabled = false"), asks || sure != "certain", "{said}: {text}");
    assert_eq!(text.contains("no index begins"), !store.indexed && encoding != "epoch-millis-text", "{said}: {text}");

    let report = sweep_at(&shell.database, &filled_in(&text), cutoff);
    assert_eq!((report.outcome, report.deleted_count), (Some(Outcome::Completed), 2), "{said}: {report:?}");
    let table = store.schema.map(|schema| quoted(engine, schema) + ".").unwrap_or_default();
    let (table, column) = (table + &quoted(engine, store.table), quoted(engine, marker(store)));
    let column = if engine == Engine::MySql { format!("CAST({column} AS CHAR)") } else { column };
    let left = shell.texts(&format!("SELECT {column} FROM {table} ORDER BY 1"));
    let left: Vec<_> = left.iter().map(|token| token.trim_end()).collect();
    assert_eq!(left, ["c-next", "d-live"], "{said}");
}

/// `shell` gives an empty database for each.
fn on(engine: Engine, shell: impl Fn(&Preset) -> Option<Shell>) {
    let libraries = libraries(engine);
    for preset in PRESETS {
        let Some(store) = preset.store(engine_of(engine)) else { continue };
        let library = libraries.get(preset.name).unwrap_or_else(|| panic!("{} on {engine:?}", preset.name));
        for encoding in store.encodings {
            let Some(shell) = shell(preset) else { return };
            shell.database.execute(library.tables);
            case(&shell, engine, preset, library, encoding);
        }
    }
}

#[test]
fn every_store_of_postgresql_is_found_and_swept_to_the_millisecond() {
    on(Engine::Postgres, |_| Shell::fresh(Engine::Postgres));
}

/// On a server of its own, as tower-sessions has a database of that name.
#[test]
fn every_store_of_mysql_is_found_and_swept_to_the_second() {
    let Some(server) = PrivateServer::start(Engine::MySql) else { return };
    on(Engine::MySql, |preset| {
        let admin = server.admin();
        admin.execute("DROP DATABASE IF EXISTS tower_sessions");
        if preset.name == "tower-sessions" {
            admin.execute(&format!(
                "CREATE DATABASE tower_sessions; GRANT ALL ON tower_sessions.* TO {APP_USER}@'127.0.0.1'"
            ));
        }
        Some(Shell::on(server.fresh()))
    });
}

#[test]
fn every_store_of_sqlite_is_found_and_swept_to_the_millisecond() {
    on(Engine::Sqlite, |_| Shell::fresh(Engine::Sqlite));
}

#[test]
fn the_list_is_sound() {
    for (index, preset) in PRESETS.iter().enumerate() {
        assert!(!PRESETS[..index].iter().any(|other| other.name == preset.name), "{}", preset.name);
        assert!(!preset.title.is_empty() && !preset.stores.is_empty(), "{}", preset.name);
        let tokens = preset.name.ends_with("-tokens") || preset.name.ends_with("-verification");
        assert_eq!(preset.holds == Holds::Tokens, tokens, "{}", preset.name);
        for store in preset.stores {
            assert!(!store.kind.is_empty() && !store.encodings.is_empty(), "{} {}", preset.name, store.engine);
        }
    }
}

#[test]
fn the_page_says_how_each_is_verified() {
    let page = include_str!("../../docs/presets.md");
    for preset in PRESETS {
        let name = preset.name.trim_end_matches("-tokens").trim_end_matches("-verification");
        let says = |line: &str| {
            line.contains(&format!("`{name}`")) && line.ends_with(&format!("| {} |", preset.verified.as_str()))
        };
        assert!(page.lines().any(says), "{}", preset.name);
    }
}

#[test]
fn presets_are_listed_and_shown() {
    let Some(shell) = Shell::fresh(Engine::Sqlite) else { return };
    let list = shell.expect(0, &["presets"]).stdout;
    let all = shell.json(0, &["presets"])["presets"].as_array().unwrap().clone();
    assert_eq!(all.len(), PRESETS.len());
    for preset in PRESETS {
        assert!(list.lines().any(|line| line.split_whitespace().next() == Some(preset.name)), "{list}");
        let shown = shell.expect(0, &["presets", preset.name]).stdout;
        for store in preset.stores {
            assert!(shown.contains(&format!("\n{}\n", store.engine)) && shown.contains(store.expires_at), "{shown}");
        }
        let json = shell.json(0, &["presets", preset.name]);
        assert_eq!(json["stores"].as_array().unwrap().len(), preset.stores.len(), "{json}");
        // What it shows is a configuration.
        let url = match preset.stores[0].engine {
            db::Engine::Postgres => "postgresql://app@localhost/app",
            db::Engine::MySql => "mysql://app@localhost/app",
            db::Engine::Sqlite => "sqlite:app.db",
        };
        let environment: Environment = [("DATABASE_URL", url)].into_iter().collect();
        let loaded = Config::from_text(Path::new("a"), json["config"].as_str().unwrap(), &environment);
        assert!(loaded.is_ok(), "{json}: {}", loaded.unwrap_err());
    }
    let said = shell.expect(2, &["presets", "authjs-prism"]).stderr;
    assert!(said.contains("did you mean authjs-prisma?"), "{said}");
}

/// Nobody but the application knows for how long a session lives after its last use.
#[test]
fn a_store_of_last_uses_wants_a_lifetime() {
    let libraries = libraries(Engine::Sqlite);
    for preset in ["laravel", "rails"] {
        let Some(shell) = Shell::with(Engine::Sqlite, libraries[preset].tables) else { return };
        shell.job(&format!("preset = \"{preset}\""));
        let said = shell.expect(2, &["clean"]).stderr;
        assert!(said.contains("`lifetime` must say"), "{said}");
        shell.job(&format!("preset = \"{preset}\"\nlifetime = \"2x\""));
        assert!(!shell.expect(2, &["clean"]).stderr.contains("must say"));
        shell.job(&format!("preset = \"{preset}\"\nlifetime = \"2h\""));
        shell.expect(0, &["clean"]);
    }
}

/// Texts that sort otherwise than their instants, and many batches: each row is still judged by itself.
#[test]
fn iso_text_is_swept_along_its_index() {
    let libraries = libraries(Engine::Sqlite);
    let Some(shell) = Shell::with(Engine::Sqlite, libraries["better-auth"].tables) else { return };
    shell.database.execute("CREATE INDEX by_expiry ON session (\"expiresAt\")");
    let rows = |name: &str, count: u32, format: &str, minutes: i32| {
        shell.database.execute(&format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
             INSERT INTO session (id, \"expiresAt\", token, \"createdAt\", \"updatedAt\", \"userId\")
             SELECT '{name}-' || n, {format}, '{name}-' || n, '', '', 'u' FROM n",
            format = format.replace("{m}", &minutes.to_string())
        ));
    };
    let utc = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '{m} minutes', -n || ' seconds')";
    // An hour ahead of the clock on the wall, or behind it, and yet the same instants.
    let east = "strftime('%Y-%m-%dT%H:%M:%f+14:00', 'now', '{m} minutes', '14 hours')";
    let west = "strftime('%Y-%m-%dT%H:%M:%f-12:00', 'now', '{m} minutes', '-12 hours')";
    rows("expired", 6000, utc, -1);
    rows("expired-east", 500, east, -1);
    rows("live-east", 500, east, 1);
    rows("expired-west", 500, west, -1);
    rows("live-west", 500, west, 1);
    rows("live-words", 3, "'never'", 0);
    shell.job("preset = \"better-auth\"\norder = \"expiry\"\nmax_age = \"1d\"\n[jobs.sessions.limits]\nnice = 0");
    let plan = shell.json(0, &["clean", "--dry-run"]);
    assert_eq!(plan["runs"][0]["plan"]["walks"][0]["index"], "by_expiry", "{plan}");
    let done = shell.json(0, &["clean"]);
    assert_eq!((&done["deletedCount"], &done["runs"][0]["order"]), (&7000.into(), &"expiry".into()), "{done}");
    assert!(done["runs"][0]["batches"].as_u64().unwrap() > 1, "{done}");
    assert_eq!(shell.database.count("SELECT count(*) FROM session WHERE id LIKE 'live-%'"), 1003);
    assert_eq!(shell.database.count("SELECT count(*) FROM session"), 1003);
}

#[test]
fn the_plan_says_why_no_index_helps_with_numbers_in_text() {
    let libraries = libraries(Engine::Sqlite);
    let Some(shell) = Shell::with(Engine::Sqlite, libraries["authjs-typeorm"].tables) else { return };
    shell.database.execute("CREATE INDEX by_expiry ON sessions (expires)");
    shell.job("preset = \"authjs-typeorm\"");
    let plan = shell.json(0, &["clean", "--dry-run"]);
    let why = plan["runs"][0]["plan"]["walks"][0]["why"].as_str().unwrap();
    assert!(why.contains("numbers in text are not indexed in the order of time"), "{why}");
    shell.job("preset = \"authjs-typeorm\"\norder = \"expiry\"");
    let said = shell.expect(1, &["clean"]).stderr;
    assert!(said.contains("numbers in text") && !said.contains("migrate --index"), "{said}");
}
