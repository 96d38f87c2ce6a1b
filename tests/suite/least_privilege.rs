//! The roles of `deploy/sql/`: they can do sweepd's job, for which tests of other files run once more as these roles, and they
//! can do nothing else.

use std::cell::Cell;

use crate::process::sweepd;
use crate::servers::{Engine, Session, TestDatabase};
use crate::stage::Stage;

const PASSWORD: &str = "s3cret-word";

thread_local! {
    /// Whether the test that runs on this thread lets sweepd connect as the role.
    static IS_ON: Cell<bool> = const { Cell::new(false) };
    /// Whether the role may archive.
    static ARCHIVES: Cell<bool> = const { Cell::new(false) };
}

pub fn is_on() -> bool {
    IS_ON.get()
}

/// For the threads that a test starts.
pub fn set(on: bool) {
    IS_ON.set(on);
}

/// The statements of the file with the names of a test; `optional` are the lines that stand in it as comments.
fn statements(database: &TestDatabase, optional: &[&str]) -> String {
    let text = match database.engine() {
        Engine::Postgres => include_str!("../../deploy/sql/postgres.sql"),
        _ => include_str!("../../deploy/sql/mysql.sql"),
    };
    let is_one = |line: &str| line.starts_with("GRANT") || line.starts_with("REVOKE");
    let commented = |line: &str| line.strip_prefix("--").filter(|rest| is_one(rest)).map(str::to_owned);
    let chosen = |line: &str| optional.iter().any(|part| line.contains(part));
    let lines = text.lines().filter_map(|line| match commented(line) {
        Some(grant) => chosen(&grant).then_some(grant),
        None => Some(line.to_owned()),
    });
    let text = lines.filter(|line| optional.is_empty() || is_one(line)).collect::<Vec<_>>().join("\n");
    let (name, user) = (database.name(), role(database));
    text.replace("sweeper", &user)
        .replace("'...'", &format!("'{PASSWORD}'"))
        .replace("DATABASE app ", &format!("DATABASE {name} "))
        .replace(" app.", &format!(" {name}."))
}

/// Roles belong to the server, which other tests share.
fn role(database: &TestDatabase) -> String {
    format!("{}_sweeper", database.name())
}

