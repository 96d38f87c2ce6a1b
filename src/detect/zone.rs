//! In which zone a store's times are, where its library leaves that to the installation: what can be proven, and what is
//! only a hint.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use crate::db::{Database, DbError, Engine, TableName, Trouble, catalog_sql, introspect};
use crate::preset::{Store, Writer};
use crate::zone::Zone;

/// An expiry is rounded up to a second.
const ROUNDED: TimeDelta = TimeDelta::seconds(2);
/// So many rows have to show the zone, or all of them.
const ENOUGH: usize = 3;

/// What is known of the zone of a store's times.
#[derive(Debug, Clone, PartialEq)]
pub enum WriterZone {
    /// The library writes instants, or always the same zone.
    Known,
    /// The installation decides, and it shows. How.
    Proven(Zone, String),
    /// The installation decides. What speaks for one zone or another.
    Unknown(Option<String>),
}

/// Finds out in which zone a store's times are.
///
/// # Errors
/// Those of the database.
pub(super) async fn of_writer(database: &Database, store: &Store, table: &TableName) -> Result<WriterZone, DbError> {
    match (store.writer, store.cookie, database.engine()) {
        (Writer::Utc, ..) => Ok(WriterZone::Known),
        (Writer::Ask(_), Some(cookie), Engine::Postgres) => by_cookies(database, store, table, cookie).await,
        (Writer::Ask(_), _, Engine::MySql) => of_server(database).await,
        (Writer::Ask(_), ..) => Ok(WriterZone::Unknown(None)),
    }
}

/// A zone that somebody set, or the server's own, is proven by the sessions' cookies, whose end is an instant.
async fn by_cookies(
    database: &Database,
    store: &Store,
    table: &TableName,
    cookie: &str,
) -> Result<WriterZone, DbError> {
    let rows = database.read(catalog_sql::zones()).await?;
    let row = |index| rows.first().map_or(Ok(None), |row| row.text(index));
    let (set, of_log) = database.decode(|| Ok((row(0)?, row(1)?)))?;
    let (name, source) = match (set, of_log) {
        (Some(name), _) => (name, "is set for this user or database"),
        (None, Some(name)) => (name, "is the zone of the server's log, which is usually that of the server"),
        (None, None) => return Ok(WriterZone::Unknown(None)),
    };
    let Ok(zone) = Zone::parse(name.trim_matches(['\'', '"'])) else {
        return Ok(WriterZone::Unknown(Some(format!("{name:?} {source}"))));
    };
    let ends = match database.read(catalog_sql::cookies(table, store.expires_at, cookie)).await {
        Ok(rows) => {
            database.decode(|| rows.iter().map(|row| Ok((row.int(0)?, row.int(1)?))).collect::<Result<Vec<_>, _>>())?
        }
        // Cookies of another form prove nothing.
        Err(error) if error.trouble == Trouble::Other || error.trouble == Trouble::Privilege => Vec::new(),
        Err(error) => return Err(error),
    };
    let ends: Vec<_> = ends.into_iter().filter_map(|(wall, end)| instants(wall?, end?)).collect();
    Ok(match agreeing(&zone, &ends) {
        Some(_) if !shows_its_changes(&zone, &ends) => WriterZone::Unknown(Some(format!(
            "{:?} {source}, and the sessions' cookies agree so far; but none is from the time when its clocks show another hour, which would tell it from other zones",
            zone.name()
        ))),
        Some(rows) => {
            WriterZone::Proven(zone, format!("it {source}, and the cookies of {rows} of {} sessions agree", ends.len()))
        }
        None if ends.is_empty() => WriterZone::Unknown(Some(format!("{:?} {source}", zone.name()))),
        None => {
            WriterZone::Unknown(Some(format!("{:?} {source}, but the sessions' cookies do not agree", zone.name())))
        }
    })
}

fn instants(wall: i64, end: i64) -> Option<(NaiveDateTime, DateTime<Utc>)> {
    Some((DateTime::from_timestamp_millis(wall)?.naive_utc(), DateTime::from_timestamp_millis(end)?))
}

