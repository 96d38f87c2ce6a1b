//! What has to be true before the first DELETE: the table, the column, its encoding, its values, the clocks.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::warn;

use super::{Error, Spec};
use crate::clock::Clock;
use crate::db::expiry_sql::Expiry;
use crate::db::sweep_sql::{self, Target};
use crate::db::{Database, Encoding, Engine, Row, Table, TableKind, TableName, Trouble, introspect};
use crate::report::rfc3339;

/// How many values are looked at to judge the encoding.
const SAMPLE: u32 = 1000;
/// No session lives into this year.
const CENTURY_AHEAD: i32 = 2130;

/// Looks at the table of a job and refuses what could delete the wrong rows.
///
/// # Errors
/// The refusal with its reason and what to do, or what the database says.
pub async fn target(database: &Database, spec: &Spec) -> Result<Target, Error> {
    guard(database, spec, existing_table(database, spec).await?).await
}

async fn guard(database: &Database, spec: &Spec, table: Table) -> Result<Target, Error> {
    check_kind(&table)?;
    let encodings = fitting_encodings(database.engine(), &table, spec)?;
    let mut refusal = None;
    for encoding in encodings {
        let target = Target {
            table: table.clone(),
            expiry: Expiry {
                engine: database.engine(),
                column: spec.layout.expires_at.clone(),
                encoding,
                mode: spec.layout.mode,
            },
        };
        match check_values(database, &target).await {
            Ok(()) => return check_connection_zone(database, &target).await.map(|()| target),
            Err(Error::Refused(reason)) => refusal = refusal.or(Some(reason)),
            Err(error) => return Err(error),
        }
    }
    Err(Error::Refused(refusal.unwrap_or_else(|| "no encoding is configured".to_owned())))
}

/// The tables in which the rows of a target are: itself, or the partitions, each guarded like a table of its own.
///
/// # Errors
/// The refusal with its reason and what to do, or what the database says.
pub async fn leaves(database: &Database, spec: &Spec, target: &Target) -> Result<Vec<Target>, Error> {
    if target.table.kind != TableKind::Partitioned {
        return Ok(vec![target.clone()]);
    }
    let rows = database.read(introspect::leaves(&target.table.name)).await?;
    let names = database.decode(|| {
        let name = |row: &Row| Ok((row.text(0)?, row.text(1)?.unwrap_or_default()));
        rows.iter().map(name).collect::<Result<Vec<_>, _>>()
    })?;
    let mut leaves = Vec::new();
    for (schema, name) in names {
        let table = TableName { schema, name };
        let Some(found) = introspect::table(database, &table).await? else { continue };
        // A table that others inherit from may have rows of its own.
        let kind = if found.kind == TableKind::Partitioned { TableKind::Plain } else { found.kind };
        let leaf = Target { table: Table { kind, ..found }, expiry: target.expiry.clone() };
        check_kind(&leaf.table)?;
        // Its values were judged with those of all the others: one odd row in a small leaf is no reason to refuse.
        fitting_encodings(database.engine(), &leaf.table, spec)?;
        may_read(database, &leaf).await?;
        leaves.push(leaf);
    }
    Ok(leaves)
}

/// Leaves are swept one by one, and each has privileges of its own.
async fn may_read(database: &Database, leaf: &Target) -> Result<(), Error> {
    match database.read(leaf.sample(1)).await {
        Err(error) if error.trouble == Trouble::Privilege => {
            let user = database.read(introspect::current_user(database.engine())).await?;
            let user = database.decode(|| user.first().map_or(Ok(None), |row| row.text(0)))?.unwrap_or_default();
            let grant = sweep_sql::grant(database.engine(), &leaf.table.name, &user);
            Err(Error::refused(format!(
                "this user may not read and delete rows of {}, a part of the table; have its owner run: {grant} (ALTER DEFAULT PRIVILEGES does so for parts to come)",
                leaf.table.name
            )))
        }
        done => Ok(done.map(drop)?),
    }
}

/// The cutoff of a run: the earlier of this host's clock and the database's, less what is to be kept.
///
/// # Errors
/// When the two clocks are too far apart, or what the database says.
pub async fn cutoff(database: &Database, spec: &Spec, clock: &Clock) -> Result<DateTime<Utc>, Error> {
    let before = clock.now();
    let theirs = server_clock(database).await?;
    let ours = clock.now();
    let theirs = theirs.unwrap_or(before);
    let apart = (theirs - ours).max(before - theirs).max(TimeDelta::zero());
    if apart.to_std().is_ok_and(|apart| apart > spec.max_clock_skew) {
        return Err(Error::refused(format!(
            "the clock of {} says {} and this host's says {}, more than `schedule.max_clock_skew` apart; set the wrong one right",
            database.location(),
            rfc3339(theirs),
            rfc3339(ours),
        )));
    }
    Ok(before.min(theirs).min(unmoved(spec, clock)) - spec.keep)
}

