//! The sweep engine: orders, ties, partitions, workers, and an application that goes on.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::oneshot::{Shell, on_every_engine, quoted};
use crate::process::{Process, sweepd};
use crate::servers::Engine;
use crate::stage::{LIMIT, insert};

/// The `Session` table with an index on the expiry, or without.
fn session(engine: Engine, indexed: bool) -> String {
    let kind = match engine {
        Engine::Postgres => "timestamp(3)",
        Engine::MySql | Engine::Sqlite => "datetime(3)",
    };
    let name = |name| quoted(engine, name);
    let table = format!(
        "CREATE TABLE {} ({} varchar(191) PRIMARY KEY, {} varchar(191) NOT NULL, {} {kind} NOT NULL)",
        name("Session"),
        name("sessionToken"),
        name("userId"),
        name("expires")
    );
    let index = format!("CREATE INDEX by_expiry ON {} ({})", name("Session"), name("expires"));
    if indexed { format!("{table}; {index}") } else { table }
}

fn fill(shell: &Shell, engine: Engine, expired: u32, live: u32) {
    shell.database.execute(&insert(engine, "expired", expired, -1));
    shell.database.execute(&insert(engine, "live", live, 60));
}

fn count(shell: &Shell, engine: Engine, name: &str) -> i64 {
    let (table, token) = (quoted(engine, "Session"), quoted(engine, "sessionToken"));
    shell.database.count(&format!("SELECT count(*) FROM {table} WHERE {token} LIKE '{name}-%'"))
}

fn job(shell: &Shell, keys: &str, limits: &str) {
    shell.job(&format!("preset = \"authjs-prisma\"\n{keys}\n[jobs.sessions.limits]\n{limits}"));
}

fn run(said: &Value) -> &Value {
    &said["runs"][0]
}

#[test]
pub fn each_order_deletes_the_same_rows() {
    for order in ["expiry", "physical", "auto"] {
        on_every_engine(
            |engine| session(engine, true),
            |shell, engine| {
                fill(&shell, engine, 5000, 3000);
                job(&shell, &format!("order = \"{order}\""), "nice = 0");
                let plan = shell.json(0, &["clean", "--dry-run"]);
                let walk = &run(&plan)["plan"]["walks"][0];
                assert_eq!(run(&plan)["expired"], 5000);
                if order != "auto" {
                    assert_eq!((&walk["order"], &walk["why"]), (&order.into(), &"`order` says so".into()), "{plan}");
                    let index = walk["index"].as_str();
                    assert_eq!(order == "expiry", index == Some("by_expiry"), "{plan}");
                }
                let said = shell.json(0, &["clean"]);
                assert_eq!(run(&said)["deletedCount"], 5000, "{said}");
                assert_eq!(run(&said)["plan"]["walks"][0]["order"], walk["order"], "the report has the plan: {said}");
                assert_eq!((count(&shell, engine, "expired"), count(&shell, engine, "live")), (0, 3000));
            },
        );
    }
}

#[test]
pub fn an_order_that_is_not_possible_is_refused() {
    on_every_engine(
        |engine| session(engine, false),
        |shell, engine| {
            fill(&shell, engine, 10, 10);
            job(&shell, "order = \"expiry\"", "");
            let said = shell.expect(1, &["clean"]).stderr;
            assert!(
                said.contains("`order = \"expiry\"` is not possible") && said.contains("migrate --index"),
                "{said}"
            );
            assert_eq!(count(&shell, engine, "expired"), 10);
        },
    );
}

/// 100,000 rows with one expiry: as many batches as their number needs, none of them with all.
#[test]
pub fn rows_with_the_same_expiry_are_spread_over_batches() {
    on_every_engine(
        |engine| session(engine, true),
        |shell, engine| {
            let (table, expires) = (quoted(engine, "Session"), quoted(engine, "expires"));
            fill(&shell, engine, 100_000, 1000);
            let same = shell.texts(&format!("SELECT CAST(min({expires}) AS char(30)) FROM {table}"))[0].clone();
            let same = if engine == Engine::Sqlite { same } else { format!("'{}'", same.trim()) };
            let token = quoted(engine, "sessionToken");
            shell.database.execute(&format!("UPDATE {table} SET {expires} = {same} WHERE {token} LIKE 'expired-%'"));
            job(&shell, "order = \"expiry\"", "nice = 0\nbatch_target = \"5ms\"");
            let said = shell.json(0, &["clean"]);
            assert_eq!(run(&said)["deletedCount"], 100_000, "{said}");
            assert!(run(&said)["batches"].as_u64().unwrap() >= 10, "{said}");
            assert_eq!(count(&shell, engine, "live"), 1000);
        },
    );
}

