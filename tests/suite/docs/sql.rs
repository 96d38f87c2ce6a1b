//! The SQL of the pages runs.

use std::time::Duration;

use sweepd::db::{self, Database, DatabaseUrl, migrate};
use sweepd::preset::{Preset, Store, Writer};

use super::{PAGES, blocks, checked};
use crate::oneshot::{Shell, quoted};
use crate::presets::libraries;
use crate::servers::{Engine, TestDatabase};

#[test]
fn statements_run_on_their_engine() {
    for engine in Engine::all() {
        let note = match engine {
            Engine::Postgres => "",
            Engine::MySql => "mysql",
            Engine::Sqlite => "sqlite",
        };
        for page in blocks::pages() {
            let blocks = checked("sql").into_iter().filter(|block| block.page == page && block.note == note);
            let blocks: Vec<_> = blocks.collect();
            if blocks.is_empty() {
                continue;
            }
            let Some(database) = reference(engine, &page) else { break };
            if PAGES.iter().any(|(name, _)| *name == page) {
                // Their lines are for the role of the operators' page.
                database.admin().execute(&with_names("CREATE ROLE sweeper", &database));
            }
            for block in blocks {
                for statement in statements(&with_names(&block.text, &database)) {
                    let ran = database.admin().try_execute(&statement);
                    assert!(ran.is_ok(), "{}: {}\n{statement}", block.place(), ran.unwrap_err());
                }
            }
        }
    }
    for block in checked("sql") {
        assert!(["", "mysql", "sqlite"].contains(&&*block.note), "{}: sql {}", block.place(), block.note);
    }
}

/// As the operators' page says, with the lines of a page about presets in place of the one about Auth.js's sessions.
#[test]
fn grants_of_the_pages_about_presets_are_enough() {
    let libraries = libraries(Engine::Postgres);
    let operators = blocks::of("docs/operations.md").into_iter().find(|block| block.tag == "sql").expect("a role");
    let others: String =
        operators.text.lines().filter(|line| !line.contains("\"Session\"")).collect::<Vec<_>>().join("\n");
    for (page, presets) in PAGES {
        let Some(database) = reference(Engine::Postgres, page) else { return };
        let theirs = blocks::of(page).into_iter().filter(|block| block.tag == "sql").map(|block| block.text);
        let grants = format!("{others}\n{}", theirs.collect::<String>());
        database.admin().execute(&with_names(&grants, &database));
        let role = database.url_as(&with_names("sweeper", &database), "...");
        let shell = Shell::on(database).connect_as(role);
        for name in presets {
            let store = Preset::find(name).unwrap().store(db::Engine::Postgres).unwrap();
            shell.database.execute(&libraries[name].insert("old", long_ago(store)));
            shell.job(&format!("preset = \"{name}\"{}", asked_for(name, store)));
            assert_eq!(shell.json(0, &["clean"])["deletedCount"], 1, "{page}: {name}");
            shell.expect(0, &["stats"]);
            shell.expect(0, &["check"]);
        }
    }
}

/// The day before yesterday, as the store writes it.
fn long_ago(store: &Store) -> &'static str {
    match store.encodings[0] {
        "epoch-seconds" => "extract(epoch FROM now())::bigint - 172800",
        "epoch-millis" => "1000 * (extract(epoch FROM now())::bigint - 172800)",
        _ => "now() - interval '2 days'",
    }
}

/// What only the application knows.
fn asked_for(name: &str, store: &Store) -> &'static str {
    if matches!(store.writer, Writer::Ask(_)) {
        "\nwriter_timezone = \"UTC\""
    } else if Preset::find(name).is_some_and(|preset| preset.lifetime.is_some()) {
        "\nlifetime = \"2h\""
    } else {
        ""
    }
}

/// A database with what the page is about.
fn reference(engine: Engine, page: &str) -> Option<TestDatabase> {
    let database = TestDatabase::fresh(engine)?;
    let libraries = libraries(engine);
    let presets = PAGES.iter().find(|(name, _)| *name == page).map(|(_, presets)| *presets);
    for preset in presets.unwrap_or(&["authjs-prisma", "authjs-prisma-tokens"]) {
        database.execute(libraries[preset].tables);
    }
    if presets.is_none() {
        let users = quoted(engine, "User");
        database.execute(&format!("ALTER TABLE {users} ADD role varchar(20)"));
    }
    let audit = quoted(engine, "AuditLog");
    let (action, created) = (quoted(engine, "action"), quoted(engine, "createdAt"));
    let (json, time) = match engine {
        Engine::Postgres => ("jsonb", "timestamp(3)"),
        Engine::MySql => ("json", "datetime(3)"),
        Engine::Sqlite => ("jsonb", "datetime"),
    };
    database.execute(&format!(
        "CREATE TABLE {audit} (id varchar(191) PRIMARY KEY, {action} varchar(191), details {json}, {created} {time})"
    ));
    create_own_tables(&database);
    Some(database)
}

fn create_own_tables(database: &TestDatabase) {
    let settings = db::Settings {
        url: DatabaseUrl::parse(database.url()).unwrap(),
        max_connections: 1,
        connect_timeout: Duration::from_secs(10),
        lock_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(10),
        idle_timeout: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::connect(&settings).await.unwrap();
        migrate::run(&database).await.unwrap();
        database.close().await;
    });
}

/// Roles belong to the server, which other tests share.
fn with_names(text: &str, database: &TestDatabase) -> String {
    let name = database.name();
    text.replace("sweeper", &format!("{name}_docs"))
        .replace(" TO application;", &format!(" TO {name}_docs;"))
        .replace("DATABASE app ", &format!("DATABASE {name} "))
        .replace(" app.", &format!(" {name}."))
        .replace("'app'", &format!("'{name}'"))
}

/// Each ends with a semicolon at the end of a line.
fn statements(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split(" -- ").next().unwrap_or_default());
    let code: Vec<_> = lines.filter(|line| !line.starts_with("--") && !line.trim().is_empty()).collect();
    let parts = code.join("\n");
    parts
        .split(";\n")
        .map(|part| part.trim().trim_end_matches(';').to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}
