//! What has to be true before the first DELETE: the table, the column, its encoding, its values, the clocks.

mod values;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::warn;

use super::{Error, Spec};
use crate::clock::Clock;
use crate::db::expiry_sql::Expiry;
use crate::db::sweep_sql::{self, Target};
use crate::db::{Database, Encoding, Engine, Row, Table, TableKind, TableName, Trouble, introspect};
use crate::preset::Layout;
use crate::report::rfc3339;

pub use values::ahead;

/// Looks at the table of a job and refuses what could delete the wrong rows.
///
/// # Errors
/// The refusal with its reason and what to do, or what the database says.
pub async fn target(database: &Database, spec: &Spec) -> Result<Target, Error> {
    let target = layout(database, &spec.layout).await?;
    match &spec.layout.token {
        Some(token) if spec.guessed && target.table.column(token).is_none() => Err(Error::refused(format!(
            "{} has no column {token:?}, so it need not be the table of sessions that sweepd takes it for; `sweepd init` looks for others, and SWEEPD_JOBS__SESSIONS__PRESET confirms one (`sweepd presets` lists them)",
            target.table.name
        ))),
        _ => Ok(target),
    }
}

/// The same for a layout without a job.
///
/// # Errors
/// The refusal with its reason and what to do, or what the database says.
pub async fn layout(database: &Database, layout: &Layout) -> Result<Target, Error> {
    guard(database, layout, existing_table(database, layout).await?).await
}

async fn guard(database: &Database, layout: &Layout, table: Table) -> Result<Target, Error> {
    check_kind(database, &table).await?;
    let encodings = fitting_encodings(database.engine(), &table, layout)?;
    let mut refusal = None;
    for encoding in encodings {
        let target = Target {
            table: table.clone(),
            expiry: Expiry {
                engine: database.engine(),
                column: layout.expires_at.clone(),
                encoding,
                mode: layout.mode,
            },
        };
        match values::check(database, &target).await {
            Ok(()) => return check_connection_zone(database, &target).await.map(|()| target),
            Err(Error::Refused(reason)) => refusal = refusal.or(Some(reason)),
            Err(error) => return Err(error),
        }
    }
    Err(Error::Refused(refusal.unwrap_or_else(|| "no encoding is configured".to_owned())))
}

/// The other way in which the store writes its expiry, where the type of each value tells which it is (`SQLite`).
#[must_use]
pub fn other_encoding(target: &Target, spec: &Spec) -> Option<Expiry> {
    let expiry = &target.expiry;
    let other = |encoding: &&Encoding| encoding.is_text() != expiry.encoding.is_text();
    let encoding = spec.layout.encodings.iter().find(other).filter(|_| expiry.engine == Engine::Sqlite)?;
    Some(Expiry { encoding: encoding.clone(), ..expiry.clone() })
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
        check_kind(database, &leaf.table).await?;
        // Its values were judged with those of all the others: one odd row in a small leaf is no reason to refuse.
        fitting_encodings(database.engine(), &leaf.table, &spec.layout)?;
        may_read(database, &leaf).await?;
        leaves.push(leaf);
    }
    Ok(leaves)
}

/// Leaves are swept one by one, and each has privileges of its own.
async fn may_read(database: &Database, leaf: &Target) -> Result<(), Error> {
    match database.read(leaf.sample(1)).await {
        Err(error) if error.trouble == Trouble::Privilege => {
            let grant = sweep_sql::grant(database.engine(), &leaf.table.name, &current_user(database).await?);
            Err(Error::refused(format!(
                "this user may not read and delete rows of {}, a part of the table; have its owner run: {grant} (ALTER DEFAULT PRIVILEGES does so for parts to come)",
                leaf.table.name
            )))
        }
        done => Ok(done.map(drop)?),
    }
}

async fn current_user(database: &Database) -> Result<String, Error> {
    let user = database.read(introspect::current_user(database.engine())).await?;
    Ok(database.decode(|| user.first().map_or(Ok(None), |row| row.text(0)))?.unwrap_or_default())
}

/// The cutoff of a run: the earlier of this host's clock and the database's, less what is to be kept.
///
/// # Errors
/// When the two clocks are too far apart, or what the database says.
pub async fn cutoff(database: &Database, spec: &Spec, clock: &Clock) -> Result<DateTime<Utc>, Error> {
    let (ours, theirs) = clocks(database, spec, clock).await?;
    // Where database and host share a machine, both clocks are wrong together when somebody sets that machine's forward
    // by mistake: then the time that has really passed tells what has expired.
    Ok(ours.min(theirs).min(clock.steady()) - spec.keep)
}