#[test]
fn partitions_are_swept_one_by_one() {
    let tables = r#"
        CREATE TABLE "Session" ("sessionToken" text, "userId" text, expires timestamp(3) NOT NULL) PARTITION BY HASH ("sessionToken");
        CREATE TABLE "part ""0""" PARTITION OF "Session" FOR VALUES WITH (MODULUS 3, REMAINDER 0);
        CREATE TABLE part_1 PARTITION OF "Session" FOR VALUES WITH (MODULUS 3, REMAINDER 1) PARTITION BY HASH ("sessionToken");
        CREATE TABLE part_1a PARTITION OF part_1 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE part_1b PARTITION OF part_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE SCHEMA other; CREATE TABLE other.part_2 PARTITION OF "Session" FOR VALUES WITH (MODULUS 3, REMAINDER 2)"#;
    let Some(shell) = Shell::with(Engine::Postgres, tables) else { return };
    fill(&shell, Engine::Postgres, 10_000, 5000);
    job(&shell, "", "nice = 0");
    let plan = shell.json(0, &["clean", "--dry-run"]);
    let walks = run(&plan)["plan"]["walks"].as_array().unwrap().clone();
    let tables: Vec<_> = walks.iter().map(|walk| walk["table"].as_str().unwrap()).collect();
    assert_eq!(tables, ["other.part_2", "public.part \"0\"", "public.part_1a", "public.part_1b"]);
    shell.expect(0, &["check"]);
    let said = shell.json(0, &["clean"]);
    assert_eq!(run(&said)["deletedCount"], 10_000, "{said}");
    assert_eq!((count(&shell, Engine::Postgres, "expired"), count(&shell, Engine::Postgres, "live")), (0, 5000));
}

#[test]
fn a_partition_that_has_expired_as_a_whole_is_pointed_out() {
    let tables = r#"
        CREATE TABLE "Session" ("sessionToken" text, "userId" text, expires timestamp(3) NOT NULL) PARTITION BY RANGE (expires);
        CREATE TABLE old PARTITION OF "Session" FOR VALUES FROM (MINVALUE) TO ('2025-01-01');
        CREATE TABLE new PARTITION OF "Session" FOR VALUES FROM ('2025-01-01') TO (MAXVALUE);
        INSERT INTO old VALUES ('a', 'u', '2024-05-05')"#;
    let Some(shell) = Shell::with(Engine::Postgres, tables) else { return };
    fill(&shell, Engine::Postgres, 10, 10);
    job(&shell, "", "");
    let plan = shell.json(0, &["clean", "--dry-run"]);
    assert_eq!((&run(&plan)["allExpired"], &run(&plan)["expired"]), (&serde_json::json!(["public.old"]), &11.into()));
    assert!(shell.expect(0, &["clean", "--dry-run"]).stdout.contains("all rows of public.old have expired"));
}

/// Without a key there is nothing to name locked rows or archived ones by.
#[test]
pub fn a_table_without_a_key_is_swept_along_its_index() {
    let tables =
        "CREATE TABLE Session (sessionToken varchar(50), userId varchar(50), expires datetime(3), KEY (expires))";
    let Some(shell) = Shell::with(Engine::MySql, tables) else { return };
    fill(&shell, Engine::MySql, 3000, 100);
    let application = shell.database.session();
    application.execute("BEGIN; SELECT 1 FROM Session WHERE sessionToken = 'expired-7' FOR UPDATE");
    job(&shell, "", "lock_timeout = \"1s\"\nnice = 0");
    let said = shell.json(3, &["clean"]);
    assert_eq!(run(&said)["stoppedBy"], "locked-rows", "{said}");
    application.execute("ROLLBACK");
    shell.expect(0, &["clean"]);
    assert_eq!((count(&shell, Engine::MySql, "expired"), count(&shell, Engine::MySql, "live")), (0, 100));
    job(&shell, "archive = { directory = \"archive\" }", "");
    assert!(shell.expect(1, &["clean"]).stderr.contains("has no key"));
}

