//! The cron endpoint: the shapes of the guide, and what becomes of a run that somebody asked for.

use serde_json::{Value, json};

use super::called::{CRON, Called, LATER, READ_SECRET, SECRET, SLOWLY, timeless, with_http};
use super::client::{Answer, request};
use crate::process::{Process, sweepd};
use crate::servers::Engine;
use crate::stage::{LIMIT, NEVER, Stage, on_every_engine};

const UNAUTHORIZED: &str = r#"{"success":false,"error":"Unauthorized"}"#;

fn cron(parameters: &str) -> String {
    format!("{CRON}?{parameters}")
}

fn sqlite() -> Stage {
    Stage::fresh(Engine::Sqlite).expect("SQLite is built in")
}

/// A table whose rows expired a minute ago, and a job for it.
fn with_carts(stage: &Stage, rows: u32) -> String {
    stage.database().execute(&format!(
        "CREATE TABLE carts (id INTEGER PRIMARY KEY, ends INTEGER NOT NULL);
        INSERT INTO carts WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
            SELECT i, unixepoch() - 60 FROM n"
    ));
    format!(
        "[jobs.carts]\nschedule = \"{LATER}\"\ntable = \"carts\"\nexpires_at = \"ends\"\nencoding = \"epoch-seconds\""
    )
}

#[test]
fn it_answers_in_the_shapes_of_the_guide() {
    on_every_engine(|stage| {
        stage.fill(42, 108);
        let mut called = Called::start(stage, "", "");
        let counted = called.get(CRON);
        let stats = r#"{"success":true,"stats":{"total":150,"active":108,"expired":42,"timestamp":"T"}}"#;
        assert_eq!((counted.status, &*timeless(&counted)), (200, stats));
        let dry = called.post(&cron("dryRun=1"));
        let would = r#"{"success":true,"deletedCount":0,"message":"Would delete 42 expired session(s)","timestamp":"T","dryRun":true,"expired":42}"#;
        assert_eq!((dry.status, &*timeless(&dry)), (200, would));
        assert_eq!(stage.sessions(), (108, 42));

        for secret in [None, Some("a-secret-that-is-not-the-one")] {
            for method in ["GET", "POST"] {
                let answer = called.place.call(method, CRON, secret, "");
                assert_eq!((answer.status, &*answer.body), (401, UNAUTHORIZED), "{method}");
            }
            for method in ["PUT", "PATCH", "DELETE", "OPTIONS"] {
                assert_eq!(called.place.call(method, CRON, secret, "").status, 405, "{method}");
            }
        }
        assert_eq!(called.place.call("POST", CRON, Some(READ_SECRET), "").status, 403);
        assert_eq!(called.place.get(CRON, READ_SECRET).status, 200);
        assert_eq!(stage.sessions(), (108, 42));

        for count in [42, 0] {
            let done = called.post(CRON);
            let shape = format!(
                r#"{{"success":true,"deletedCount":{count},"message":"Successfully deleted {count} expired session(s)","timestamp":"T"}}"#
            );
            assert_eq!((done.status, timeless(&done)), (200, shape));
        }
        called.stop();
        assert_eq!(stage.sessions(), (108, 0));
        assert_eq!(stage.assert_counts(42), 42);
        assert!(stage.runs().iter().all(|run| run.trigger == "api"), "{:?}", stage.runs());
    });
}