/// This host's clock and the database's.
///
/// # Errors
/// When the two are too far apart, or what the database says.
pub async fn clocks(database: &Database, spec: &Spec, clock: &Clock) -> Result<(DateTime<Utc>, DateTime<Utc>), Error> {
    let before = clock.now();
    let theirs = server_clock(database).await?;
    let ours = clock.now();
    let theirs = theirs.unwrap_or(before);
    let apart = (theirs - ours).max(before - theirs).max(TimeDelta::zero());
    if apart.to_std().is_ok_and(|apart| apart > spec.max_clock_skew) {
        return Err(Error::refused(format!(
            "the clock of {} says {} and this host's says {}, which is {} s apart and more than `schedule.max_clock_skew` allows ({}); set the wrong one right, or allow it there: then a run goes by the earlier one",
            database.location(),
            rfc3339(theirs),
            rfc3339(ours),
            apart.num_seconds(),
            humantime::format_duration(spec.max_clock_skew),
        )));
    }
    Ok((before, theirs))
}

/// Whether this host's clock was set forward since the process started, so that less has expired than it says.
pub fn was_set_forward(spec: &Spec, clock: &Clock) -> bool {
    let ahead = (clock.now() - clock.steady()).to_std().unwrap_or_default();
    let set = ahead > spec.max_clock_skew;
    if set {
        warn!(
            job = %spec.job,
            "this host's clock was set forward by {} since sweepd started, so what expires in that time is kept; if the clock is right now, restart sweepd",
            humantime::format_duration(Duration::from_secs(ahead.as_secs()))
        );
    }
    set
}

/// What the database's clock says; none where that is this host's.
///
/// # Errors
/// Those of the database.
pub async fn server_clock(database: &Database) -> Result<Option<DateTime<Utc>>, Error> {
    // SQLite's clock is this host's.
    if database.engine() == Engine::Sqlite {
        return Ok(None);
    }
    let rows = database.read(introspect::clock(database.engine())).await?;
    let micros = database.decode(|| rows.first().map_or(Ok(None), |row| row.int(0)))?;
    Ok(micros.and_then(DateTime::from_timestamp_micros))
}

async fn existing_table(database: &Database, layout: &Layout) -> Result<Table, Error> {
    if let Some(table) = introspect::table(database, &layout.table).await? {
        return Ok(table);
    }
    let name = database.qualify(&layout.table);
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

async fn check_kind(database: &Database, table: &Table) -> Result<(), Error> {
    let name = &table.name;
    let reason = match table.kind {
        TableKind::NotATable => {
            format!("{name} is not a table but a view or the like; set `table` in the job to the table behind it")
        }
        TableKind::NonTransactional => format!(
            "{name} uses an engine without transactions, so no count could be exact; convert it: {}",
            sweep_sql::make_transactional(name)
        ),
        TableKind::Plain | TableKind::Partitioned if table.hides_rows => format!(
            "row-level security on {name} hides rows from this user, so nobody could say what was left; let `database.url` name a user who sees all rows: the table's owner, where it is not forced on the owner too, or one who bypasses it: {}",
            introspect::bypass_row_security(&current_user(database).await?)
        ),
        TableKind::Plain | TableKind::Partitioned => return Ok(()),
    };
    Err(Error::Refused(reason))
}

fn fitting_encodings(engine: Engine, table: &Table, layout: &Layout) -> Result<Vec<Encoding>, Error> {
    let wanted = &layout.expires_at;
    let Some(column) = table.column(wanted) else {
        let columns: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
        return Err(Error::refused(format!(
            "table {} has no column {wanted:?}; its columns are {}; set `expires_at` in the job",
            table.name,
            columns.join(", ")
        )));
    };
    let fitting: Vec<_> =
        layout.encodings.iter().filter(|encoding| fits(engine, encoding, &column.kind)).cloned().collect();
    if !fitting.is_empty() {
        return Ok(fitting);
    }
    let configured: Vec<_> = layout.encodings.iter().map(ToString::to_string).collect();
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
        "column {:?} of {} is a TIMESTAMP, which MySQL converts by the connection's time zone, and the server's default zone is {}, not UTC; look on a connection of the application, with `{}`: if that is the zone in which the application writes its times (UTC for most), confirm it with `encoding = \"timestamptz\"` in the job",
        target.expiry.column,
        target.table.name,
        zone.unwrap_or_default(),
        introspect::session_zone().sql(),
    )))
}
