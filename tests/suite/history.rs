//! How long the ledger remembers, and what it never forgets.

use crate::oneshot::{Shell, authjs, on_every_engine, quoted};
use crate::servers::Engine;

const PASSWORD: &str = "s3cret-word";

/// Rows of the ledger, each with a state, and the days since it started and since its scheduled instant.
struct Ledger<'a> {
    shell: &'a Shell,
    engine: Engine,
    next: u32,
}

impl Ledger<'_> {
    fn table(&self) -> &'static str {
        if self.engine == Engine::Postgres { "sweepd.run" } else { "sweepd_run" }
    }

    fn target(&self) -> String {
        match self.engine {
            Engine::Postgres => "public.Session".to_owned(),
            Engine::MySql => format!("{}.Session", self.shell.database.name()),
            Engine::Sqlite => "main.Session".to_owned(),
        }
    }

    fn ago(&self, days: u32) -> String {
        match self.engine {
            Engine::Postgres => format!("now() - interval '{days} days'"),
            Engine::MySql => format!("UTC_TIMESTAMP(6) - INTERVAL {days} DAY"),
            Engine::Sqlite => format!("strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-{days} days')"),
        }
    }

    /// The host tells the rows apart.
    fn add(&mut self, host: &str, (target, job): (&str, &str), state: &str, days: u32, scheduled: Option<u32>) {
        self.add_many(1, host, (target, job), state, days, scheduled);
    }

    fn add_many(
        &mut self,
        rows: u32,
        host: &str,
        (target, job): (&str, &str),
        state: &str,
        days: u32,
        scheduled: Option<u32>,
    ) {
        let at = self.ago(days);
        let finished = if state == "running" { "NULL" } else { &at };
        let scheduled = scheduled.map_or("NULL".to_owned(), |days| self.ago(days));
        let values: Vec<_> = (self.next..self.next + rows)
            .map(|id| {
                format!(
                    "('0190b5a4-0000-7000-8000-{id:012}', '{target}', '{job}', 'manual', {scheduled}, '{state}', '{host}', {at}, {at}, {finished})"
                )
            })
            .collect();
        self.next += rows;
        self.shell.database.execute(&format!(
            "INSERT INTO {} (id, target, job, triggered_by, scheduled_for, state, host, started_at, heartbeat_at, finished_at) VALUES {}",
            self.table(),
            values.join(", ")
        ));
    }

    fn count(&self, host: &str) -> i64 {
        self.shell.database.count(&format!("SELECT count(*) FROM {} WHERE host = '{host}'", self.table()))
    }

    /// The rows that this test has put there.
    fn hosts(&self) -> Vec<String> {
        self.shell.texts(&format!("SELECT host FROM {} WHERE host LIKE 'h-%' ORDER BY host", self.table()))
    }
}

fn with_audit_log(engine: Engine) -> String {
    let kind = if engine == Engine::Postgres { "jsonb" } else { "json" };
    let (id, action) = (quoted(engine, "id"), quoted(engine, "action"));
    let (session, audit) = (authjs(engine, "Session"), quoted(engine, "AuditLog"));
    format!(
        "{session}; CREATE TABLE {audit} ({id} varchar(191) PRIMARY KEY, {action} varchar(191) NOT NULL, details {kind});
         INSERT INTO {audit} VALUES ('audited-long-ago', 'SESSION_CLEANUP', '{{}}')"
    )
}

#[test]
pub fn runs_that_ended_long_ago_are_forgotten_in_steps_and_audit_rows_stay() {
    on_every_engine(with_audit_log, |shell, engine| {
        shell.expect(0, &["migrate"]);
        let mut ledger = Ledger { shell: &shell, engine, next: 1 };
        let target = ledger.target();
        let ours = (target.as_str(), "sessions");
        ledger.add_many(2500, "many", ours, "completed", 401, None);
        ledger.add("h-old-failed", ours, "failed", 500, None);
        ledger.add("h-old-skipped", ours, "skipped", 500, Some(500));
        ledger.add("h-old-interrupted", ours, "interrupted", 3000, Some(3000));
        ledger.add("h-newest-instant", ours, "completed", 450, Some(450));
        ledger.add("h-young", ours, "completed", 399, None);
        // Jobs that were removed or renamed since.
        ledger.add("h-other-job", (&target, "another"), "completed", 500, None);
        ledger.add("h-other-table", ("public.Other", "sessions"), "completed", 500, Some(500));
        ledger.add("h-running", (&target, "another"), "running", 500, None);

        assert_eq!(shell.json(0, &["clean"])["deletedCount"], 2);
        assert_eq!(ledger.count("many"), 0, "{engine:?}");
        let kept = ["h-newest-instant", "h-other-table", "h-running", "h-young"];
        assert_eq!(ledger.hosts(), kept, "{engine:?}");
        let audited = quoted(engine, "AuditLog");
        let of_old = format!("SELECT count(*) FROM {audited} WHERE {} = 'audited-long-ago'", quoted(engine, "id"));
        assert_eq!(shell.database.count(&of_old), 1, "audit rows stay");

        // Later instants were answered: the old one is no longer the newest. A refused run forgets too.
        ledger.add("h-newer-instant", ours, "skipped", 2, Some(2));
        shell.configure("[daemon]\nhistory = \"1d\"\n[jobs.sessions]\nschedule = \"manual\"\npreset = \"authjs-prisma\"\nmax_age = \"1h\"");
        shell.expect(1, &["clean"]);
        assert_eq!(ledger.hosts(), ["h-newer-instant", "h-other-table", "h-running"], "{engine:?}");
        assert_eq!(shell.json(0, &["history"])["runs"].as_array().unwrap().len(), 5, "and this run and the one before");
    });
}