#[test]
fn tables_that_inherit_are_swept_too_and_max_rows_is_exact() {
    let tables = format!("{}; CREATE TABLE child () INHERITS (\"Session\")", session(Engine::Postgres, false));
    let Some(shell) = Shell::with(Engine::Postgres, &tables) else { return };
    fill(&shell, Engine::Postgres, 2000, 100);
    shell.database.execute(r#"INSERT INTO child SELECT 'expired-c' || "sessionToken", 'u', expires FROM "Session" WHERE "sessionToken" LIKE 'expired-%'"#);
    job(&shell, "", "max_rows = 3000");
    assert_eq!(shell.json(3, &["clean"])["deletedCount"], 3000);
    assert_eq!(shell.json(0, &["clean"])["deletedCount"], 1000);
    assert_eq!(count(&shell, Engine::Postgres, "live"), 100);
}

#[test]
pub fn workers_share_a_table_and_count_exactly() {
    let Some(shell) = Shell::with(Engine::Postgres, &session(Engine::Postgres, false)) else { return };
    fill(&shell, Engine::Postgres, 200_000, 50_000);
    job(&shell, "workers = 4", "nice = 0\nbatch_target = \"5ms\"");
    let said = shell.json(0, &["clean"]);
    assert_eq!(run(&said)["deletedCount"], 200_000, "{said}");
    assert_eq!((count(&shell, Engine::Postgres, "expired"), count(&shell, Engine::Postgres, "live")), (0, 50_000));
}

/// An application that refreshes expired sessions while they are swept: what it was told is refreshed, stays.
#[test]
fn a_refreshed_row_is_never_deleted() {
    for order in ["expiry", "physical"] {
        on_every_engine(
            |engine| session(engine, true),
            |shell, engine| {
                const ROWS: u32 = 20_000;
                fill(&shell, engine, ROWS, 0);
                job(&shell, &format!("order = \"{order}\""), "nice = 1\nbatch_target = \"2ms\"");
                let mut command = sweepd();
                command.arg("clean").env("DATABASE_URL", shell.database.url()).current_dir(shell.path());
                let mut sweep = Process::spawn(command);
                let application = shell.database.session();
                if engine == Engine::Sqlite {
                    application.execute("PRAGMA busy_timeout = 10000");
                }
                let (table, token, expires) =
                    (quoted(engine, "Session"), quoted(engine, "sessionToken"), quoted(engine, "expires"));
                let later = crate::oneshot::hours(engine, 1);
                // From the far end, so that it meets the sweep.
                for row in (0..ROWS).rev().step_by(37) {
                    let refresh = format!("UPDATE {table} SET {expires} = {later} WHERE {token} = 'expired-{row}'");
                    let _ = application.try_execute(&refresh);
                    if sweep.wait_timeout(Duration::ZERO).is_some() {
                        break;
                    }
                    thread::sleep(Duration::from_micros(200));
                }
                let code = sweep.exit_code(LIMIT);
                assert!(matches!(code, 0 | 3), "{}", sweep.output());
                let runs = shell.json(0, &["history"])["runs"].clone();
                let deleted = runs[0]["deletedCount"].as_i64().unwrap();
                assert_eq!(count(&shell, engine, "expired"), i64::from(ROWS) - deleted, "{runs}");
                let left = shell.database.count(&format!(
                    "SELECT count(*) FROM {table} WHERE {expires} > {}",
                    crate::oneshot::hours(engine, 0)
                ));
                assert!(left > 0, "the application met no row");
                assert_eq!(left, count(&shell, engine, "expired"), "only refreshed rows are left");
            },
        );
    }
}

/// A sort in the statement that finds the end of a batch would read all that is left each time.
#[test]
fn the_end_of_a_batch_is_found_along_the_index() {
    let Some(shell) = Shell::with(Engine::Postgres, &session(Engine::Postgres, true)) else { return };
    fill(&shell, Engine::Postgres, 50_000, 50_000);
    shell.database.execute("ANALYZE");
    let found = include_str!("../cases/sql.txt").lines();
    let mut found = found.skip_while(|line| *line != "PostgreSQL timestamp (UTC) expiry boundary").skip(1);
    let sql = found.next().unwrap().trim().replace("\"app\".", "").replace("::its_type", "");
    let sql = sql.replace("$1", "'1971-01-01'").replace("$2", "'2100-01-01'").replace("$3", "'2020-01-01'");
    let plan = shell.texts(&format!("EXPLAIN {sql}")).join("\n");
    assert!(plan.contains("Index Only Scan using by_expiry") && !plan.contains("Sort"), "{plan}");
}
