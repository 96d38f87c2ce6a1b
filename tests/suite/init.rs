//! `sweepd init` and the built-in job: which stores are in a database, and what is done where that is not clear.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use chrono::TimeDelta;
use sweepd::clock::Clock;

use crate::oneshot::{Shell, authjs, left, on_every_engine, quoted};
use crate::presets::{libraries, sweep_at};
use crate::process::{Process, sweepd};
use crate::servers::{Engine, PrivateServer};
use crate::stage::{LIMIT, stop, wait};

/// Tables of the application's own that are no sessions, whatever their columns and types are.
fn coupons(engine: Engine) -> String {
    let kind = match engine {
        Engine::Postgres => "timestamptz",
        Engine::MySql => "datetime",
        Engine::Sqlite => "integer",
    };
    format!(
        "CREATE TABLE coupons (id varchar(40) PRIMARY KEY, code varchar(40), token varchar(40), user_id varchar(40), expires_at {kind});
         CREATE TABLE training_sessions (id varchar(40) PRIMARY KEY, user_id varchar(40), expires_at {kind});
         CREATE TABLE licence (id varchar(40) PRIMARY KEY, token varchar(40), data varchar(40), expires {kind}, expiry {kind})"
    )
}

/// The tables of several libraries.
fn tables(engine: Engine, presets: &[&str]) -> String {
    let libraries = libraries(engine);
    presets.iter().map(|preset| libraries[preset].tables).collect()
}

/// The presets of a configuration's jobs.
pub fn presets(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("preset = \"")?.split('"').next()).collect()
}

#[test]
fn four_stores_at_once_are_found_and_nothing_else() {
    let cases = [
        (Engine::Postgres, ["authjs-prisma", "connect-pg-simple", "django", "tower-sessions"]),
        (Engine::MySql, ["authjs-prisma", "django", "laravel", "lucia"]),
        (Engine::Sqlite, ["authjs-prisma", "django", "symfony", "tower-sessions"]),
    ];
    for (engine, wanted) in cases {
        let Some(shell) = Shell::with(engine, &tables(engine, &wanted)) else { continue };
        shell.database.execute(&coupons(engine));
        let said = shell.expect(0, &["init"]).stdout;
        let text = fs::read_to_string(shell.path().join("sweepd.toml")).unwrap();
        let mut found = presets(&text);
        found.sort_unstable();
        assert_eq!(found, wanted, "{text}");
        for preset in wanted {
            assert!(said.contains(preset) && text.contains(&format!("[jobs.{preset}]")), "{said}{text}");
        }
        shell.expect(0, &["check"]);
        shell.expect(0, &["clean"]);
        // Two of them are enough to leave a choice.
        fs::remove_file(shell.path().join("sweepd.toml")).unwrap();
        let refused = shell.json(2, &["clean"])["error"].as_str().unwrap().to_owned();
        for part in wanted.iter().copied().chain(["sweepd init", "SWEEPD_JOBS__SESSIONS__PRESET"]) {
            assert!(refused.contains(part), "{part}: {refused}");
        }
        assert!(shell.expect(2, &["run"]).stderr.contains("leaves a choice"));
        assert!(shell.expect(2, &["clean", "--dry-run"]).stderr.contains("leaves a choice"));
    }
}

#[test]
fn an_unrelated_expiry_proposes_nothing() {
    on_every_engine(coupons, |shell, engine| {
        let said = shell.expect(1, &["init"]).stderr;
        assert!(said.contains("no session store that sweepd knows"), "{engine:?} {said}");
        shell.expect(1, &["init", "--dry-run"]);
        assert!(!shell.path().join("sweepd.toml").exists());
        // As without detection: the job of the defaults says what it misses.
        assert!(shell.expect(1, &["clean"]).stderr.contains("has no table \"Session\""), "{engine:?}");
    });
}

