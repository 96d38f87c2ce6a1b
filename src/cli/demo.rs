//! `sweepd demo`: the same daemon, on a small database in which sessions come and expire.

use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::{Exit, Failure, output, run};
use crate::audit;
use crate::clock::Clock;
use crate::config::{Environment, Source};
use crate::db::{self, Database, DatabaseUrl, Purpose, demo_sql, migrate};
use crate::lifecycle::Lifecycle;
use crate::report::RunId;
use crate::sweep::Limits;

const DIRECTORY: &str = "sweepd-demo";
const CONFIG: &str = include_str!("../../config/demo.toml");
const USERS: [&str; 4] = ["ada", "grace", "linus", "margaret"];

pub async fn run() -> Result<Exit, Failure> {
    let lifecycle = Lifecycle::install()?;
    let clock = Clock::system();
    let file = write_config()?;
    let source = Source::new(Some(&file), Environment::default(), Path::new("."));
    let database = open(&clock).await?;
    introduce();
    let (stop, application) = (lifecycle.stop.clone(), database.clone());
    lifecycle.tasks.spawn(log_people_in(application, clock, stop));
    let exit = run::serve(source, lifecycle).await?;
    database.close().await;
    farewell();
    Ok(exit)
}

/// A file that is there already may have been edited, and stays.
fn write_config() -> Result<std::path::PathBuf, Failure> {
    let file = Path::new(DIRECTORY).join("sweepd.toml");
    let write = || {
        std::fs::create_dir_all(DIRECTORY)?;
        if file.exists() { Ok(()) } else { std::fs::write(&file, CONFIG) }
    };
    write().map_err(|error: std::io::Error| Failure {
        message: format!("cannot write {}: {error}; start the demo in a directory where you may write", file.display()),
        exit: Exit::Failed,
    })?;
    Ok(file)
}

async fn open(clock: &Clock) -> Result<Database, Failure> {
    let limits = Limits::default();
    let database = Database::connect(&db::Settings {
        url: DatabaseUrl::parse(&format!("sqlite://{DIRECTORY}/demo.db"))?.create_if_missing(),
        max_connections: 1,
        connect_timeout: Duration::from_secs(5),
        lock_timeout: limits.lock_timeout,
        statement_timeout: limits.statement_timeout,
        idle_timeout: None,
    })
    .await?;
    database.script(migrate::DEMO).await?;
    let audit_log = database.qualify(&audit::Settings::default().table);
    database.script(&migrate::audit_log(database.engine(), &audit_log)).await?;
    log_in(&database, clock, 40, TimeDelta::seconds(-3600)).await?;
    log_in(&database, clock, 10, TimeDelta::seconds(3600)).await?;
    Ok(database)
}

/// What an application does all day: every second three people log in, for a few seconds each.
async fn log_people_in(database: Database, clock: Clock, stop: CancellationToken) {
    loop {
        for lifetime in [3, 8, 20] {
            if let Err(error) = log_in(&database, &clock, 1, TimeDelta::seconds(lifetime)).await {
                tracing::warn!("the demo's application could not log anybody in: {error}");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

async fn log_in(database: &Database, clock: &Clock, sessions: usize, lifetime: TimeDelta) -> Result<(), db::DbError> {
    let mut transaction = database.begin(Purpose::Write).await?;
    for user in USERS.iter().cycle().take(sessions) {
        let id = RunId::new(clock.now()).to_string();
        transaction.execute(demo_sql::user(user)).await?;
        transaction.execute(demo_sql::session(&id, user, clock.now() + lifetime)).await?;
    }
    transaction.commit().await
}

fn introduce() {
    output::line(format!(
        "sweepd demo: {DIRECTORY}/demo.db has the tables of Auth.js, and people log in every second."
    ));
    output::line("Their sessions expire after a few seconds, and every five seconds sweepd deletes the expired ones.");
    output::line(format!(
        "To change how often, edit `schedule` in {DIRECTORY}/sweepd.toml while it runs: it is followed within two seconds."
    ));
    output::line("Ctrl-C stops it.");
    output::line("");
}

fn farewell() {
    output::line("");
    output::line("Where to look next:");
    output::line(format!("  sweepd --config {DIRECTORY}/sweepd.toml history    what ran"));
    output::line(format!("  sweepd --config {DIRECTORY}/sweepd.toml stats      what is in the table now"));
    output::line(format!("  sweepd --config {DIRECTORY}/sweepd.toml check      what sweepd makes of the database"));
    output::line(
        "  DATABASE_URL=... sweepd clean --dry-run            the same on a database of yours, deleting nothing",
    );
}
