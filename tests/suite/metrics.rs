//! Metrics: what the engine counts is what the ledger says and what is gone, and Prometheus' own tool finds no fault.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use sweepd::clock::Clock;
use sweepd::config::{Config, Environment};
use sweepd::db::ledger_sql::NewRun;
use sweepd::db::{Database, Purpose};
use sweepd::job::Job;
use sweepd::ledger::{Claim, Found, Ledger};
use sweepd::report::{Outcome, Report, RunId, Throttle, Trigger};
use sweepd::sweep::{Answer, Progress, Request, Sweeper};
use sweepd::telemetry::metrics::{JobGauges, Metrics};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::process::{Deadline, find_program, skip};
use crate::proxy::Proxy;
use crate::servers::Engine;
use crate::stage::{LIMIT, QUICK_HEARTBEAT, Stage, on_every_engine};

const PAGE: &str = include_str!("../../docs/metrics.md");

/// The engine on a stage, and what it counts.
struct Engineer {
    job: Job,
    sweeper: Sweeper,
    metrics: Metrics,
    runtime: Runtime,
}

impl Engineer {
    fn on(stage: &Stage, limits: &str, rest: &str) -> Self {
        let file = stage.configure("manual", limits, rest);
        let config = Config::load(Some(&file), &Environment::default(), stage.directory()).expect("a configuration");
        let metrics = Metrics::default();
        let job = config.jobs[0].clone();
        let sweeper = sweepd::daemon::sweeper(&config, &job, &Clock::system(), &metrics);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { job, sweeper, metrics, runtime }
    }

    fn run(&self) -> Report {
        match self.answer(Trigger::Manual) {
            Answer::Ran(report) => report,
            other => panic!("{other:?}"),
        }
    }

    fn answer(&self, trigger: Trigger) -> Answer {
        let request = Request::new(trigger, self.sweeper.clock.now());
        let (stop, progress) = (CancellationToken::new(), watch::Sender::new(Progress::default()));
        self.runtime.block_on(self.sweeper.run(&self.job.spec, request, &stop, &progress))
    }

    /// A run of another process, which has deleted seven rows and then nothing more.
    fn claim_and_die(&self, trigger: Trigger) {
        self.runtime.block_on(async {
            let database = Database::connect(&self.sweeper.database).await.unwrap();
            let ledger = Ledger::new(&database, None, self.sweeper.stale_after);
            let new = NewRun {
                id: RunId::new(self.sweeper.clock.now()),
                target: database.qualify(&self.job.spec.layout.table).to_string(),
                job: self.job.spec.job.clone(),
                trigger,
                scheduled_for: None,
                host: "elsewhere".to_owned(),
            };
            assert_eq!(ledger.claim(&new, |_| {}).await.unwrap(), Claim::Won);
            let mut transaction = database.begin(Purpose::Batch).await.unwrap();
            assert!(ledger.count(&mut transaction, new.id, 7).await.unwrap());
            transaction.commit().await.unwrap();
            database.close().await;
        });
    }

    fn wait_until(&self, done: impl Fn() -> bool) {
        let deadline = Deadline::after(LIMIT);
        while !done() {
            assert!(!deadline.has_passed());
            std::thread::sleep(self.sweeper.stale_after / 10);
        }
    }

    fn assert_counts(&self, reports: &[&Report]) {
        let sum = |part: fn(&Report) -> u64| reports.iter().map(|report| part(report)).sum::<u64>();
        assert_eq!(self.count("rows_deleted_total", ""), sum(|report| report.deleted_count));
        assert_eq!(self.count("batches_total", ""), sum(|report| report.batches));
    }

    fn count(&self, name: &str, labels: &str) -> u64 {
        let value = value(&self.metrics, name, labels).unwrap_or_else(|| panic!("{name} {labels}"));
        format!("{value}").parse().expect("a count")
    }

    fn runs(&self, trigger: &str, outcome: &str) -> u64 {
        self.count("runs_total", &format!(",outcome=\"{outcome}\",trigger=\"{trigger}\""))
    }
}