#[test]
fn a_parameter_that_it_does_not_know_is_refused_and_nothing_is_deleted() {
    let stage = sqlite();
    stage.fill(3, 2);
    let mut called = Called::start(&stage, "", "");
    let cases = [
        ("POST", "dryrun=1", 400, "unknown field `dryrun`"),
        ("POST", "dry_run=1", 400, "unknown field `dry_run`"),
        ("POST", "dryRun", 400, "dryRun: accepted: 1, true, 0, false"),
        ("POST", "dryRun=yes", 400, "accepted: 1, true, 0, false"),
        ("POST", "dryRun=1&dryRun=0", 400, "duplicate field"),
        ("POST", "wait=no", 400, "accepted: 1, true, 0, false"),
        ("POST", "exact=1", 400, "unknown field `exact`"),
        ("POST", "job=session", 404, "there is no enabled job \"session\"; there are: sessions"),
        ("POST", "job=", 404, "there is no enabled job"),
        ("GET", "exakt=1", 400, "unknown field `exakt`"),
        ("GET", "job=nobody", 404, "there is no enabled job \"nobody\""),
    ];
    for (method, parameters, status, part) in cases {
        let answer = called.place.call(method, &cron(parameters), Some(SECRET), "");
        assert_eq!(answer.status, status, "{parameters}: {answer:?}");
        assert!(answer.error().contains(part), "{parameters}: no {part:?} in {answer:?}");
    }
    for parameters in ["dryRun=1", "dryRun=true", "dryRun=1&wait=0", "dryRun=1&job=sessions"] {
        assert_eq!(called.post(&cron(parameters)).json()["expired"], 3, "{parameters}");
    }
    called.stop();
    assert_eq!((stage.sessions(), stage.runs()), ((2, 3), vec![]));
}

#[test]
fn several_jobs_are_added_up_and_those_that_are_run_by_hand_only_left_out() {
    let stage = sqlite();
    stage.fill(42, 108);
    let by_hand = "[jobs.by-hand]\nschedule = \"manual\"\npreset = \"authjs-prisma\"";
    let rest = format!("{}\n{by_hand}", with_carts(&stage, 5));
    let mut called = Called::start(&stage, "", &rest);
    let counted = called.get(CRON).json();
    let figures = |figures: &Value| [&figures["total"], &figures["active"], &figures["expired"]].map(Value::as_u64);
    assert_eq!(figures(&counted["stats"]), [155, 108, 47].map(Some), "{counted}");
    assert_eq!(figures(&counted["jobs"][0]), [5, 0, 5].map(Some), "{counted}");
    assert_eq!(figures(&counted["jobs"][1]), [150, 108, 42].map(Some), "{counted}");
    assert_eq!(counted["jobs"].as_array().map(Vec::len), Some(2));
    let dry = called.post(&cron("dryRun=1")).json();
    assert_eq!(
        (&dry["expired"], &dry["jobs"][0]["expired"], &dry["jobs"][1]["expired"]),
        (&json!(47), &json!(5), &json!(42))
    );
    let one = called.post(&cron("dryRun=1&job=by-hand")).json();
    assert_eq!((&one["expired"], one.get("jobs")), (&json!(42), None), "{one}");

    let done = called.post(CRON).json();
    assert_eq!(
        (&done["success"], &done["deletedCount"], done.get("partial")),
        (&json!(true), &json!(47), None),
        "{done}"
    );
    assert_eq!(done["message"], "Successfully deleted 47 expired session(s)");
    let ids: Vec<_> = stage.runs().into_iter().map(|run| Value::from(run.id)).collect();
    for (number, (job, count)) in [("carts", 5), ("sessions", 42)].into_iter().enumerate() {
        let part = &done["jobs"][number];
        assert!(ids.contains(&part["runId"]), "{part}");
        let expected =
            json!({"job": job, "runId": part["runId"], "outcome": "completed", "deletedCount": count, "error": null});
        assert_eq!(part, &expected);
    }

    // One that fails makes the whole a failure, and the other one is still told of.
    stage.fill_again();
    stage.database().execute("ALTER TABLE carts RENAME TO gone");
    let failed = called.post(CRON);
    assert_eq!(failed.status, 500, "{failed:?}");
    assert!(failed.error().starts_with("carts: ") && failed.error().contains("has no table"), "{failed:?}");
    let failed = failed.json();
    assert_eq!((&failed["deletedCount"], &failed["jobs"][1]["deletedCount"]), (&json!(1), &json!(1)), "{failed}");
    assert_eq!(failed["jobs"][0]["outcome"], "failed");
    called.stop();
    assert_eq!(stage.sessions(), (108, 0));
}

#[test]
fn where_all_jobs_are_run_by_hand_only_one_has_to_be_named() {
    let stage = sqlite();
    stage.fill(3, 2);
    let mut called = Called::scheduled(&stage, NEVER, "", "");
    for method in ["GET", "POST"] {
        let answer = called.place.call(method, CRON, Some(SECRET), "");
        assert_eq!((answer.status, &*answer.error()), (404, "all jobs are `manual`; name one with ?job=NAME"));
    }
    assert_eq!(stage.sessions(), (2, 3));
    assert_eq!(called.post(&cron("job=sessions")).json()["deletedCount"], 3);
    called.stop();
}