/// Whether expiries tell the zone from those that differ in another season: London's are UTC's in winter, and whoever takes
/// one for the other ends sessions an hour early in summer.
fn shows_its_changes(zone: &Zone, ends: &[(NaiveDateTime, DateTime<Utc>)]) -> bool {
    let exact = ends.iter().filter(|end| lateness(zone, end).abs() <= ROUNDED);
    let offsets: BTreeSet<_> = exact.map(|(_, end)| zone.local(*end).offset().local_minus_utc()).collect();
    let changes = ends.iter().any(|(_, end)| zone.period_at(end.timestamp()).end != i64::MAX);
    offsets.len() > 1 || !changes
}

/// By how much a session outlives its cookie.
fn lateness(zone: &Zone, (wall, end): &(NaiveDateTime, DateTime<Utc>)) -> TimeDelta {
    *wall - zone.local(*end).naive_local()
}

/// How many expiries are the end of their cookie in `zone`; none where that proves nothing. A session that was used since
/// its cookie was stored expires later, and none earlier.
fn agreeing(zone: &Zone, ends: &[(NaiveDateTime, DateTime<Utc>)]) -> Option<usize> {
    let lates: Vec<_> = ends.iter().map(|end| lateness(zone, end)).collect();
    let exact = lates.iter().filter(|late| late.abs() <= ROUNDED).count();
    let possible = lates.iter().all(|late| *late >= -ROUNDED);
    (possible && exact > 0 && (exact >= ENOUGH || exact == lates.len())).then_some(exact)
}

/// The server's zone decides over nothing that the application writes; but it is often that of the host.
async fn of_server(database: &Database) -> Result<WriterZone, DbError> {
    let rows = database.read(introspect::default_zone()).await?;
    let zone = database.decode(|| rows.first().map_or(Ok(None), |row| row.text(0)))?;
    Ok(WriterZone::Unknown(
        zone.map(|zone| format!("the server's own zone is {zone}, which need not be the application's")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(zone: &str, late: &[i64]) -> Vec<(NaiveDateTime, DateTime<Utc>)> {
        let zone = Zone::parse(zone).unwrap_or_else(|_| Zone::utc());
        let end = |late: &i64| {
            let end = DateTime::from_timestamp(1_795_000_000, 0).unwrap_or_default();
            (zone.local(end).naive_local() + TimeDelta::seconds(*late), end)
        };
        late.iter().map(end).collect()
    }

    #[test]
    fn a_zone_is_proven_by_cookies_that_end_with_the_session() {
        let new_york = Zone::parse("America/New_York").unwrap_or_else(|_| Zone::utc());
        assert_eq!(agreeing(&new_york, &ends("America/New_York", &[1, 0, 0, 7200])), Some(3));
        assert_eq!(agreeing(&new_york, &ends("America/New_York", &[0])), Some(1));
        // Used since: no telling.
        assert_eq!(agreeing(&new_york, &ends("America/New_York", &[0, 60, 7200])), None);
        assert_eq!(agreeing(&new_york, &ends("UTC", &[0, 0, 0])), None);
        assert_eq!(agreeing(&Zone::utc(), &ends("America/New_York", &[0, 0, 0])), None);
        assert_eq!(agreeing(&Zone::utc(), &[]), None);
    }

    #[test]
    fn a_zone_with_clock_changes_is_proven_by_both_of_its_hours_only() {
        let zone = |name: &str| Zone::parse(name).unwrap_or_else(|_| Zone::utc());
        let winter = ends("UTC", &[0, 0, 0]);
        assert_eq!(agreeing(&zone("Europe/London"), &winter), Some(3));
        assert!(!shows_its_changes(&zone("Europe/London"), &winter));
        assert!(shows_its_changes(&Zone::utc(), &winter));
        assert!(shows_its_changes(&zone("Asia/Tokyo"), &ends("Asia/Tokyo", &[0])));
        let summer = DateTime::from_timestamp(1_795_000_000 - 182 * 86400, 0).unwrap_or_default();
        let both = |name: &str| [ends(name, &[0]), vec![(zone(name).local(summer).naive_local(), summer)]].concat();
        assert!(shows_its_changes(&zone("Europe/London"), &both("Europe/London")));
        // Its summer is not London's.
        assert_eq!(agreeing(&zone("Europe/London"), &both("UTC")), None);
    }
}