/// Where database and host share a machine, both clocks are wrong together when somebody sets that machine's forward by
/// mistake: then the time that has really passed tells what has expired.
fn unmoved(spec: &Spec, clock: &Clock) -> DateTime<Utc> {
    let steady = clock.steady();
    let ahead = (clock.now() - steady).to_std().unwrap_or_default();
    if ahead > spec.max_clock_skew {
        warn!(
            job = %spec.job,
            "this host's clock was set forward by {} since sweepd started; what expires in that time is kept; if the clock is right now, restart sweepd",
            humantime::format_duration(Duration::from_secs(ahead.as_secs()))
        );
    }
    steady
}

async fn server_clock(database: &Database) -> Result<Option<DateTime<Utc>>, Error> {
    // SQLite's clock is this host's.
    if database.engine() == Engine::Sqlite {
        return Ok(None);
    }
    let rows = database.read(introspect::clock(database.engine())).await?;
    let micros = database.decode(|| rows.first().map_or(Ok(None), |row| row.int(0)))?;
    Ok(micros.and_then(DateTime::from_timestamp_micros))
}

async fn existing_table(database: &Database, spec: &Spec) -> Result<Table, Error> {
    if let Some(table) = introspect::table(database, &spec.layout.table).await? {
        return Ok(table);
    }
    let name = database.qualify(&spec.layout.table);
    let sql = introspect::tables_sql(database.engine(), name.schema.as_deref().unwrap_or_default());
    let rows = database.read(sql).await?;
    let tables = database.decode(|| rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>())?;
    let wanted = name.name.to_lowercase();
    let near = |table: &String| strsim::jaro_winkler(&table.to_lowercase(), &wanted) > 0.85;
    let near: Vec<_> = tables.into_iter().flatten().filter(near).map(|table| format!("{table:?}")).collect();
    let hint = match near.as_slice() {
        [] => String::new(),
        near => format!("; did you mean {}?", near.join(" or ")),
    };
    Err(Error::refused(format!(
        "{} has no table {:?} in {:?} that this user can see; check `table` and `schema` in the job (names are case-sensitive){hint}",
        database.location(),
        name.name,
        name.schema.unwrap_or_default(),
    )))
}

fn check_kind(table: &Table) -> Result<(), Error> {
    let name = &table.name;
    let reason = match table.kind {
        TableKind::NotATable => format!("{name} is not a table but a view or the like; name the table behind it"),
        TableKind::NonTransactional => {
            format!(
                "{name} uses an engine without transactions, so no count could be exact; convert it: ALTER TABLE ... ENGINE = InnoDB"
            )
        }
        TableKind::Plain | TableKind::Partitioned if table.hides_rows => {
            format!("row-level security on {name} hides rows from this user; use its owner, or a role with BYPASSRLS")
        }
        TableKind::Plain | TableKind::Partitioned => return Ok(()),
    };
    Err(Error::Refused(reason))
}

fn fitting_encodings(engine: Engine, table: &Table, spec: &Spec) -> Result<Vec<Encoding>, Error> {
    let wanted = &spec.layout.expires_at;
    let Some(column) = table.column(wanted) else {
        let columns: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
        return Err(Error::refused(format!(
            "table {} has no column {wanted:?}; its columns are {}; set `expires_at` in the job",
            table.name,
            columns.join(", ")
        )));
    };
    let fitting: Vec<_> =
        spec.layout.encodings.iter().filter(|encoding| fits(engine, encoding, &column.kind)).cloned().collect();
    if !fitting.is_empty() {
        return Ok(fitting);
    }
    let configured: Vec<_> = spec.layout.encodings.iter().map(ToString::to_string).collect();
    let accepted: Vec<_> = Encoding::NAMES
        .into_iter()
        .filter(|name| {
            Encoding::from_name(name, crate::zone::Zone::utc())
                .is_some_and(|encoding| fits(engine, &encoding, &column.kind))
        })
        .collect();
    Err(Error::refused(format!(
        "column {:?} of {} is of type {}, which does not match the encoding {}; {}",
        column.name,
        table.name,
        column.kind,
        configured.join(" or "),
        if accepted.is_empty() {
            "no encoding of sweepd reads that type: is it the right column?".to_owned()
        } else {
            format!("that type can hold {}: set `encoding` in the job", accepted.join(" or "))
        }
    )))
}

/// Whether a column of the declared type can hold the encoding. `SQLite` types values, not columns: there the
/// values decide.
fn fits(engine: Engine, encoding: &Encoding, kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    let is = |kinds: &[&str]| kinds.contains(&kind.as_str());
    match (engine, encoding) {
        (Engine::Sqlite, Encoding::Timestamptz | Encoding::Timestamp(_)) => false,
        (Engine::Sqlite, _) => true,
        (_, Encoding::IsoText(_) | Encoding::JulianDay) => false,
        (Engine::Postgres, Encoding::Timestamptz) => is(&["timestamp with time zone"]),
        (Engine::Postgres, Encoding::Timestamp(_)) => is(&["timestamp without time zone"]),
        (Engine::MySql, Encoding::Timestamptz) => is(&["timestamp"]),
        (Engine::MySql, Encoding::Timestamp(_)) => is(&["datetime", "timestamp"]),
        (_, Encoding::EpochSeconds | Encoding::EpochMillis) => {
            is(&["bigint", "integer", "int", "mediumint", "numeric", "decimal", "double precision", "double"])
        }
        (_, Encoding::EpochMillisText) => {
            is(&["text", "character varying", "varchar", "char", "longtext", "mediumtext"])
        }
    }
}