fn assert_active(answer: &Answer, run: &str) {
    assert_eq!(answer.status, 409, "{answer:?}");
    assert_eq!(answer.error(), "a run of sessions is active");
    assert_eq!(answer.json()["runId"], run, "{answer:?}");
}

#[test]
fn while_a_run_is_active_it_says_which() {
    on_every_engine(|stage| {
        stage.fill(1000, 2);
        let mut called = Called::start(stage, SLOWLY, "");
        let id = called.begin(&cron("wait=0"));
        assert_active(&called.post(CRON), &id);
        assert_active(&called.post(&cron("wait=0")), &id);
        assert_active(&called.post("/api/jobs/sessions/runs"), &id);
        called.stop();
        assert_eq!(stage.runs().len(), 1, "{:?}", stage.runs());
        stage.assert_counts(1000);
    });
}

/// The run of another process is known of only by the ledger.
#[test]
fn while_another_process_runs_the_job_it_says_which_run_that_is() {
    on_every_engine(|stage| {
        stage.fill(1000, 2);
        let mut called = Called::start(stage, SLOWLY, "");
        let file = stage.directory().join("sweepd.toml");
        let mut command = sweepd();
        command.arg("--config").arg(file).args(["clean", "sessions"]);
        let mut other = Process::spawn(command);
        let runs = called
            .get_until("/api/runs", |runs| runs.json()["runs"][0]["outcome"].is_null() && runs.body.contains("manual"));
        let id = runs.json()["runs"][0]["runId"].as_str().expect("an id").to_owned();
        assert_active(&called.post(CRON), &id);
        assert_active(&called.post(&cron("wait=0")), &id);
        let theirs = called.run(&id);
        assert_eq!(
            (&theirs["trigger"], &theirs["outcome"], &theirs["progress"]),
            (&json!("manual"), &json!(null), &json!(null))
        );
        called.stop();
        other.signal("TERM");
        other.wait_timeout(LIMIT).expect("it stops");
        stage.assert_counts(1000);
    });
}

#[test]
fn a_run_that_fails_is_a_500_that_says_why() {
    on_every_engine(|stage| {
        let table = if stage.database().engine() == Engine::MySql { "Session" } else { "\"Session\"" };
        let mut called = Called::start(stage, "", "");
        stage.database().execute(&format!("ALTER TABLE {table} RENAME TO gone"));
        let failed = called.post(CRON);
        assert_eq!(failed.status, 500, "{failed:?}");
        assert!(failed.error().starts_with("sessions: ") && failed.error().contains("Session"), "{failed:?}");
        let report = called.run(failed.json()["runId"].as_str().expect("an id"));
        assert_eq!(report["outcome"], "failed");
        for call in [called.post(&cron("dryRun=1")), called.get(&cron("exact=1"))] {
            assert_eq!(call.status, 500, "{call:?}");
            assert!(call.error().starts_with("sessions: "), "{call:?}");
        }
        called.stop();
    });
}

#[test]
fn what_a_limit_leaves_makes_it_partial() {
    let stage = sqlite();
    stage.fill(100, 2);
    let mut called = Called::start(&stage, "max_rows = 30", "");
    let done = called.post(CRON);
    let shape = r#"{"success":true,"deletedCount":30,"message":"Deleted 30 expired session(s); the rest is left for the next run","timestamp":"T","partial":true}"#;
    assert_eq!((done.status, &*timeless(&done)), (200, shape));
    called.stop();
    assert_eq!(stage.assert_counts(100), 30);
}

