//! What the values of the expiry column say: whether they can be what the configuration says that they are.

use std::time::Duration;

use chrono::{DateTime, Datelike, TimeDelta, Utc};

use crate::db::sweep_sql::Target;
use crate::db::{Database, Encoding, Engine, Mode, introspect};
use crate::report::rfc3339;
use crate::sweep::{Error, Spec};

/// How many values are looked at to judge the encoding.
const SAMPLE: u32 = 1000;
/// No session lives into this year.
const CENTURY_AHEAD: i32 = 2130;
/// How many rows have to lie ahead before a run is refused whose configuration states nothing about that.
const SEVERAL: usize = 3;
/// How many of those are read, and how many are shown.
const MOST_AHEAD: u32 = 10;
const SHOWN: usize = 3;
/// Rows come while a run looks at its clock and at them.
const LEAST_SLACK: Duration = Duration::from_mins(1);

/// Looks at some values: the middle one has to read as a date between 2000 and a century ahead. Seconds read as
/// milliseconds, or the reverse, land far outside; one odd row does not.
pub(super) async fn check(database: &Database, target: &Target) -> Result<(), Error> {
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
    let ends = [millis.first(), Some(middle), millis.last()].into_iter().flatten();
    let mut shown: Vec<_> = ends.map(|millis| date(*millis)).collect();
    shown.dedup();
    Err(Error::refused(format!(
        "the values of column {:?} of {} do not look like {}: the lowest, the middle and the highest of {} read as {}{}; set `encoding` in the job to what they are (look at them: {})",
        target.expiry.column,
        target.table.name,
        target.expiry.encoding,
        millis.len(),
        shown.join(", "),
        other_unit(&target.expiry.encoding, *middle),
        target.look().sql(),
    )))
}

/// What the value would be in the other unit, where that makes sense.
fn other_unit(encoding: &Encoding, millis: i64) -> String {
    let (unit, millis) = match encoding {
        Encoding::EpochSeconds => (Encoding::EpochMillis, millis / 1000),
        Encoding::EpochMillis => (Encoding::EpochSeconds, millis.saturating_mul(1000)),
        _ => return String::new(),
    };
    if is_plausible(millis) { format!("; as {unit} the middle one is {}", date(millis)) } else { String::new() }
}

fn date(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis).map_or_else(|| "no date at all".to_owned(), rfc3339)
}

/// What lies before 1970, 0, and what lies more than a century ahead are ways to write "never": such rows are not deleted
/// anyway. But not what would be a date if it were read as milliseconds in place of seconds: then the unit is wrong.
fn is_never(millis: i64) -> bool {
    millis <= 0 || (year(millis) >= CENTURY_AHEAD && !is_plausible(millis / 1000))
}

fn is_plausible(millis: i64) -> bool {
    (2000..CENTURY_AHEAD).contains(&year(millis))
}

fn year(millis: i64) -> i32 {
    DateTime::from_timestamp_millis(millis).map_or(i32::MAX, |at| at.year())
}

fn check_storage_classes(target: &Target, sample: &[(Option<i64>, String)]) -> Result<(), Error> {
    if target.expiry.engine != Engine::Sqlite {
        return Ok(());
    }
    let text = target.expiry.encoding.is_text();
    let fits = |class: &str| if text { class == "text" } else { matches!(class, "integer" | "real") };
    let (_, odd): (Vec<_>, Vec<_>) = sample.iter().map(|(_, class)| class.as_str()).partition(|class| fits(class));
    // Every statement checks the type of each value, so a few odd ones are only left where they are.
    let Some(other) = odd.first().filter(|_| odd.len() * 2 > sample.len()) else { return Ok(()) };
    Err(Error::refused(format!(
        "column {:?} of {} holds values of type {other} ({} of {}), which does not match the encoding {}; set `encoding` in the job, and look for what writes the odd values: {}",
        target.expiry.column,
        target.table.name,
        odd.len(),
        sample.len(),
        target.expiry.encoding,
        introspect::storage_classes(&target.table.name, &target.expiry.column).sql(),
    )))
}

/// Looks for sessions that cannot be: those that live for longer than `max_age` from now, where the job states it; else,
/// where the column holds the last use, those that were used in the future. Both show that the zone or the unit is wrong.
/// What was stated holds for each row; where nothing was, one odd row must not stop a run.
///
/// # Errors
/// The refusal with its reason and what to do, or what the database says.
pub async fn ahead(
    database: &Database,
    spec: &Spec,
    targets: impl Iterator<Item = &Target>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let (longest, enough) = match (spec.max_age, spec.layout.mode) {
        (Some(max_age), _) => (max_age, 1),
        (None, Mode::LastSeen(lifetime)) => (lifetime, SEVERAL),
        (None, Mode::Expires) => return Ok(()),
    };
    let latest = now + longest + spec.max_clock_skew.max(LEAST_SLACK);
    let mut ahead = Vec::new();
    for target in targets {
        ahead.extend(ends_after(database, target, latest).await?);
        if ahead.len() >= enough {
            ahead.sort_unstable();
            return Err(refusal(spec, target, &ahead, now));
        }
    }
    Ok(())
}

/// The last ends of sessions after `latest`, as far as a quick look shows. In a repeated hour the database's bound is an
/// hour early.
async fn ends_after(database: &Database, target: &Target, latest: DateTime<Utc>) -> Result<Vec<DateTime<Utc>>, Error> {
    let mode = target.expiry.mode;
    let latest = latest.max(target.expiry.as_read(latest));
    let upto =
        chrono::NaiveDate::from_ymd_opt(CENTURY_AHEAD, 1, 1).unwrap_or_default().and_time(chrono::NaiveTime::MIN);
    let rows = database.read(target.ahead(mode.newest_expired(latest), upto.and_utc(), MOST_AHEAD)).await?;
    let millis = database.decode(|| rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>())?;
    let ends = millis.into_iter().flatten().filter_map(|millis| target.expiry.read(millis)).map(|at| mode.end(at));
    Ok(ends.filter(|end| *end > latest).collect())
}

fn refusal(spec: &Spec, target: &Target, ahead: &[DateTime<Utc>], now: DateTime<Utc>) -> Error {
    let last = ahead.last().map_or(TimeDelta::zero(), |end| *end - now);
    let hours = last.num_hours() + 1;
    let lifetime = target.expiry.mode.lifetime().unwrap_or_default();
    let shown = |at: &DateTime<Utc>| if spec.max_age.is_some() { rfc3339(*at) } else { rfc3339(*at - lifetime) };
    let shown: Vec<_> = ahead.iter().rev().take(SHOWN).map(shown).collect();
    let found = match spec.max_age {
        Some(max_age) => format!(
            "sessions in {} would live for longer than `max_age` ({}), until {}",
            target.table.name,
            humantime::format_duration(max_age),
            shown.join(", ")
        ),
        None => format!("sessions in {} were last used in the future, at {}", target.table.name, shown.join(", ")),
    };
    Error::refused(format!(
        "{found}, and it is {} now: the time zone or the unit of column {:?}, read as {}, looks wrong; look at the values ({}) and set `writer_timezone` or `encoding` in the job, or, where they are right, `max_age = \"{hours}h\"`",
        rfc3339(now),
        target.expiry.column,
        target.expiry.encoding,
        target.look().sql(),
    ))
}