/// One run forgets some thousands of rows, and the next goes on.
#[test]
fn a_ledger_of_years_does_not_hold_up_a_run() {
    let Some(shell) = Shell::with(Engine::Sqlite, &authjs(Engine::Sqlite, "Session")) else { return };
    shell.expect(0, &["migrate"]);
    let mut ledger = Ledger { shell: &shell, engine: Engine::Sqlite, next: 1 };
    ledger.add_many(12_500, "many", ("main.Session", "sessions"), "completed", 500, None);
    shell.expect(0, &["clean"]);
    assert_eq!(ledger.count("many"), 2500);
    shell.expect(0, &["clean"]);
    assert_eq!(ledger.count("many"), 0);
}

/// Those who set sweepd up before it forgot anything gave it no such privilege.
#[test]
fn without_the_privilege_a_run_goes_on_and_says_so_once() {
    for engine in Engine::SERVERS {
        let Some(shell) = Shell::with(engine, &authjs(engine, "Session")) else { continue };
        shell.expect(0, &["migrate"]);
        let user = format!("{}_sweeper", shell.database.name());
        let table = quoted(engine, "Session");
        let (create, who, own) = match engine {
            Engine::Postgres => (
                format!("CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'; GRANT USAGE ON SCHEMA sweepd TO {user}"),
                user.clone(),
                "sweepd.",
            ),
            _ => (format!("CREATE USER {user}@'%' IDENTIFIED BY '{PASSWORD}'"), format!("{user}@'%'"), "sweepd_"),
        };
        shell.database.admin().execute(&format!(
            "{create}; GRANT SELECT, DELETE ON {table} TO {who}; GRANT SELECT ON {own}migration TO {who};
             GRANT SELECT, INSERT, UPDATE ON {own}run TO {who}; GRANT SELECT, INSERT, UPDATE ON {own}armed TO {who};
             GRANT SELECT, INSERT, DELETE ON {own}paused TO {who}"
        ));
        let url = shell.database.url_as(&user, PASSWORD);
        let shell = shell.connect_as(url);
        shell.configure("[audit]\nenabled = false");

        let said = shell.expect(0, &["clean"]).stderr;
        assert!(!said.contains("ledger"), "nothing is old yet: {said}");
        let mut ledger = Ledger { shell: &shell, engine, next: 1 };
        let target = ledger.target();
        ledger.add_many(3, "old", (&target, "sessions"), "completed", 500, None);
        let said = shell.expect(0, &["clean"]).stderr;
        assert_eq!(said.matches("old runs stay in the ledger").count(), 1, "{said}");
        assert!(said.contains("`sweepd check` prints the GRANT"), "{said}");
        assert_eq!(ledger.count("old"), 3);

        let findings = shell.json(0, &["check"])["findings"].clone();
        let findings = findings.as_array().unwrap().clone();
        let found = findings.iter().find(|found| found["message"].as_str().unwrap().contains("daemon.history"));
        assert_eq!(found.map(|found| &found["level"]), Some(&"warning".into()), "{findings:?}");
        shell.database.admin().execute(found.unwrap()["sql"].as_str().unwrap());
        assert!(!shell.expect(0, &["check"]).stdout.contains("daemon.history"));
        shell.expect(0, &["clean"]);
        assert_eq!(ledger.count("old"), 0);
        shell.database.admin().execute(&match engine {
            Engine::Postgres => format!("DROP OWNED BY {user}; DROP ROLE {user}"),
            _ => format!("DROP USER {who}"),
        });
    }
}