#[test]
fn who_does_not_wait_can_look_at_the_run() {
    on_every_engine(|stage| {
        stage.fill(900, 2);
        let mut called = Called::start(stage, SLOWLY, "");
        let begun = called.post(&cron("wait=0"));
        assert_eq!(begun.status, 202, "{begun:?}");
        let id = begun.json()["runId"].as_str().expect("an id").to_owned();
        assert_eq!(timeless(&begun), format!(r#"{{"success":true,"runId":"{id}","timestamp":"T"}}"#));
        let run = called.run(&id);
        assert_eq!((&run["trigger"], &run["progress"]["phase"]), (&json!("api"), &json!("running")), "{run}");
        let deleted = |run: &Answer| run.json()["progress"]["deleted"].as_u64() > Some(0);
        let progress = called.get_until(&format!("/api/runs/{id}"), deleted).json();
        assert!(progress["outcome"].is_null() && progress["finishedAt"].is_null(), "{progress}");
        let ended = called.ended(&id);
        assert_eq!((&ended["outcome"], &ended["deletedCount"]), (&json!("completed"), &json!(900)), "{ended}");
        assert!(ended["progress"].is_null(), "{ended}");
        called.stop();
        assert_eq!(stage.assert_counts(900), 900);
    });
}

#[test]
fn a_run_that_waits_for_its_turn_can_be_looked_at_too() {
    let stage = sqlite();
    stage.fill(900, 2);
    let carts = with_carts(&stage, 5);
    let mut called = Called::start(&stage, SLOWLY, &carts);
    let first = called.begin(&cron("job=sessions&wait=0"));
    let second = called.begin("/api/jobs/carts/runs?wait=0");
    let waiting = called.run(&second);
    assert_eq!((&waiting["job"], &waiting["progress"]["phase"]), (&json!("carts"), &json!("waiting")), "{waiting}");
    assert_eq!(called.get("/api/jobs/carts").json()["activeRun"], second);
    // Somebody pauses the job meanwhile.
    assert_eq!(called.post("/api/jobs/carts/pause").status, 200);
    let not_run = called.ended(&second);
    assert_eq!((&not_run["outcome"], &not_run["deletedCount"]), (&json!("skipped"), &json!(0)), "{not_run}");
    assert!(not_run["error"].as_str().is_some_and(|why| why.contains("the job is paused since")), "{not_run}");
    assert_eq!(called.ended(&first)["outcome"], "completed");
    called.stop();
}

#[test]
fn the_run_goes_on_when_the_client_goes_away() {
    let stage = sqlite();
    stage.fill(600, 2);
    let mut called = Called::start(&stage, SLOWLY, "");
    let mut client = called.place.connect();
    client.send(request("POST", CRON, Some(SECRET), ""));
    stage.wait_for_progress(&mut called.daemon);
    drop(client);
    stage.wait_until_swept(&mut called.daemon);
    called.stop();
    assert_eq!(stage.assert_counts(600), 600);
    assert_eq!(stage.runs()[0].state, "completed");
}

#[test]
fn a_daemon_that_stops_still_answers_who_waits() {
    on_every_engine(|stage| {
        stage.fill(3000, 2);
        let mut called = Called::start(stage, SLOWLY, "");
        let mut client = called.place.connect();
        client.send(request("POST", CRON, Some(SECRET), ""));
        stage.wait_for_progress(&mut called.daemon);
        called.daemon.signal("TERM");
        let answer = client.answer();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["partial"], true, "{answer:?}");
        assert_eq!(called.daemon.exit_code(LIMIT), 0, "{}", called.daemon.output());
        let gone = stage.assert_counts(3000);
        assert_eq!(answer.json()["deletedCount"], gone);
        assert!(gone > 0 && gone < 3000, "{gone}");
    });
}

#[test]
fn of_a_hundred_who_ask_at_once_one_gets_a_run() {
    on_every_engine(|stage| {
        stage.fill(1500, 2);
        let mut called = Called::start(stage, SLOWLY, "");
        let answers: Vec<_> = std::thread::scope(|scope| {
            let crowd: Vec<_> = (0..100).map(|_| scope.spawn(|| called.post(&cron("wait=0")))).collect();
            crowd.into_iter().map(|call| call.join().expect("it is answered")).collect()
        });
        let begun: Vec<_> = answers.iter().filter(|answer| answer.status == 202).collect();
        assert_eq!(begun.len(), 1, "{answers:?}");
        let id = begun[0].json()["runId"].as_str().expect("an id").to_owned();
        answers.iter().filter(|answer| answer.status != 202).for_each(|answer| assert_active(answer, &id));
        assert_eq!(called.ended(&id)["deletedCount"], 1500);
        called.stop();
        assert_eq!(stage.runs().len(), 1, "{:?}", stage.runs());
        assert_eq!(stage.assert_counts(1500), 1500);
    });
}

const AS_VERCEL: &str = "User-Agent: vercel-cron/1.0";

#[test]
fn a_get_of_vercel_runs_the_clean_up_where_that_is_configured() {
    let stage = sqlite();
    stage.fill(42, 108);
    let mut called = Called::start(&stage, "", "");
    assert_eq!(called.cron_with("GET", SECRET, AS_VERCEL).json()["stats"]["expired"], 42);
    // A reload is enough.
    stage.configure(LATER, "", &with_http("vercel_cron = true"));
    called.daemon.wait_for_output("loaded anew", LIMIT);
    assert_eq!(called.cron_with("GET", SECRET, "User-Agent: curl/8").json()["stats"]["expired"], 42);
    let reader = called.cron_with("GET", READ_SECRET, AS_VERCEL);
    assert_eq!(reader.status, 403, "{reader:?}");
    assert_eq!(called.cron_with("GET", "a-secret-that-is-not-the-one", AS_VERCEL).status, 401);
    let mut head = called.place.connect();
    head.send(format!(
        "HEAD {CRON} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {SECRET}\r\n{AS_VERCEL}\r\nConnection: close\r\n\r\n"
    ));
    assert!(head.rest().starts_with(b"HTTP/1.1 200"));
    assert_eq!((stage.sessions(), stage.runs()), ((108, 42), vec![]));
    let done = called.cron_with("GET", SECRET, AS_VERCEL);
    assert_eq!((done.status, &done.json()["deletedCount"]), (200, &json!(42)), "{done:?}");
    called.stop();
    assert_eq!(stage.assert_counts(42), 42);
}

#[test]
fn a_paused_job_is_not_run_by_who_asks_over_http() {
    on_every_engine(|stage| {
        stage.fill(3, 2);
        let mut called = Called::start(stage, "", "");
        let pause = |call: &str| {
            let answer = called.post(&format!("/api/jobs/sessions/{call}"));
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.body
        };
        assert_eq!(pause("pause"), r#"{"success":true,"paused":true,"changed":true}"#);
        assert_eq!(pause("pause"), r#"{"success":true,"paused":true,"changed":false}"#);
        assert!(called.get("/api/jobs/sessions").json()["paused"]["since"].is_string());
        for path in [CRON, &cron("wait=0"), "/api/jobs/sessions/runs", "/api/jobs/sessions/runs?wait=0"] {
            let refused = called.post(path);
            assert_eq!(refused.status, 409, "{path}: {refused:?}");
            assert!(refused.error().starts_with("sessions is paused since 20"), "{refused:?}");
        }
        assert_eq!((stage.sessions(), stage.runs()), ((2, 3), vec![]));
        assert_eq!(called.post(&cron("dryRun=1")).json()["expired"], 3);
        assert_eq!(pause("resume"), r#"{"success":true,"paused":false,"changed":true}"#);
        assert_eq!(pause("resume"), r#"{"success":true,"paused":false,"changed":false}"#);
        assert_eq!(called.post(CRON).json()["deletedCount"], 3);
        called.stop();
    });
}

#[test]
fn a_daemon_that_stops_begins_nothing_more() {
    let stage = sqlite();
    stage.fill(2000, 2);
    let carts = with_carts(&stage, 5);
    let mut called = Called::start(&stage, SLOWLY, &carts);
    called.begin(&cron("job=sessions&wait=0"));
    let mut client = called.place.connect();
    client.send(request("POST", &cron("job=carts"), Some(SECRET), ""));
    called.get_until("/api/jobs/carts", |job| job.json()["activeRun"].is_string());
    called.daemon.signal("TERM");
    let answer = client.answer();
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.error(), "sweepd is stopping; ask again when it has started");
    assert_eq!(called.daemon.exit_code(LIMIT), 0, "{}", called.daemon.output());
    assert_eq!(stage.database().count("SELECT count(*) FROM carts"), 5);
    stage.assert_counts(2000);
}