#[test]
fn a_file_is_never_overwritten_unasked_and_holds_the_url_only_when_that_was_given() {
    let Some(shell) = Shell::with(Engine::Postgres, &tables(Engine::Postgres, &["authjs-prisma"])) else { return };
    let (file, password) = (shell.path().join("sweepd.toml"), shell.database.password());
    shell.expect(0, &["init", "--dry-run"]);
    assert!(!file.exists());
    shell.expect(0, &["init"]);
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains(password) && text.contains("in DATABASE_URL"), "{text}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    fs::write(&file, "# mine\n").unwrap();
    assert!(shell.expect(2, &["init"]).stderr.contains("--force"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "# mine\n");
    shell.expect(0, &["init", "--output", "other.toml", "--url", shell.database.url()]);
    let other = fs::read_to_string(shell.path().join("other.toml")).unwrap();
    assert!(other.contains(&format!("url = \"{}\"", shell.database.url())), "{other}");
    shell.expect(0, &["init", "--force"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);

    let mut command = sweepd();
    command.args(["--config", "other.toml", "clean"]).current_dir(shell.path());
    assert_eq!(Process::spawn(command).exit_code(LIMIT), 0);
    let mut command = sweepd();
    command.arg("init").current_dir(shell.path().join(".."));
    let mut nowhere = Process::spawn(command);
    assert_eq!(nowhere.exit_code(LIMIT), 2);
    assert!(nowhere.stderr().contains("DATABASE_URL"), "{}", nowhere.stderr());
}

/// The table of an older Better Auth, of which nobody knows whose wall clock its times are of.
#[test]
fn a_table_that_two_stores_would_read_differently_is_left_to_a_person() {
    let table =
        tables(Engine::Postgres, &["better-auth"]).replace("\"expiresAt\" timestamptz", "\"expiresAt\" timestamp");
    let Some(shell) = Shell::with(Engine::Postgres, &table) else { return };
    let now = "now() AT TIME ZONE 'UTC' - interval '1 day'";
    shell.database.execute(&libraries(Engine::Postgres)["better-auth"].insert("old", now));
    let text = shell.expect(0, &["init", "--dry-run"]).stdout;
    assert_eq!(presets(&text), ["better-auth", "better-auth-prisma"], "{text}");
    assert!(text.contains("doubtful") && text.contains("likely") && !text.contains("[jobs.sessions]"), "{text}");
    assert_eq!(text.matches("enabled = false").count(), 2, "{text}");
    let said = shell.expect(2, &["clean"]).stderr;
    assert!(said.contains("better-auth-prisma, likely"), "{said}");
    assert_eq!(shell.database.count("SELECT count(*) FROM session"), 1);
}

/// Epoch seconds and milliseconds look alike as long as there are no rows; the names of two libraries are the same.
#[test]
fn an_ambiguous_table_is_listed_with_its_choices() {
    let table = "CREATE TABLE sessions (id integer PRIMARY KEY, token text, data blob, expiry real, session_id text, created_at datetime, updated_at datetime)";
    let Some(shell) = Shell::with(Engine::Sqlite, table) else { return };
    let text = shell.expect(0, &["init"]).stdout;
    let file = fs::read_to_string(shell.path().join("sweepd.toml")).unwrap();
    let mut found = presets(&file);
    found.sort_unstable();
    assert_eq!(found, ["rails", "scs"], "{file}");
    assert_eq!(file.matches("enabled = false").count(), 2, "{file}");
    assert!(file.contains("several stores have such a table") && text.contains("not enabled"), "{file}{text}");
    assert!(shell.expect(0, &["clean"]).stdout.contains("No job is enabled"));
    fs::remove_file(shell.path().join("sweepd.toml")).unwrap();
    let said = shell.expect(2, &["clean"]).stderr;
    assert!(said.contains("scs, certain or rails") || said.contains("rails, certain"), "{said}");
}

#[test]
fn the_only_store_of_a_database_needs_no_configuration() {
    for (engine, preset) in
        [(Engine::Postgres, "django"), (Engine::MySql, "express-mysql-session"), (Engine::Sqlite, "better-auth")]
    {
        let libraries = libraries(engine);
        let Some(shell) = Shell::with(engine, libraries[preset].tables) else { continue };
        shell.database.execute(&coupons(engine));
        let (old, live) = match engine {
            Engine::Postgres => ("now() - interval '1 hour'", "now() + interval '1 hour'"),
            Engine::MySql => ("UNIX_TIMESTAMP() - 3600", "UNIX_TIMESTAMP() + 3600"),
            Engine::Sqlite => {
                ("strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 hour')", "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '1 hour')")
            }
        };
        shell.database.execute(&libraries[preset].insert("old", old));
        shell.database.execute(&libraries[preset].insert("live", live));
        assert_eq!(shell.json(0, &["stats"])["jobs"][0]["total"], 2, "{preset}");
        shell.expect(0, &["check"]);
        let done = shell.json(0, &["clean"]);
        assert_eq!((&done["deletedCount"], &done["runs"][0]["job"]), (&1.into(), &"sessions".into()), "{done}");
        // What is said is not guessed at.
        let mut command = sweepd();
        command.args(["clean", "--dry-run"]).current_dir(shell.path()).env("DATABASE_URL", shell.database.url());
        command.env("SWEEPD_JOBS__SESSIONS__PRESET", "authjs-prisma");
        let mut said = Process::spawn(command);
        assert_eq!(said.exit_code(LIMIT), 1);
        assert!(said.stderr().contains("has no table \"Session\""), "{}", said.stderr());
    }
}

/// The table of Shopify's apps, which also has an end, and whose rows are wanted after it.
#[test]
fn a_table_that_has_only_the_name_of_a_store_is_not_swept_without_a_word() {
    let table = r#"CREATE TABLE "Session" (id text PRIMARY KEY, shop text, state text, "accessToken" text, "userId" bigint, expires timestamp(3));
         INSERT INTO "Session" VALUES ('a', 'shop', '', '', 1, '2025-05-05')"#;
    let Some(shell) = Shell::with(Engine::Postgres, table) else { return };
    assert!(shell.expect(1, &["init"]).stderr.contains("no session store"));
    let said = shell.expect(1, &["clean"]).stderr;
    assert!(
        said.contains("has no column \"sessionToken\"") && said.contains("SWEEPD_JOBS__SESSIONS__PRESET"),
        "{said}"
    );
    let mut command = sweepd();
    command.arg("run").current_dir(shell.path()).env("DATABASE_URL", shell.database.url());
    command.env("SWEEPD_JOBS__SESSIONS__SCHEDULE", "* * * * * *");
    let mut daemon = Process::spawn(command);
    daemon.wait_for_output("has no column", LIMIT);
    stop(&mut daemon);
    assert_eq!(shell.database.count("SELECT count(*) FROM \"Session\""), 1);
    shell.job("preset = \"authjs-prisma\"");
    assert_eq!(shell.json(0, &["clean"])["deletedCount"], 1);
}

/// Many a table has an id, a user and an end.
#[test]
fn a_bare_table_is_likely_and_waits_to_be_confirmed() {
    let table = "CREATE TABLE user_session (id text PRIMARY KEY, user_id text, expires_at timestamptz);
         INSERT INTO user_session VALUES ('a', 'u', '2025-05-05')";
    let Some(shell) = Shell::with(Engine::Postgres, table) else { return };
    let text = shell.expect(0, &["init", "--dry-run"]).stdout;
    assert!(text.contains("enabled = false") && text.contains("many a table"), "{text}");
    assert!(shell.expect(2, &["clean"]).stderr.contains("lucia, likely"));
    assert_eq!(shell.database.count("SELECT count(*) FROM user_session"), 1);
}

/// Verification tokens beside the sessions leave no choice, and are left to a configuration.
#[test]
fn tokens_beside_the_sessions_are_found_and_left() {
    let engine = Engine::Postgres;
    let Some(shell) = Shell::with(engine, &tables(engine, &["authjs-prisma", "authjs-prisma-tokens"])) else { return };
    for preset in ["authjs-prisma", "authjs-prisma-tokens"] {
        shell.database.execute(&libraries(engine)[preset].insert("old", "'2025-05-05'"));
    }
    let text = shell.expect(0, &["init", "--dry-run"]).stdout;
    assert_eq!(presets(&text), ["authjs-prisma", "authjs-prisma-tokens"], "{text}");
    assert!(text.contains("[jobs.sessions]") && !text.contains("enabled"), "{text}");
    assert_eq!(shell.json(0, &["clean"])["deletedCount"], 1);
    shell.expect(0, &["init"]);
    assert_eq!(shell.json(0, &["clean"])["deletedCount"], 1);
}

/// The library's tables under names of the application's own.
#[test]
fn a_renamed_table_is_likely_and_waits_to_be_confirmed() {
    on_every_engine(
        |engine| authjs(engine, "app_sessions"),
        |shell, engine| {
            assert!(shell.expect(2, &["clean"]).stderr.contains("likely"), "{engine:?}");
            let text = shell.expect(0, &["init", "--dry-run"]).stdout;
            assert!(text.contains("table = \"app_sessions\"") && text.contains("enabled = false"), "{text}");
            shell.configure(&text.lines().filter(|line| !line.starts_with("enabled")).collect::<Vec<_>>().join("\n"));
            assert_eq!(shell.json(0, &["clean"])["deletedCount"], 2);
            assert_eq!(left(&shell, engine, "app_sessions"), ["far", "never", "soon"]);
        },
    );
}

/// A column that holds instants says so itself.
#[test]
fn prismas_table_with_instants_is_read_as_what_it_is() {
    let tables =
        tables(Engine::Postgres, &["authjs-prisma"]).replace("\"expires\" TIMESTAMP(3)", "\"expires\" TIMESTAMPTZ(3)");
    let Some(shell) = Shell::with(Engine::Postgres, &tables) else { return };
    let text = shell.expect(0, &["init", "--dry-run"]).stdout;
    assert!(text.contains("encoding = \"timestamptz\"") && text.contains("likely"), "{text}");
    shell.configure(&text);
    shell.expect(0, &["check"]);
}

/// connect-pg-simple writes the wall clock of its connection, and beside it the cookie with the instant.
#[test]
fn the_zone_of_connect_pg_simple_is_proven_by_its_cookies_or_asked_for() {
    let library = &libraries(Engine::Postgres)["connect-pg-simple"];
    let Some(shell) = Shell::with(Engine::Postgres, library.tables) else { return };
    let now = Clock::system().now();
    // As the library does it: the expiry is the cookie's end, by the zone of the connection.
    let session = shell.database.session();
    let log_in = |name: &str, minutes: i64| {
        let end = now + TimeDelta::minutes(minutes);
        session.execute(&format!(
            "SET timezone = 'America/New_York';
             INSERT INTO session VALUES ('{name}', '{{\"cookie\":{{\"expires\":\"{}\"}}}}', to_timestamp({}))",
            end.format("%Y-%m-%dT%H:%M:%S%.3fZ"),
            end.timestamp() + 1
        ));
    };
    for (name, minutes) in [("old", -60), ("older", -6000), ("oldest", -7000), ("live", 1), ("far", 600)] {
        log_in(name, minutes);
    }
    // The server is in another zone.
    let text = shell.expect(0, &["init", "--dry-run"]).stdout;
    assert!(text.contains("enabled = false") && text.contains("writer_timezone = \"UTC\"   # FILL IN"), "{text}");
    assert!(text.contains("do not agree"), "{text}");
    let said = shell.expect(2, &["clean"]).stderr;
    assert!(said.contains("connect-pg-simple, certain, writer_timezone is needed"), "{said}");

    // Half a year of New York could as well be another zone's.
    shell.database.execute(&format!("ALTER DATABASE {} SET timezone = 'America/New_York'", shell.database.name()));
    let text = shell.expect(0, &["init", "--dry-run"]).stdout;
    assert!(text.contains("enabled = false") && text.replace("\n#  ", "").contains("cookies agree so far"), "{text}");
    shell.expect(2, &["clean"]);
    for (name, quarters) in [("a-quarter", 1), ("two-quarters", 2), ("three-quarters", 3)] {
        log_in(name, -quarters * 91 * 24 * 60);
    }
    let text = shell.expect(0, &["init", "--dry-run"]).stdout;
    assert!(text.contains("writer_timezone = \"America/New_York\"\n") && !text.contains("enabled"), "{text}");
    assert!(text.replace("\n#  ", "").contains("the cookies of 8 of 8 sessions agree"), "{text}");
    assert_eq!(sweep_at(&shell.database, &text, now).deleted_count, 6);
    assert_eq!(shell.texts("SELECT sid FROM session ORDER BY sid"), ["far", "live"]);
    for (name, quarters) in [("old", 0), ("a-quarter", 1), ("two-quarters", 2), ("three-quarters", 3)] {
        log_in(name, -60 - quarters * 91 * 24 * 60);
    }
    assert_eq!(shell.json(0, &["clean"])["deletedCount"], 4);

    // One that ends before its cookie gives a wrong zone away, however many agree.
    for (name, quarters) in [("a", 0), ("b", 1), ("c", 2), ("d", 3)] {
        log_in(name, 600 + quarters * 91 * 24 * 60);
    }
    assert!(shell.expect(0, &["init", "--dry-run"]).stdout.contains("sessions agree"));
    session.execute("UPDATE session SET expire = expire - interval '1 hour' WHERE sid = 'far'");
    assert!(shell.expect(0, &["init", "--dry-run"]).stdout.contains("do not agree"));
}

/// The database is away when the daemon starts, as after a power cut.
#[test]
fn a_daemon_that_starts_before_its_database_finds_the_store_later() {
    let Some(server) = PrivateServer::start(Engine::Postgres) else { return };
    let library = &libraries(Engine::Postgres)["django"];
    let shell = Shell::on(server.fresh());
    shell.database.execute(library.tables);
    shell.database.execute(&library.insert("old", "now() - interval '1 hour'"));
    server.stop();
    let mut command = sweepd();
    command.arg("run").current_dir(shell.path()).env("DATABASE_URL", shell.database.url());
    command.env("SWEEPD_JOBS__SESSIONS__SCHEDULE", "* * * * * *");
    let mut daemon = Process::spawn(command);
    daemon.wait_for_output("is ready", LIMIT);
    server.restart();
    daemon.wait_for_output("the built-in job sweeps django_session", LIMIT);
    let session = shell.database.session();
    wait(&mut daemon, "the expired session is left", || session.count("SELECT count(*) FROM django_session") == 0);
    stop(&mut daemon);
}

/// A file without jobs leaves the question to the database, before an edit and after it.
#[test]
fn an_edit_that_says_nothing_of_jobs_keeps_the_store_that_was_found() {
    let library = &libraries(Engine::Postgres)["django"];
    let Some(shell) = Shell::with(Engine::Postgres, library.tables) else { return };
    shell.configure("[log]\nlevel = \"info\"\n");
    let mut command = sweepd();
    command.arg("run").current_dir(shell.path()).env("DATABASE_URL", shell.database.url());
    command.env("SWEEPD_JOBS__SESSIONS__SCHEDULE", "* * * * * *");
    let mut daemon = Process::spawn(command);
    daemon.wait_for_output("is ready", LIMIT);
    shell.configure("[log]\nlevel = \"debug\"\n");
    daemon.wait_for_output("loaded anew", LIMIT);
    shell.database.execute(&library.insert("old", "now() - interval '1 hour'"));
    let session = shell.database.session();
    wait(&mut daemon, "the expired session is left", || session.count("SELECT count(*) FROM django_session") == 0);
    stop(&mut daemon);
    assert!(!daemon.output().contains("\"Session\""), "{}", daemon.output());
}

/// The answer of one database is none for another.
#[test]
fn an_edit_that_names_another_database_asks_that_one() {
    let engine = Engine::Postgres;
    let library = &libraries(engine)["django"];
    let (Some(shell), Some(other)) =
        (Shell::with(engine, library.tables), Shell::with(engine, &authjs(engine, "Session")))
    else {
        return;
    };
    let file = |url: &str| format!("[database]\nurl = \"{url}\"\n");
    shell.configure(&file(shell.database.url()));
    let mut command = sweepd();
    command.arg("run").current_dir(shell.path()).env("SWEEPD_JOBS__SESSIONS__SCHEDULE", "* * * * * *");
    let mut daemon = Process::spawn(command);
    daemon.wait_for_output("is ready", LIMIT);
    shell.configure(&file(other.database.url()));
    daemon.wait_for_output("loaded anew", LIMIT);
    let session = other.database.session();
    wait(&mut daemon, "the expired sessions are left", || session.count("SELECT count(*) FROM \"Session\"") == 3);
    stop(&mut daemon);
}

/// The tables come with the application's first migration, and then there are two stores.
#[test]
fn a_daemon_that_finds_a_choice_later_sweeps_nothing() {
    let Some(server) = PrivateServer::start(Engine::Postgres) else { return };
    let shell = Shell::on(server.fresh());
    let stores = ["django", "tower-sessions"];
    shell.database.execute(&tables(Engine::Postgres, &stores));
    server.stop();
    let mut command = sweepd();
    command.arg("run").current_dir(shell.path()).env("DATABASE_URL", shell.database.url());
    let mut daemon = Process::spawn(command);
    daemon.wait_for_output("is ready", LIMIT);
    server.restart();
    let said = daemon.wait_for_output("nothing is swept", LIMIT);
    assert!(stores.iter().all(|store| said.contains(store)), "{said}");
    stop(&mut daemon);
}

/// A user who may not read the rows is told so, and the column's quotes are no obstacle.
#[test]
fn a_table_that_may_not_be_read_is_found_and_doubtful() {
    let Some(shell) = Shell::with(Engine::Postgres, &tables(Engine::Postgres, &["django"])) else { return };
    let (role, table) = (format!("{}_looker", shell.database.name()), quoted(Engine::Postgres, "django_session"));
    shell.database.admin().execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'p'"));
    let url = shell.database.url_as(&role, "p");
    let said = shell.expect(0, &["init", "--dry-run", "--url", &url]).stdout;
    assert!(said.contains("doubtful") && said.contains("AGAINST IT") && said.contains("enabled = false"), "{said}");
    shell.database.execute(&format!("GRANT SELECT ON {table} TO {role}"));
    let said = shell.expect(0, &["init", "--dry-run", "--url", &url]).stdout;
    assert!(said.contains("certain") && !said.contains("enabled"), "{said}");
    shell.database.admin().execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

/// Where another library has the same table, and may write local time, its name proves nothing.
#[test]
fn a_table_that_prisma_would_have_made_otherwise_is_swept_by_nobody_unasked() {
    let cases = [(Engine::Postgres, "timestamp(3)", "timestamp"), (Engine::MySql, "varchar(191)", "varchar(255)")];
    for (engine, of_prisma, other) in cases {
        let Some(shell) = Shell::with(engine, &authjs(engine, "Session").replace(of_prisma, other)) else { continue };
        let said = shell.expect(2, &["clean"]).stderr;
        assert!(said.contains("authjs-prisma, likely"), "{engine:?} {said}");
        let text = shell.expect(0, &["init", "--dry-run"]).stdout;
        assert!(presets(&text) == ["authjs-prisma"] && text.contains("enabled = false"), "{engine:?} {text}");
        assert_eq!(left(&shell, engine, "Session").len(), 5, "{engine:?}");
    }
}

/// `@@map("sessions")` makes it the name of another library's table.
#[test]
fn a_table_under_the_name_of_another_library_is_what_its_values_say() {
    on_every_engine(
        |engine| authjs(engine, "sessions"),
        |shell, engine| {
            let text = shell.expect(0, &["init", "--dry-run"]).stdout;
            assert_eq!(presets(&text), ["authjs-prisma"], "{engine:?} {text}");
            assert!(text.contains("likely") && text.contains("enabled = false"), "{engine:?} {text}");
        },
    );
}

/// Every Supabase project has that table.
#[test]
fn what_a_service_cleans_up_by_itself_is_not_guessed_and_leaves_no_choice() {
    let engine = Engine::Postgres;
    let tables = format!("{};{}", tables(engine, &["supabase-auth"]), authjs(engine, "Session"));
    let Some(shell) = Shell::with(engine, &tables) else { return };
    let text = shell.expect(0, &["init", "--dry-run"]).stdout;
    assert_eq!(text.matches("enabled = false").count(), 1, "{text}");
    assert_eq!(shell.json(0, &["clean"])["deletedCount"], 2);
}

#[cfg(unix)]
#[test]
fn a_file_that_is_replaced_is_nobody_elses_business() {
    let shell = Shell::with(Engine::Sqlite, &authjs(Engine::Sqlite, "Session")).unwrap();
    let file = shell.path().join("sweepd.toml");
    fs::write(&file, "# mine\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    shell.expect(0, &["init", "--force"]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let names: Vec<_> = fs::read_dir(shell.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{names:?}");
}
