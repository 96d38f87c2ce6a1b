//! What makes a sweep pause or stop: the window, the load, the stop file.

use std::fs;
use std::time::Duration;

use crate::oneshot::{Shell, authjs, on_every_engine};
use crate::process::{Process, sweepd};
use crate::servers::Engine;
use crate::stage::LIMIT;

fn limits(shell: &Shell, limits: &str) {
    shell.job(&format!("preset = \"authjs-prisma\"\n[jobs.sessions.limits]\n{limits}"));
}

fn shell() -> Shell {
    Shell::with(Engine::Sqlite, &authjs(Engine::Sqlite, "Session")).unwrap()
}

#[test]
fn a_closed_window_stops_a_run_before_its_first_batch() {
    let shell = shell();
    // Two windows that follow one another: one of them is closed.
    let mut codes = Vec::new();
    for window in ["00:00-12:00", "12:00-24:00"] {
        limits(&shell, &format!("window = \"{window}\""));
        let said = shell.call(&["clean", "--json"]);
        if said.code == 3 {
            assert!(
                said.stdout.contains("\"stoppedBy\":\"window\"") && said.stdout.contains("\"deletedCount\":0"),
                "{}",
                said.stdout
            );
        }
        codes.push(said.code);
    }
    codes.sort_unstable();
    assert_eq!(codes, [0, 3]);
}

#[test]
fn a_window_that_cannot_work_is_refused() {
    let shell = shell();
    for (schedule, window, part) in [
        ("manual", "05:00-05:00", "never opens"),
        ("manual", "one-two", "two times of the day"),
        ("daily at 12:00", "01:00-05:00", "no instant in limits.window"),
    ] {
        shell.configure(&format!(
            "[jobs.sessions]\nschedule = \"{schedule}\"\npreset = \"authjs-prisma\"\n[jobs.sessions.limits]\nwindow = \"{window}\""
        ));
        let said = shell.expect(2, &["check"]).stderr;
        assert!(said.contains(part), "{said}");
    }
    shell.configure(
        "[jobs.sessions]\nschedule = \"every 15 minutes\"\npreset = \"authjs-prisma\"\n[jobs.sessions.limits]\nwindow = \"23:30-00:30\"",
    );
    shell.expect(0, &["check"]);
    shell.configure(
        "[jobs.sessions]\nschedule = \"* * * * * *\"\npreset = \"authjs-prisma\"\n[jobs.sessions.limits]\nwindow = \"20:00-23:00\"",
    );
    shell.expect(0, &["check"]);
}

#[test]
fn a_stop_file_pauses_a_run_until_it_is_gone() {
    let shell = shell();
    let file = shell.path().join("stop");
    fs::write(&file, "").unwrap();
    limits(&shell, &format!("stop_file = {}", toml::Value::from(file.to_str().unwrap())));
    let mut command = sweepd();
    command.args(["clean", "-v"]).env("DATABASE_URL", shell.database.url()).current_dir(shell.path());
    let mut sweep = Process::spawn(command);
    sweep.wait_for_output("pausing: the stop file", LIMIT);
    assert_eq!(shell.database.count("SELECT count(*) FROM \"Session\""), 5);
    fs::remove_file(&file).unwrap();
    assert_eq!(sweep.exit_code(Duration::from_secs(10)), 0, "{}", sweep.output());
    let runs = shell.json(0, &["history"])["runs"].clone();
    assert_eq!(runs[0]["deletedCount"], 2);
    assert!(runs[0]["throttledMs"]["stop-file"].as_u64().unwrap() > 100, "{runs}");
}

#[test]
fn a_load_query_pauses_a_run_while_it_gives_more() {
    on_every_engine(
        |engine| format!("{}; CREATE TABLE busy (n int); INSERT INTO busy VALUES (21)", authjs(engine, "Session")),
        |shell, _| {
            limits(&shell, "load_query = \"SELECT max(n) FROM busy;\"\nmax_load = 20.5\nmax_duration = \"3s\"");
            let said = shell.json(3, &["clean"]);
            let run = &said["runs"][0];
            assert_eq!((&run["stoppedBy"], &run["deletedCount"]), (&"max-duration".into(), &0.into()), "{said}");
            assert!(run["throttledMs"]["load"].as_u64().unwrap() >= 1000, "{said}");
            shell.database.execute("UPDATE busy SET n = 20");
            assert_eq!(shell.json(0, &["clean"])["deletedCount"], 2);
        },
    );
}

#[test]
fn a_load_query_that_fails_deletes_nothing() {
    on_every_engine(
        |engine| authjs(engine, "Session"),
        |shell, _| {
            for (query, part) in [
                ("SELECT n FROM nowhere", "`limits.load_query` fails"),
                ("SELECT 'high'", "has to give one number"),
                ("DELETE FROM \\\"Session\\\" RETURNING 1", "`limits.load_query` fails"),
                ("this is no SQL", "`limits.load_query` fails"),
            ] {
                limits(&shell, &format!("load_query = \"{query}\"\nmax_load = 1"));
                let said = shell.expect(1, &["clean"]).stderr;
                assert!(said.contains(part), "{query}: {said}");
                assert!(shell.expect(1, &["check"]).stdout.contains(part));
            }
            let runs = shell.json(0, &["history"])["runs"].clone();
            assert!(runs.as_array().unwrap().iter().all(|run| run["outcome"] == "failed" && run["deletedCount"] == 0));
        },
    );
    let shell = shell();
    limits(&shell, "max_load = 1");
    assert!(shell.expect(2, &["clean"]).stderr.contains("load_query: is missing"));
    limits(&shell, "max_replication_lag = \"1s\"");
    assert!(shell.expect(2, &["clean"]).stderr.contains("SQLite has no replicas"));
}

#[test]
fn the_lag_of_replicas_is_asked_for_where_this_user_may_see_it() {
    let Some(shell) = Shell::with(Engine::Postgres, &authjs(Engine::Postgres, "Session")) else { return };
    limits(&shell, "max_replication_lag = \"1s\"");
    assert_eq!(shell.json(0, &["clean"])["deletedCount"], 2, "no replica is not behind");
}
