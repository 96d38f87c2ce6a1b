//! How the rows of the ledger are read.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Armed, Pause};
use crate::db::{DecodeError, Row};
use crate::report::{Outcome, Report, RunId, SweepOrder};

pub(super) fn armed(row: &Row) -> Result<Armed, DecodeError> {
    Ok(Armed {
        since: parse(row.text(0)?)?,
        answered: parse_some(row.text(1)?)?,
        schedule: row.text(2)?.unwrap_or_default(),
    })
}

pub(super) fn pause(row: &Row) -> Result<Pause, DecodeError> {
    Ok(Pause { since: parse(row.text(0)?)?, host: row.text(1)?.unwrap_or_default() })
}

pub(super) fn id(row: &Row) -> Result<RunId, DecodeError> {
    parse(row.text(0)?)
}

pub(super) fn parse<T: std::str::FromStr>(text: Option<String>) -> Result<T, DecodeError>
where
    T::Err: std::fmt::Display,
{
    text.unwrap_or_default().parse().map_err(DecodeError::new)
}

pub(super) fn parse_some<T: std::str::FromStr>(text: Option<String>) -> Result<Option<T>, DecodeError>
where
    T::Err: std::fmt::Display,
{
    text.map(|text| parse(Some(text))).transpose()
}

/// Reads the columns that `ledger_sql` selects for a report.
pub(super) fn report(row: &Row) -> Result<Report, DecodeError> {
    let started_at: DateTime<Utc> = parse(row.text(4)?)?;
    let finished_at: Option<DateTime<Utc>> = parse_some(row.text(5)?)?;
    let state = row.text(7)?.unwrap_or_default();
    let count = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or_default();
    let throttled: BTreeMap<String, u64> = serde_json::from_str(&row.text(12)?.unwrap_or_default()).unwrap_or_default();
    let duration = finished_at.map_or(0, |end| (end - started_at).num_milliseconds());
    Ok(Report {
        run_id: id(row)?,
        job: row.text(1)?.unwrap_or_default(),
        trigger: parse(row.text(2)?)?,
        scheduled_for: parse_some(row.text(3)?)?,
        started_at,
        finished_at,
        duration_ms: u64::try_from(duration).unwrap_or_default(),
        cutoff: parse_some(row.text(6)?)?,
        outcome: if state == "running" { None } else { Some(parse::<Outcome>(Some(state))?) },
        stopped_by: parse_some(row.text(8)?)?,
        deleted_count: count(row.int(9)?),
        batches: count(row.int(10)?),
        order: parse_some::<SweepOrder>(row.text(11)?)?,
        throttled_ms: throttled,
        host: row.text(13)?.unwrap_or_default(),
        error: row.text(14)?,
        plan: row.text(15)?.and_then(|plan| serde_json::from_str(&plan).ok()),
    })
}