/// Where it is switched on: does what the file says, and lets sweepd connect as the role.
pub fn admit(database: &TestDatabase) {
    if !is_on() || database.engine() == Engine::Sqlite {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut migrate = sweepd();
    migrate.args(["migrate", "--audit-log"]).env("DATABASE_URL", database.url()).current_dir(directory.path());
    let output = migrate.output().expect("sweepd starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    database.admin().execute(&statements(database, &[]));
    if ARCHIVES.get() {
        database.admin().execute(&statements(database, &["GRANT SELECT ON"]));
    }
    database.set_sweepd_url(database.url_as(&role(database), PASSWORD));
}

/// The same for the table of users, which comes later.
pub fn admit_to_users(database: &TestDatabase) {
    if is_on() && database.engine() != Engine::Sqlite {
        database.admin().execute(&statements(database, &["DELETE, UPDATE", "email"]));
    }
}

/// Tests of other files, which are run with sweepd in its role.
macro_rules! run_as_the_role {
    ($($($part:ident)::+,)+) => {
        $(run_as_the_role!(@ $($part)::+);)+
    };
    (@ $module:ident::$test:ident) => {
        #[test]
        fn $test() {
                set(true);
                crate::$module::$test();
        }
    };
    (@ $folder:ident::$module:ident::$test:ident) => {
        #[test]
        fn $test() {
                set(true);
                crate::$folder::$module::$test();
        }
    };
}

mod also {
    use super::set;

    run_as_the_role! {
        engine::each_order_deletes_the_same_rows,
        engine::an_order_that_is_not_possible_is_refused,
        engine::rows_with_the_same_expiry_are_spread_over_batches,
        engine::a_table_without_a_key_is_swept_along_its_index,
        engine::workers_share_a_table_and_count_exactly,
        oneshot::nothing_but_the_url_is_needed,
        oneshot::limits_stop_between_batches,
        oneshot::a_locked_row_is_left_and_the_others_go,
        oneshot::another_active_run_is_exit_4_and_a_dead_one_is_closed,
        history::runs_that_ended_long_ago_are_forgotten_in_steps_and_audit_rows_stay,
        pause::the_instants_of_a_paused_job_are_skipped_until_it_is_resumed,
        pause::a_pause_ends_a_run_between_two_batches,
        daemon::expired_rows_go_on_schedule_and_live_ones_stay,
        daemon::sigterm_in_the_middle_of_a_sweep_ends_it_as_partial_with_the_exact_count,
        daemon::a_run_killed_in_the_middle_is_closed_and_goes_on_under_the_next_daemon,
        daemon::of_two_daemons_one_answers_each_instant,
        daemon::instants_that_come_during_a_run_are_skipped,
        alerts::a_failure_is_told_once_and_so_is_that_all_is_well_again,
        alerts::several_daemons_tell_it_once,
        sessions::commands::sessions_are_listed_touched_and_revoked,
        sessions::commands::users_get_roles_and_profiles,
        sessions::revoke::a_users_live_sessions_are_listed_newest_first_without_their_tokens,
        sessions::revoke::a_session_is_revoked_once_and_audited_once,
        sessions::revoke::all_sessions_of_a_user_go_but_one,
        sessions::users::a_role_is_changed_and_audited,
        sessions::users::a_profile_and_a_role_change_together_or_not_at_all,
        sessions::users::a_new_address_is_not_verified,
        http::statistics::they_are_kept_and_have_an_age_until_a_run_or_somebody_insists,
    }
}

#[test]
fn each_deleted_row_is_in_its_archive() {
    set(true);
    ARCHIVES.set(true);
    crate::archive::each_deleted_row_is_in_it_with_its_secrets_hashed();
    crate::archive::a_crash_leaves_no_gap_in_it();
}

/// A database with the application's tables and the role, and a connection as the role.
fn admitted(engine: Engine) -> Option<(Stage, Session)> {
    set(true);
    let stage = Stage::fresh(engine)?;
    stage.database().admin().execute(&statements(stage.database(), &["REVOKE"]));
    assert_ne!(stage.database().sweepd_url(), stage.database().url(), "sweepd has a role of its own");
    let session = Session::open(engine, stage.database().sweepd_url());
    Some((stage, session))
}

fn refused(session: &Session, statement: &str) {
    const REASONS: [&str; 4] = ["permission denied", "must be owner", "must be superuser", "denied"];
    let error = session.try_execute(statement).expect_err(statement).to_string();
    assert!(REASONS.iter().any(|reason| error.contains(reason)), "{statement}: {error}");
}

#[test]
fn the_role_can_do_nothing_else_on_postgres() {
    let Some((stage, role)) = admitted(Engine::Postgres) else { return };
    stage.fill(1, 1);
    stage.database().execute(r#"CREATE TABLE "User" (id text, role text, secret text)"#);
    for statement in [
        r#"SELECT * FROM "User""#,
        r#"SELECT "sessionToken" FROM "Session""#,
        r#"SELECT count(*) FROM "Session" WHERE "userId" = 'ada'"#,
        r#"DELETE FROM "Session" WHERE "userId" = 'ada'"#,
        r#"DELETE FROM "Session" RETURNING *"#,
        r#"INSERT INTO "Session" VALUES ('t', 'ada', now())"#,
        r#"SELECT * FROM "AuditLog""#,
        r#"UPDATE "Session" SET "sessionToken" = 't'"#,
        r#"UPDATE "Session" SET expires = now() + interval '1 day'"#,
        r#"TRUNCATE "Session""#,
        r#"DROP TABLE "Session""#,
        r#"ALTER TABLE "Session" ADD x int"#,
        r#"CREATE INDEX ON "Session" (expires)"#,
        r#"CREATE TRIGGER t BEFORE DELETE ON "Session" EXECUTE FUNCTION suppress_redundant_updates_trigger()"#,
        r#"DELETE FROM "AuditLog""#,
        r#"UPDATE "AuditLog" SET action = 'x'"#,
        "DELETE FROM sweepd.armed",
        "DELETE FROM sweepd.migration",
        "DROP TABLE sweepd.run",
        "CREATE TABLE public.x (n int)",
        "CREATE TABLE sweepd.x (n int)",
        "CREATE TEMPORARY TABLE x (n int)",
        "CREATE SCHEMA x",
        "CREATE ROLE x",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO '/tmp/x'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM pg_authid",
    ] {
        refused(&role, statement);
    }
    assert_eq!(stage.sessions(), (1, 1));
}

#[test]
fn the_role_can_do_nothing_else_on_mariadb() {
    let Some((stage, role)) = admitted(Engine::MySql) else { return };
    stage.fill(1, 1);
    stage.database().execute("CREATE TABLE `User` (id varchar(9), role varchar(9))");
    for statement in [
        "SELECT * FROM `User`",
        "INSERT INTO `Session` VALUES ('t', 'ada', now())",
        "UPDATE `Session` SET sessionToken = 't'",
        "UPDATE `Session` SET expires = now() + INTERVAL 1 DAY",
        "TRUNCATE TABLE `Session`",
        "DROP TABLE `Session`",
        "ALTER TABLE `Session` ADD x int",
        "CREATE INDEX x ON `Session` (expires)",
        "LOCK TABLES `Session` WRITE",
        "SELECT * FROM `AuditLog`",
        "DELETE FROM `AuditLog`",
        "UPDATE `AuditLog` SET action = 'x'",
        "DELETE FROM sweepd_armed",
        "DELETE FROM sweepd_migration",
        "DROP TABLE sweepd_run",
        "CREATE TABLE x (n int)",
        "CREATE TEMPORARY TABLE x (n int)",
        "CREATE DATABASE x",
        "CREATE USER x",
        "SELECT * FROM mysql.user",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "SELECT SLEEP(0) FROM mysql.global_priv",
    ] {
        refused(&role, statement);
    }
    assert_eq!(stage.sessions(), (1, 1));
}

/// With session management it moves ends, and still neither tokens nor what else users have.
#[test]
fn session_management_adds_no_more_than_it_needs() {
    for engine in Engine::SERVERS {
        set(true);
        let Some(stage) = Stage::fresh(engine) else { continue };
        let app = crate::sessions::App::new(stage);
        let (session, user, token) = (app.name("Session"), app.name("User"), app.name("sessionToken"));
        let role = Session::open(engine, app.database().sweepd_url());
        role.execute(&format!(
            "UPDATE {session} SET expires = expires; UPDATE {user} SET role = 'USER' WHERE id = 'ada'"
        ));
        refused(&role, &format!("UPDATE {session} SET {token} = 't'"));
        refused(&role, &format!("UPDATE {user} SET id = 'eve' WHERE id = 'ada'"));
        refused(&role, &format!("DELETE FROM {user}"));
    }
}

/// What `check` says of the role: nothing but that a locked row takes a while.
#[test]
fn check_finds_nothing_missing() {
    for engine in Engine::SERVERS {
        let Some((stage, _)) = admitted(engine) else { continue };
        let config = stage.configure("manual", "", "");
        let output = sweepd().arg("--config").arg(config).arg("check").output().expect("sweepd starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        let warnings: Vec<_> = said.lines().filter(|line| line.starts_with("warning")).collect();
        let expected = |line: &&str| line.contains("no index begins with") || line.contains("`lock_timeout`");
        assert!(warnings.iter().all(expected), "{said}");
    }
}