/// Looks at some values: the middle one has to read as a date between 2000 and a century ahead. Seconds read as
/// milliseconds, or the reverse, land far outside; one odd row does not.
async fn check_values(database: &Database, target: &Target) -> Result<(), Error> {
    let rows = database.read(target.sample(SAMPLE)).await?;
    let sample = database.decode(|| {
        rows.iter().map(|row| Ok((row.int(0)?, row.text(1)?.unwrap_or_default()))).collect::<Result<Vec<_>, _>>()
    })?;
    check_storage_classes(target, &sample)?;
    let mut millis: Vec<_> = sample.iter().filter_map(|(millis, _)| *millis).filter(|at| !is_never(*at)).collect();
    millis.sort_unstable();
    let Some(middle) = millis.get(millis.len().saturating_sub(1) / 2) else { return Ok(()) };
    if is_plausible(*middle) {
        return Ok(());
    }
    let read_as = DateTime::from_timestamp_millis(*middle).map_or_else(|| "no date at all".to_owned(), rfc3339);
    Err(Error::refused(format!(
        "the values of column {:?} of {} do not look like {}: the middle one of {} reads as {read_as}; set `encoding` in the job (look at the values first)",
        target.expiry.column,
        target.table.name,
        target.expiry.encoding,
        millis.len(),
    )))
}

/// 0, and what lies more than a century ahead, is a way to write "never": such rows are not deleted anyway. But not
/// where it would be a date if it were read as milliseconds in place of seconds: then the unit is wrong.
fn is_never(millis: i64) -> bool {
    millis == 0 || (year(millis) >= CENTURY_AHEAD && !is_plausible(millis / 1000))
}

fn is_plausible(millis: i64) -> bool {
    (2000..CENTURY_AHEAD).contains(&year(millis))
}

fn year(millis: i64) -> i32 {
    DateTime::from_timestamp_millis(millis).map_or(i32::MAX, |at| chrono::Datelike::year(&at))
}

fn check_storage_classes(target: &Target, sample: &[(Option<i64>, String)]) -> Result<(), Error> {
    if target.expiry.engine != Engine::Sqlite {
        return Ok(());
    }
    let text = matches!(target.expiry.encoding, Encoding::IsoText(_) | Encoding::EpochMillisText);
    let fits = |class: &str| if text { class == "text" } else { matches!(class, "integer" | "real") };
    let (_, odd): (Vec<_>, Vec<_>) = sample.iter().map(|(_, class)| class.as_str()).partition(|class| fits(class));
    // Every statement checks the type of each value, so a few odd ones are only left where they are.
    let Some(other) = odd.first().filter(|_| odd.len() * 2 > sample.len()) else { return Ok(()) };
    Err(Error::refused(format!(
        "column {:?} of {} holds values of type {other}, which does not match the encoding {}; set `encoding` in the job, and look for what writes the odd values: {}",
        target.expiry.column,
        target.table.name,
        target.expiry.encoding,
        introspect::storage_classes(&target.table.name, &target.expiry.column).sql(),
    )))
}

/// A `TIMESTAMP` column of `MySQL` turns the writer's wall clock into an instant by the zone of its connection. sweepd
/// reads it in UTC, so a naive encoding is only right where connections are in UTC too.
async fn check_connection_zone(database: &Database, target: &Target) -> Result<(), Error> {
    let column = target.table.column(&target.expiry.column);
    let is_timestamp = column.is_some_and(|column| column.kind.eq_ignore_ascii_case("timestamp"));
    if database.engine() != Engine::MySql || !is_timestamp || target.expiry.encoding == Encoding::Timestamptz {
        return Ok(());
    }
    let rows = database.read(introspect::default_zone()).await?;
    let (zone, winter, summer) = database.decode(|| {
        let Some(row) = rows.first() else { return Ok((None, None, None)) };
        Ok((row.text(0)?, row.int(1)?, row.int(2)?))
    })?;
    if (winter, summer) == (Some(0), Some(0)) {
        return Ok(());
    }
    Err(Error::refused(format!(
        "column {:?} of {} is a TIMESTAMP, which MySQL converts by the connection's time zone, and the server's default zone is {}, not UTC; if the application's connections are in UTC, confirm it with `encoding = \"timestamptz\"` in the job",
        target.expiry.column,
        target.table.name,
        zone.unwrap_or_default()
    )))
}
