//! Runs: those of the ledgers, and how far the ones of this process are.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Desk, Status};
use crate::db::{Database, DbError, Settings, migrate};
use crate::job::Active;
use crate::ledger::Ledger;
use crate::report::{Outcome, Report, RunId};
use crate::sweep::{Answer, Progress, Request};

/// A run: its report, and while it is under way in this process, how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Run {
    /// What it did.
    #[serde(flatten)]
    pub report: Report,
    /// How far it is; null when it has ended, or is another process's.
    pub progress: Option<Progress>,
}

impl Status {
    /// The newest runs of all databases, newest first.
    ///
    /// # Errors
    /// Those of a database.
    pub async fn runs(&self, limit: u32) -> Result<Vec<Run>, DbError> {
        let _turn = self.reading.acquire().await;
        let mut reports = Vec::new();
        let found = join_all(self.databases().into_iter().map(|settings| history(settings, limit))).await;
        // One that is away hides no runs of the others.
        if let Some(error) = found.iter().all(Result::is_err).then(|| found.first()?.as_ref().err()).flatten() {
            return Err(error.clone());
        }
        reports.extend(found.into_iter().flatten().flatten());
        reports.sort_by_key(|report| std::cmp::Reverse((report.started_at, report.run_id)));
        reports.truncate(limit.try_into().unwrap_or(usize::MAX));
        Ok(reports.into_iter().map(|report| self.with_progress(report)).collect())
    }

    /// One run; none when nobody knows it.
    ///
    /// # Errors
    /// Those of a database.
    pub async fn run(&self, id: RunId) -> Result<Option<Run>, DbError> {
        let found = {
            let _turn = self.reading.acquire().await;
            join_all(self.databases().into_iter().map(|settings| report(settings, id))).await
        };
        let mut failure = None;
        for found in found {
            match found {
                Ok(Some(report)) => return Ok(Some(self.with_progress(report))),
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
        }
        match (self.unrecorded(id), failure) {
            (None, Some(error)) => Err(error),
            (run, _) => Ok(run),
        }
    }

    /// A run that waits for its turn, or that no ledger knows because its database was away.
    fn unrecorded(&self, id: RunId) -> Option<Run> {
        self.all().into_iter().find_map(|desk| {
            let activity = desk.activity();
            if let Some(Active { request, progress }) = activity.active.filter(|active| active.request.id == id) {
                return Some(Run { report: begun(&desk, &request), progress: Some(*progress.borrow()) });
            }
            let report = activity.last.filter(|last| last.run_id == id);
            let not_run = activity.not_run.filter(|(request, _)| request.id == id);
            let report = report.or_else(|| not_run.map(|(request, answer)| skipped(&desk, &request, &answer)))?;
            Some(Run { report, progress: None })
        })
    }

    fn with_progress(&self, report: Report) -> Run {
        let active = self.desk(&report.job).and_then(|desk| desk.activity().active);
        let active = active.filter(|active| active.request.id == report.run_id);
        let progress = active.map(|active| *active.progress.borrow());
        Run { report, progress }
    }

    /// How to reach each database, once.
    fn databases(&self) -> Vec<Settings> {
        let assignments = self.all().into_iter().map(|desk| desk.assignment());
        let settings = assignments.map(|assignment| (assignment.job.database.clone(), assignment.sweeper.database));
        settings.collect::<BTreeMap<_, _>>().into_values().collect()
    }
}

/// The report of a request that has only been made.
fn begun(desk: &Desk, request: &Request) -> Report {
    let (job, host) = (desk.job().spec.job.clone(), desk.assignment().sweeper.host);
    let begun = Report::begun(&job, request.id, request.trigger, request.id.made_at(), &host);
    Report { scheduled_for: request.scheduled_for, ..begun }
}

/// The report of a request that waited for its turn, and then was not to be run.
fn skipped(desk: &Desk, request: &Request, answer: &Answer) -> Report {
    Report { outcome: Some(Outcome::Skipped), error: answer.why_not_run(), ..begun(desk, request) }
}

async fn history(settings: Settings, limit: u32) -> Result<Vec<Report>, DbError> {
    with_ledger(settings, async |database| Ledger::history(database, limit).await).await
}

async fn report(settings: Settings, id: RunId) -> Result<Option<Report>, DbError> {
    with_ledger(settings, async |database| Ledger::run(database, id).await).await
}

/// Reads a ledger; before there is one, it has nothing to say.
async fn with_ledger<T: Default>(
    settings: Settings,
    read: impl AsyncFnOnce(&Database) -> Result<T, DbError>,
) -> Result<T, DbError> {
    let database = Database::connect(&settings).await?;
    let found = match migrate::pending(&database).await {
        Ok([]) => read(&database).await,
        Ok(_) => Ok(T::default()),
        Err(error) => Err(error),
    };
    database.close().await;
    found
}