/// What is shown for the job `sessions`.
fn value(metrics: &Metrics, name: &str, labels: &str) -> Option<f64> {
    let text = metrics.render();
    let name = format!("sweepd_{name}{{job=\"sessions\"{labels}}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).map(|value| value.parse().expect("a number"))
}

fn report(deleted_count: u64, batches: u64, outcome: Outcome) -> Report {
    let now = Clock::system().now();
    let begun = Report::begun("sessions", RunId::new(now), Trigger::Schedule, now, "here");
    Report { deleted_count, batches, outcome: Some(outcome), ..begun }
}

#[test]
fn runs_are_counted_as_the_ledger_counts_them() {
    on_every_engine(|stage| {
        stage.fill(3000, 10);
        let engineer = Engineer::on(stage, "max_rows = 2000\nnice = 1\nbatch_target = \"2ms\"", "");
        let reports = [engineer.run(), engineer.run()];
        assert_eq!(reports.each_ref().map(|report| report.deleted_count), [2000, 1000]);
        engineer.assert_counts(&[&reports[0], &reports[1]]);
        assert_eq!((stage.assert_counts(3000), stage.sessions()), (3000, (10, 0)));
        let batches = engineer.count("batches_total", "");
        assert_eq!(engineer.count("batch_duration_seconds_count", ""), batches);
        let seconds = value(&engineer.metrics, "batch_duration_seconds_sum", "").expect("a sum");
        let longest = reports.iter().map(|report| report.duration_ms).sum::<u64>();
        assert!(seconds > 0.0 && seconds * 1000.0 < f64::from(u32::try_from(longest + 10).unwrap()), "{seconds}");
        let nice = value(&engineer.metrics, "throttled_seconds_total", ",reason=\"nice\"").expect("pauses");
        let reported: u64 = reports.iter().map(|report| report.throttled_ms["nice"]).sum();
        let reported = f64::from(u32::try_from(reported).unwrap()) / 1000.0;
        assert!((nice - reported).abs() < 0.01, "{nice} {reported}");

        let at = Clock::system().now();
        let request = Request::scheduled(Trigger::Schedule, at, at);
        let skip = || engineer.runtime.block_on(engineer.sweeper.skip(&engineer.job.spec, request)).unwrap();
        assert_eq!([skip(), skip()], [true, false]);
        stage.database().execute(if stage.database().engine() == Engine::MySql {
            "DROP TABLE Session"
        } else {
            "DROP TABLE \"Session\""
        });
        assert_eq!(engineer.run().outcome, Some(Outcome::Failed));
        assert_eq!(["partial", "completed", "failed"].map(|outcome| engineer.runs("manual", outcome)), [1, 1, 1]);
        assert_eq!((engineer.runs("schedule", "skipped"), engineer.runs("schedule", "completed")), (1, 0));
    });
}

#[test]
fn several_workers_are_counted_together() {
    let Some(stage) = Stage::fresh(Engine::Postgres) else { return };
    stage.fill(50_000, 10);
    let mut engineer = Engineer::on(&stage, "nice = 0\nbatch_target = \"1ms\"", "");
    (engineer.job.spec.workers, engineer.sweeper.database.max_connections) = (3, 4);
    let report = engineer.run();
    assert_eq!(report.deleted_count, 50_000);
    engineer.assert_counts(&[&report]);
    assert_eq!(engineer.count("batch_duration_seconds_count", ""), report.batches);
}

/// The server has committed five batches, and nobody hears of it.
#[test]
fn batches_whose_commit_was_not_answered_are_counted_in_the_end() {
    for engine in Engine::SERVERS {
        let Some(stage) = Stage::fresh(engine) else { continue };
        stage.fill(3000, 10);
        let proxy = Proxy::to(engine, stage.database().port());
        let url = proxy.url(stage.database().url(), stage.database().port());
        let stage = stage.reached_by(url);
        proxy.lose_answers("deleted = deleted + ", 5);
        let engineer = Engineer::on(&stage, "nice = 0\nbatch_target = \"1ms\"", "");
        let report = engineer.run();
        assert_eq!((proxy.lost(), report.outcome), (5, Some(Outcome::Completed)), "{report:?}");
        engineer.assert_counts(&[&report]);
        assert_eq!(stage.assert_counts(3000), 3000);
        assert_eq!(engineer.count("rows_deleted_total", ""), 3000);
        assert_eq!(engineer.count("batch_duration_seconds_count", ""), report.batches - 5);
    }
}

#[test]
fn runs_that_are_found_dead_are_counted_without_their_rows() {
    on_every_engine(|stage| {
        with_the_stack_of_a_program(|| {
            let engineer = Engineer::on(stage, "", QUICK_HEARTBEAT);
            engineer.run();
            // One is found by a look, the other by a claim.
            engineer.claim_and_die(Trigger::Schedule);
            engineer.wait_until(|| {
                let found = engineer.runtime.block_on(engineer.sweeper.recover(&engineer.job.spec)).unwrap();
                matches!(found, Found::Dead(_))
            });
            engineer.claim_and_die(Trigger::Api);
            engineer.wait_until(|| matches!(engineer.answer(Trigger::Takeover), Answer::Ran(_)));
            assert_eq!(["schedule", "api"].map(|trigger| engineer.runs(trigger, "interrupted")), [1, 1]);
            assert_eq!((engineer.runs("takeover", "completed"), engineer.count("rows_deleted_total", "")), (1, 0));
        });
    });
}

/// Without optimisation, closing a dead run takes more of it than the thread of a test has.
fn with_the_stack_of_a_program(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(8 << 20);
        thread.spawn_scoped(scope, work).expect("a thread");
    });
}

