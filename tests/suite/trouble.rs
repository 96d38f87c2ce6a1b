//! What goes wrong and must not stop the rest: jobs that cannot run, databases that do not answer, odd rows.

use std::net::TcpListener;
use std::time::Duration;

use crate::oneshot::{Shell, authjs, on_every_engine, quoted};
use crate::process::{Process, sweepd};
use crate::servers::Engine;

/// Accepts connections and never answers. The system accepts for it.
fn silent_listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn start(listener: &TcpListener, scheme: &str, command: &str) -> (tempfile::TempDir, Process) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("{scheme}://app@127.0.0.1:{}/app", listener.local_addr().unwrap().port());
    let mut program = sweepd();
    program.arg(command).env("DATABASE_URL", url).current_dir(directory.path());
    (directory, Process::spawn(program))
}

#[test]
fn a_database_that_is_silent_does_not_hold_up_a_stop() {
    for scheme in ["postgresql", "mysql"] {
        let listener = silent_listener();
        let (_directory, mut daemon) = start(&listener, scheme, "run");
        daemon.wait_for_output("is ready", Duration::from_secs(10));
        daemon.signal("TERM");
        assert_eq!(daemon.exit_code(Duration::from_secs(4)), 0, "{}", daemon.output());

        let (_directory, mut clean) = start(&listener, scheme, "clean");
        std::thread::sleep(Duration::from_millis(300));
        clean.signal("TERM");
        assert_eq!(clean.exit_code(Duration::from_secs(4)), 3, "{}", clean.output());
    }
}

#[test]
fn a_job_that_cannot_run_stops_no_other() {
    let job = |name: &str, table: &str| {
        format!("[jobs.{name}]\nschedule = \"manual\"\npreset = \"authjs-prisma\"\ntable = \"{table}\"\n")
    };
    let Some(shell) = Shell::with(Engine::Sqlite, &authjs(Engine::Sqlite, "Session")) else { return };
    shell.configure(&format!("{}{}", job("absent", "nothing_here"), job("good", "Session")));

    for command in [&["stats"][..], &["clean", "--dry-run"], &["clean", "--dry-run", "--stats"]] {
        let said = shell.expect(1, command);
        assert_eq!(said.stderr.matches("error: absent: ").count(), 1, "{command:?}: {}", said.stderr);
        assert!(said.stdout.contains("good"), "{command:?}: {}", said.stdout);
    }
    let said = shell.json(1, &["clean", "--stats"]);
    assert_eq!((&said["success"], &said["deletedCount"]), (&false.into(), &2.into()), "{said}");
    assert!(said["error"].as_str().unwrap().starts_with("absent: "), "{said}");
    assert_eq!(said["runs"].as_array().unwrap().len(), 2, "{said}");
    assert_eq!(said["stats"]["after"][0]["total"], 3, "{said}");
}

/// An audit table that takes no row is no reason for a job never to run again after a crash.
#[test]
fn a_dead_run_is_closed_even_where_no_audit_row_can_be_written() {
    on_every_engine(
        |engine| {
            let audit = quoted(engine, "AuditLog");
            let id = quoted(engine, "id");
            let session = authjs(engine, "Session");
            format!(
                "{session}; CREATE TABLE {audit} ({id} varchar(191) PRIMARY KEY CHECK ({id} = 'never'), action varchar(191) NOT NULL, details text)"
            )
        },
        |shell, engine| {
            shell.expect(0, &["migrate"]);
            let (table, target) = match engine {
                Engine::Postgres => ("sweepd.run", "public.Session".to_owned()),
                Engine::MySql => ("sweepd_run", format!("{}.Session", shell.database.name())),
                Engine::Sqlite => ("sweepd_run", "main.Session".to_owned()),
            };
            let at = if engine == Engine::Sqlite { "'2026-01-01T00:00:00.000Z'" } else { "'2026-01-01 00:00:00'" };
            shell.database.execute(&format!(
                "INSERT INTO {table} (id, target, job, triggered_by, state, host, started_at, heartbeat_at, deleted)
                 VALUES ('0190b5a4-0000-7000-8000-000000000001', '{target}', 'sessions', 'manual', 'running', 'h', {at}, {at}, 7)"
            ));
            assert_eq!(shell.json(0, &["clean"])["deletedCount"], 2);
            let runs = shell.json(0, &["history"])["runs"].clone();
            assert_eq!(runs[1]["outcome"], "interrupted", "{runs}");
        },
    );
}

