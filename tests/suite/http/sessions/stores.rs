//! Which sessions are meant: several jobs, and stores that keep no user.

use super::{Api, in_minutes, token};
use crate::servers::Engine;
use crate::stage::Stage;

const LIST: &str = "/api/users/ada/sessions";
const TOUCH: &str = "/api/sessions/touch";
const REVOKE: &str = "/api/sessions/revoke";

/// Jobs beside that of Auth.js.
const JOBS: &str = r#"
[jobs.django]
preset = "django"
writer_timezone = "UTC"
schedule = "manual"
[jobs.plain]
table = "plain"
expires_at = "expires"
encoding = "epoch-millis"
schedule = "manual"
[jobs.off]
enabled = false
preset = "authjs-prisma"
schedule = "manual"
"#;

/// Django's table, with one session that lives.
fn django(engine: Engine) -> String {
    let (kind, end) = match engine {
        Engine::Postgres => ("timestamptz", "now() + interval '10 minutes'"),
        Engine::MySql => ("datetime(6)", "UTC_TIMESTAMP(6) + INTERVAL 10 MINUTE"),
        Engine::Sqlite => ("datetime", "strftime('%Y-%m-%d %H:%M:%f000', 'now', '+10 minutes')"),
    };
    store("django_session", "session_key", &format!("expire_date {kind} NOT NULL"), end)
}

fn store(table: &str, key: &str, column: &str, end: &str) -> String {
    format!(
        "CREATE TABLE {table} ({key} varchar(40) PRIMARY KEY, {column}); INSERT INTO {table} VALUES ('tok3n-d', {end})"
    )
}

fn on_every_engine(rest: &str, test: impl Fn(&mut Api) + Sync) {
    std::thread::scope(|scope| {
        for engine in Engine::all() {
            let test = &test;
            scope.spawn(move || {
                let Some(stage) = Stage::fresh(engine) else { return };
                stage.database().execute(&django(engine));
                let mut api = Api::start(stage, rest);
                test(&mut api);
                api.end();
            });
        }
    });
}

/// A store that can only be asked by token, as `job`.
fn assert_has_no_users(api: &Api, job: &str, table: &str) {
    let no_user = |error: String| {
        assert!(
            error.contains(table) && error.contains("has no column for the user, so sessions can only be"),
            "{error}"
        );
    };
    no_user(api.refused(422, "GET", &format!("{LIST}{job}"), ""));
    no_user(api.refused(422, "DELETE", &format!("{LIST}{job}"), ""));
    let update = api.refused(422, "PATCH", &format!("/api/users/ada{job}"), r#"{"role":"USER"}"#);
    assert_eq!(update, "no table with users is known for these sessions; set `users.table`");
    let body = token("tok3n-d");
    assert_eq!(api.expect("POST", &format!("{TOUCH}{job}"), &body)["active"], true);
    assert_eq!(api.expect("POST", &format!("{REVOKE}{job}"), &body)["revoked"], true);
    assert_eq!(api.expect("POST", &format!("{TOUCH}{job}"), &body)["active"], false);
    let audit = api.app.audit();
    assert!(audit.len() == 1 && audit[0]["userId"].is_null(), "{audit:?}");
}

#[test]
fn where_several_jobs_have_tokens_one_has_to_be_named() {
    on_every_engine(JOBS, |api| {
        api.app.add("tok3n-1", "ada", in_minutes(10));
        let several = "several jobs have sessions (django, sessions); set `sessions.job` to one of them, or name one \
                       (`--job`, over HTTP `?job=`)";
        for (method, path, body) in [
            ("GET", LIST, ""),
            ("DELETE", LIST, ""),
            ("PATCH", "/api/users/ada", r#"{"role":"ADMIN"}"#),
            ("POST", TOUCH, r#"{"token":"tok3n-1"}"#),
            ("POST", REVOKE, r#"{"token":"tok3n-1"}"#),
        ] {
            assert_eq!(api.refused(422, method, path, body), several);
            let path = |job: &str| format!("{path}?job={job}");
            assert_eq!(api.refused(404, method, &path("absent"), body), "there is no enabled job \"absent\"");
            assert_eq!(api.refused(404, method, &path("off"), body), "there is no enabled job \"off\"");
            assert_eq!(api.refused(404, method, &path(""), body), "there is no enabled job \"\"");
            let plain = api.refused(422, method, &path("plain"), body);
            assert_eq!(plain, "plain has no column for the token; set `token` in the job");
        }
        assert_eq!((api.app.tokens().len(), api.app.audit().len()), (1, 0));
        let listed = api.expect("GET", &format!("{LIST}?job=sessions"), "");
        assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
        assert_has_no_users(api, "?job=django", "django_session");
    });
}

#[test]
fn the_configuration_names_the_job() {
    on_every_engine(&format!("{JOBS}\n[sessions]\njob = \"django\""), |api| {
        assert_has_no_users(api, "", "django_session");
    });
}

#[test]
fn sessions_of_express_have_no_users() {
    let Some(stage) = Stage::fresh(Engine::Postgres) else { return };
    let end = "(now() AT TIME ZONE 'UTC') + interval '10 minutes'";
    stage.database().execute(&store("session", "sid", "expire timestamp(6) NOT NULL", end));
    let job = "[jobs.express]\npreset = \"connect-pg-simple\"\nwriter_timezone = \"UTC\"\nschedule = \"manual\"";
    let api = Api::start(stage, job);
    assert_has_no_users(&api, "?job=express", "session");
    api.end();
}