/// A server that crashes may forget batches whose COMMIT it had answered; they are then deleted again.
#[test]
fn a_counter_waits_for_a_ledger_that_has_lost_batches() {
    let metrics = Metrics::default();
    let counters = metrics.job("sessions");
    let shown = || ["rows_deleted_total", "batches_total"].map(|name| value(&metrics, name, ""));
    counters.batch(100, 1, Duration::from_millis(1));
    counters.batch(300, 2, Duration::from_millis(1));
    assert_eq!(shown(), [Some(300.0), Some(2.0)]);
    counters.ended(&report(200, 1, Outcome::Completed));
    assert_eq!(shown(), [Some(300.0), Some(2.0)]);
    counters.batch(50, 1, Duration::from_millis(1));
    assert_eq!(shown(), [Some(300.0), Some(2.0)]);
    counters.batch(150, 2, Duration::from_millis(1));
    counters.ended(&report(150, 2, Outcome::Completed));
    assert_eq!(shown(), [Some(350.0), Some(3.0)]);
}

#[test]
fn a_run_whose_end_was_not_recorded_is_counted_once() {
    let metrics = Metrics::default();
    let counters = metrics.job("sessions");
    counters.batch(100, 1, Duration::from_millis(1));
    let failed = report(100, 1, Outcome::Failed);
    counters.unfinished(&failed);
    let closed = Report { deleted_count: 120, batches: 2, outcome: Some(Outcome::Interrupted), ..failed };
    counters.found_dead(&closed);
    counters.found_dead(&report(1000, 10, Outcome::Interrupted));
    counters.ended(&report(5, 1, Outcome::Completed));
    let runs = |outcome: &str| value(&metrics, "runs_total", &format!(",outcome=\"{outcome}\",trigger=\"schedule\""));
    assert_eq!(value(&metrics, "rows_deleted_total", ""), Some(125.0));
    assert_eq!(value(&metrics, "batches_total", ""), Some(3.0));
    assert_eq!(["failed", "interrupted", "completed"].map(runs), [Some(1.0); 3]);
}

/// Everything that can be shown.
fn all() -> Metrics {
    let metrics = Metrics::default();
    let at = Some("2026-11-24T02:00:00.250Z".parse().expect("an instant"));
    let gauges = JobGauges {
        active_rows: Some(108),
        expired_rows: Some(42),
        counted_at: at,
        last_success: at,
        last_run_duration: Some(Duration::from_millis(1500)),
        next_run: at,
        run_active: Some(true),
        paused: Some(false),
        overdue: Some(true),
    };
    metrics.set("sessions", &gauges);
    metrics.set("a \"b\" \\ c", &gauges);
    metrics.job("sessions").throttled(Throttle::Load, Duration::from_millis(1500));
    metrics.set_databases(&BTreeMap::from([("default".to_owned(), true), ("other".to_owned(), false)]));
    metrics.http_answered(200);
    metrics
}