#[test]
fn rows_that_say_never_in_their_own_way_stop_nothing() {
    let number = |engine| if engine == Engine::Postgres { "double precision" } else { "double" };
    on_every_engine(
        |engine| {
            format!(
                "CREATE TABLE s (id varchar(20) PRIMARY KEY, expires bigint);
                 INSERT INTO s VALUES ('max', {}), ('y3000', 32503680000);
                 CREATE TABLE f (id varchar(20) PRIMARY KEY, expires {}); CREATE INDEX f_expires ON f (expires);
                 INSERT INTO f VALUES ('huge', 1e300), ('old', 1600000000.5)",
                i64::MAX,
                number(engine)
            )
        },
        |shell, _| {
            shell.job("table = \"s\"\nexpires_at = \"expires\"\nencoding = \"epoch-seconds\"");
            assert_eq!(shell.json(0, &["clean", "--stats"])["deletedCount"], 0);
            shell.database.execute("INSERT INTO s VALUES ('old', 1600000000)");
            assert_eq!(shell.json(0, &["clean"])["deletedCount"], 1);
            shell.job("table = \"f\"\nexpires_at = \"expires\"\nencoding = \"epoch-seconds\"");
            assert_eq!(shell.json(0, &["clean", "--stats"])["deletedCount"], 1);
        },
    );
}

/// A second writer that has the unit wrong: its live rows must not be taken for rows of 1970.
#[test]
fn live_rows_in_seconds_among_milliseconds_are_left() {
    on_every_engine(
        |_| {
            let rows: Vec<_> = (0..50).map(|row| format!("('ms{row}', {})", 1_600_000_000_000_u64 + row)).collect();
            format!(
                "CREATE TABLE s (id varchar(20) PRIMARY KEY, expires bigint);
                 INSERT INTO s VALUES {}, ('live', 4000000000)",
                rows.join(", ")
            )
        },
        |shell, _| {
            shell.job("table = \"s\"\nexpires_at = \"expires\"\nencoding = \"epoch-millis\"");
            assert_eq!(shell.json(0, &["clean"])["deletedCount"], 50);
            assert_eq!(shell.texts("SELECT id FROM s"), ["live"]);
        },
    );
}

#[test]
fn a_few_values_of_another_type_are_left_and_stop_nothing() {
    let Some(shell) = Shell::with(Engine::Sqlite, &authjs(Engine::Sqlite, "Session")) else { return };
    shell.database.execute("INSERT INTO \"Session\" VALUES ('odd', 'u', '')");
    assert_eq!(shell.json(0, &["clean"])["deletedCount"], 2);
    assert!(shell.texts("SELECT \"sessionToken\" FROM \"Session\"").contains(&"odd".to_owned()));
}

#[test]
fn sql_in_a_message_can_be_pasted() {
    let table = "s\"; DROP TABLE users; --";
    let Some(shell) = Shell::with(Engine::Sqlite, &authjs(Engine::Sqlite, table)) else { return };
    shell.job(&format!("preset = \"authjs-drizzle\"\ntable = {}", toml::Value::from(table)));
    shell.database.execute(&format!("UPDATE {} SET expires = 'x'", quoted(Engine::Sqlite, table)));
    let said = shell.expect(1, &["clean"]).stderr;
    assert!(said.contains(r#"SELECT typeof("expires"), count(*) FROM "main"."s""; DROP TABLE users; --""#), "{said}");
}

#[test]
fn what_is_wrong_with_the_call_or_the_configuration_is_exit_2() {
    let Some(shell) = Shell::with(Engine::Sqlite, &authjs(Engine::Sqlite, "Session")) else { return };
    for call in [&["clean", "--bogus"][..], &["clean", "nobody"], &["schedule"], &["schedule", "every 7 minutes"]] {
        shell.expect(2, call);
        assert_eq!(shell.json(2, call)["success"], false, "{call:?}");
    }
    shell.configure("[jobs.a]\nschedul = \"hourly\"");
    for command in ["run", "clean", "stats", "check", "history", "migrate", "config"] {
        shell.expect(2, &[command]);
    }
    shell.job("preset = \"authjs-prisma\"\n[jobs.over]\nschedule = \"0 0 0 1 1 * 2026\"\npreset = \"authjs-prisma\"");
    let said = shell.expect(2, &["check"]).stderr;
    assert!(said.contains("jobs.over.schedule") && said.contains("no instant"), "{said}");
}
