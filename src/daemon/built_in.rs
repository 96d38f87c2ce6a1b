//! Which store the built-in job sweeps: what is in the database says so, where nobody else does.

use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{error, info};

use super::settings;
use crate::config::Config;
use crate::db::{Database, DbError, TableName, introspect};
use crate::detect::{self, Candidate, Finding};
use crate::lifecycle::Lifecycle;
use crate::preset::Layout;

/// How long to wait, at most, before looking again: for a database that was away, and for a store that was not there.
const AWAY: Duration = Duration::from_mins(1);
const NOTHING: Duration = Duration::from_mins(10);

/// Why the built-in job stays what it is for now.
#[derive(Debug, thiserror::Error)]
pub enum Undecided {
    /// No known store was found.
    #[error("no session store that sweepd knows was found in {0}; `sweepd presets` lists them")]
    Nothing(String),
    /// There is a choice that only a person can make.
    #[error("{0}")]
    Choices(String),
    /// The database says nothing.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Looks into the database, and decides the layout of the built-in job.
///
/// # Errors
/// Why it could not.
pub async fn decide(config: &Config) -> Result<Layout, Undecided> {
    let Some(job) = config.jobs.first() else { return Err(Undecided::Choices("there is no job".to_owned())) };
    let database = Database::connect(&settings(&config.databases[&job.database], &job.spec.limits, 1)).await?;
    let decision = decide_in(&database, &job.spec.layout).await;
    database.close().await;
    decision
}

async fn decide_in(database: &Database, built_in: &Layout) -> Result<Layout, Undecided> {
    let own = database.qualify(&built_in.table);
    let decision = choose(&detect::stores(database).await?, built_in, &own, database.location());
    match decision {
        // It may lack a column, and still be the table that is meant.
        Err(Undecided::Nothing(_)) if introspect::table(database, &own).await?.is_some() => Ok(built_in.clone()),
        decision => decision,
    }
}

/// One session store, and nothing left to be said about it. Other tables of the library are left for a configuration.
fn choose(found: &[Finding], built_in: &Layout, own: &TableName, location: &str) -> Result<Layout, Undecided> {
    // What its service cleans up by itself is no store that somebody forgot.
    let sessions = || found.iter().filter(|finding| finding.holds_sessions() && !finding.cleans_itself());
    let named: Vec<_> = sessions().filter(|finding| finding.named()).collect();
    let found: Vec<_> = if named.is_empty() { sessions().collect() } else { named };
    match found.as_slice() {
        [] => Err(Undecided::Nothing(location.to_owned())),
        // The run itself says what is wrong with it.
        [one] if one.table == *own && one.is_refused() => Ok(built_in.clone()),
        [one] => match one.single().filter(|candidate| candidate.is_ready()) {
            Some(candidate) => Ok(as_named(candidate)),
            None => Err(Undecided::Choices(question(&found, location))),
        },
        _ => Err(Undecided::Choices(question(&found, location))),
    }
}

/// A table in the connection's own schema is looked for there, as with a preset in a configuration.
fn as_named(candidate: &Candidate) -> Layout {
    let schema = candidate.store.schema.map(str::to_owned);
    let table = TableName { schema, name: candidate.layout.table.name.clone() };
    Layout { table, ..candidate.layout.clone() }
}

fn question(found: &[&Finding], location: &str) -> String {
    let one = |finding: &&Finding| {
        let choices: Vec<_> = finding.candidates.iter().map(choice).collect();
        format!("{} ({})", finding.table, choices.join(" or "))
    };
    let list = found.iter().map(one).collect::<Vec<_>>().join("; ");
    format!(
        "there is no configuration that says which sessions to sweep, and {location} leaves a choice: {list}; `sweepd init` writes a configuration, or set SWEEPD_JOBS__SESSIONS__PRESET"
    )
}

fn choice(candidate: &Candidate) -> String {
    let open: Vec<_> = candidate.open().into_iter().map(|(key, how)| format!("{key} is needed: {how}")).collect();
    let why = candidate.refusal.clone().into_iter().chain(open).collect::<Vec<_>>().join("; ");
    let why = if why.is_empty() { String::new() } else { format!(", {why}") };
    format!("{}, {}{why}", candidate.preset.name, candidate.sure().as_str())
}

/// Goes on looking in the background, until there is a decision: the layout, or the choices.
pub(super) fn look(config: &Config, lifecycle: &Lifecycle) -> mpsc::Receiver<Result<Layout, String>> {
    let (sender, decisions) = mpsc::channel(1);
    if !config.guessed {
        return decisions;
    }
    let (config, stop) = (config.clone(), lifecycle.stop.clone());
    lifecycle.tasks.spawn(async move {
        let look = async {
            let mut pause = Duration::from_secs(1);
            loop {
                match decide(&config).await {
                    Ok(layout) => return Ok(layout),
                    Err(Undecided::Choices(choices)) => return Err(choices),
                    Err(Undecided::Nothing(_)) => pause = (pause * 2).min(NOTHING),
                    Err(Undecided::Database(_)) => pause = (pause * 2).min(AWAY),
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = sender.closed() => return Err(String::new()),
                }
            }
        };
        if let Some(decision) = stop.run_until_cancelled(look).await {
            let _ = sender.send(decision).await;
        }
    });
    decisions
}

/// An edited configuration that leaves the same question open, about the same database, has its answer already.
pub(super) fn carried(before: &Config, edited: Config) -> Config {
    let answered = edited.guessed && before.built_in_job && !before.guessed && place(before) == place(&edited);
    match before.jobs.first().filter(|job| answered && job.enabled) {
        Some(job) => edited.with_layout(&job.spec.layout),
        None => edited,
    }
}

fn place(config: &Config) -> Option<(String, Option<&str>)> {
    let url = &config.databases[&config.jobs.first()?.database].url;
    Some((url.location(), url.schema()))
}

/// The configuration after the decision. Where there is a choice, nothing runs.
pub(super) fn decided(config: Config, decision: Result<Layout, String>) -> Config {
    match decision {
        Ok(layout) => {
            info!("the built-in job sweeps {}", layout.table);
            config.with_layout(&layout)
        }
        Err(choices) => {
            error!("nothing is swept: {choices}");
            config.without_built_in_job()
        }
    }
}