#[test]
fn promtool_finds_no_fault() {
    let text = all().render();
    let Some((passed, said)) = promtool(&["check", "metrics"], &text) else { return };
    assert!(passed && said.is_empty(), "{said}\n{text}");
}

/// Whether Prometheus' tool finds `input` good, and what it says.
fn promtool(arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let Some(promtool) = find_program("promtool", &[]) else {
        skip("no promtool found");
        return None;
    };
    let mut tool = Command::new(promtool);
    let tool = tool.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tool = tool.spawn().expect("promtool starts");
    tool.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("promtool reads");
    let output = tool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// Asserts that Prometheus takes the expressions for alerts, and that the metrics in them are ours.
pub fn accepts(expressions: &[&str], place: &str) {
    // Prometheus takes two alerts that are alike for a mistake.
    for expression in expressions {
        let rule = serde_json::json!({"alert": "sweepd", "expr": expression, "for": "1m"});
        // YAML reads JSON.
        accepts_rules(&serde_json::json!({"groups": [{"name": "sweepd", "rules": [rule]}]}).to_string(), place);
    }
}

/// The same of a file of rules.
pub fn accepts_rules(file: &str, place: &str) {
    let shown = all().render();
    let words = file.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    for name in words.filter(|word| word.starts_with("sweepd_")) {
        let name = name.trim_end_matches("_bucket");
        assert!(shown.contains(&format!("# TYPE {name} ")), "{place}: {name}");
    }
    let Some((passed, said)) = promtool(&["check", "rules", "/dev/stdin"], file) else { return };
    assert!(passed && said.contains("SUCCESS"), "{place}: {file}: {said}");
}

#[test]
fn values_are_in_base_units() {
    let metrics = all();
    for (name, labels, shown) in [
        ("rows", ",state=\"active\"", 108.0),
        ("rows", ",state=\"expired\"", 42.0),
        ("rows_timestamp_seconds", "", 1_795_485_600.25),
        ("last_run_duration_seconds", "", 1.5),
        ("run_active", "", 1.0),
        ("job_paused", "", 0.0),
        ("job_overdue", "", 1.0),
        ("throttled_seconds_total", ",reason=\"load\"", 1.5),
    ] {
        assert_eq!(value(&metrics, name, labels), Some(shown), "{name}");
    }
    let text = metrics.render();
    assert!(text.contains(&format!("sweepd_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"))), "{text}");
    assert!(text.contains("sweepd_database_up{database=\"other\"} 0\n"), "{text}");
    metrics.set_reloaded(false);
    assert!(text.contains("sweepd_config_last_reload_successful 1\n"), "{text}");
    assert!(metrics.render().contains("sweepd_config_last_reload_successful 0\n"), "{text}");
}

#[test]
fn what_is_gone_is_not_shown() {
    let metrics = all();
    let counters = metrics.job("sessions");
    metrics.forget("sessions");
    assert!(!metrics.render().contains("job=\"sessions\""), "{}", metrics.render());
    // It may still be finishing a batch.
    counters.batch(5, 1, Duration::from_millis(1));
    counters.ended(&report(5, 1, Outcome::Partial));
    assert!(!metrics.render().contains("job=\"sessions\""), "{}", metrics.render());
    metrics.announce("sessions");
    assert_eq!(value(&metrics, "rows_deleted_total", ""), Some(0.0));
    assert_eq!(value(&metrics, "run_active", ""), None);
    metrics.retain(|job| job == "sessions");
    assert!(!metrics.render().contains("job=\"a "), "{}", metrics.render());
    metrics.set_databases(&BTreeMap::from([("default".to_owned(), true)]));
    assert!(!metrics.render().contains("\"other\""), "{}", metrics.render());
}

#[test]
fn the_page_lists_every_metric() {
    let text = all().render();
    let shown: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split_once(' ').expect("a type"))
        .collect();
    let rows = PAGE.lines().filter(|line| line.starts_with("| `sweepd_"));
    let listed = rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').split('{').next().expect("a name"), cells[2])
    });
    assert_eq!(listed.collect::<BTreeSet<_>>(), shown);
}
