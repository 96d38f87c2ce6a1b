//! What is known of the database: the table of the sessions behind the guards of a run, the users, the audit log, the
//! clock. It is looked over again every minute, so that a call takes one transaction.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::warn;

use super::{Error, MOST_LISTED, SessionInfo, Settings, fingerprint};
use crate::audit::{AuditLog, Unavailable};
use crate::clock::{Clock, Stopwatch};
use crate::db::session_sql::{Key, SessionTable};
use crate::db::{Column, Database, Table, introspect};
use crate::sweep::guard;

/// So long nobody asks again.
const FRESH: Duration = Duration::from_mins(1);
/// So long it is good enough while somebody asks.
const USABLE: Duration = Duration::from_mins(2);

#[derive(Debug)]
pub(super) struct Store {
    pub(super) database: Database,
    pub(super) sessions: SessionTable,
    pub(super) users: Option<Table>,
    audit: Option<Result<AuditLog, Unavailable>>,
    warned: AtomicBool,
    looked: Stopwatch,
    /// The later of both clocks when it was looked, and what [`Clock::steady`] said then.
    time: (DateTime<Utc>, DateTime<Utc>),
}

impl Store {
    /// Looks at the database, over the connections of `known` if there are some.
    pub(super) async fn find(settings: &Settings, known: Option<&Self>) -> Result<Self, Error> {
        let database = match known {
            Some(known) => known.database.clone(),
            None => Database::connect(&settings.kept()).await?,
        };
        let target = guard::target(&database, &settings.spec).await?;
        let layout = &settings.spec.layout;
        let column = |name: &Option<String>, key| match name {
            None => Ok(None),
            Some(name) => found(&target.table, name, key).cloned().map(Some),
        };
        let (token, user) = (column(&layout.token, "token")?, column(&layout.user, "user")?);
        let users = match settings.users.table(&settings.spec) {
            Some(name) => introspect::table(&database, &name).await?,
            None => None,
        };
        let audit = AuditLog::find(&database, &settings.audit).await?;
        let (ours, steady) = (settings.clock.now(), settings.clock.steady());
        let theirs = guard::server_clock(&database).await?.unwrap_or(ours);
        Ok(Self {
            database,
            sessions: SessionTable { target, token, user },
            users,
            audit,
            warned: AtomicBool::new(false),
            looked: Stopwatch::start(),
            time: (ours.max(theirs), steady),
        })
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.looked.elapsed() < FRESH
    }

    pub(super) fn is_usable(&self) -> bool {
        self.looked.elapsed() < USABLE
    }

    pub(super) fn shares_connections(&self, other: &Self) -> bool {
        self.database.shares_connections(&other.database)
    }

    /// The later of this host's clock and the database's: a slow clock keeps no session alive.
    pub(super) fn now(&self, clock: &Clock) -> DateTime<Utc> {
        let (later, steady) = self.time;
        let passed = (clock.steady() - steady).max(TimeDelta::zero());
        clock.now().max(later + passed)
    }

    /// The audit log. Where it cannot be written to, that is said once until the next look.
    pub(super) fn audit(&self) -> Option<&AuditLog> {
        match self.audit.as_ref()? {
            Ok(audit) => Some(audit),
            Err(reason) => {
                self.warn_once(reason);
                None
            }
        }
    }

    pub(super) fn warn_once(&self, reason: &dyn std::fmt::Display) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            warn!("no audit row will be written for changes of sessions and users: {reason}");
        }
    }

    pub(super) fn token<'a>(&'a self, value: &'a str) -> Result<Key<'a>, Error> {
        let column = self.sessions.token.as_ref().ok_or_else(|| Error::NoTokenColumn(self.table()))?;
        Ok(Key { column, value })
    }

    pub(super) fn user<'a>(&'a self, value: &'a str) -> Result<Key<'a>, Error> {
        let column = self.sessions.user.as_ref().ok_or_else(|| Error::NoUserColumn(self.table()))?;
        Ok(Key { column, value })
    }

    fn table(&self) -> String {
        format!("table {}", self.sessions.target.table.name)
    }

    pub(super) async fn list(&self, user: &str, settings: &Settings) -> Result<Vec<SessionInfo>, Error> {
        let user = self.user(user)?;
        if !user.is_possible(self.database.engine()) {
            return Ok(Vec::new());
        }
        let list = self.sessions.list(user, self.now(&settings.clock), MOST_LISTED);
        let rows = none_where_impossible(self.database.read(list).await)?.unwrap_or_default();
        let rows = self
            .database
            .decode(|| rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect::<Result<Vec<_>, _>>())?;
        let info = |(token, millis): (Option<String>, Option<i64>)| SessionInfo {
            token: token.as_deref().map(fingerprint),
            expires_at: millis.and_then(|millis| self.end(millis)),
        };
        let mut found: Vec<_> = rows.into_iter().map(info).collect();
        // The database knows of NULL only that it is never.
        found.sort_by_key(|session| std::cmp::Reverse(session.expires_at.unwrap_or(DateTime::<Utc>::MAX_UTC)));
        Ok(found)
    }

    /// When a session ends whose column reads as `millis`; none when never.
    fn end(&self, millis: i64) -> Option<DateTime<Utc>> {
        let expiry = &self.sessions.target.expiry;
        let at = expiry.read(millis).filter(|_| !crate::db::expiry_sql::is_never(millis))?;
        Some(expiry.mode.end(at))
    }
}

/// The column of that name.
pub(super) fn found<'a>(table: &'a Table, name: &str, key: &'static str) -> Result<&'a Column, Error> {
    table.column(name).ok_or_else(|| Error::NoColumn { table: table.name.to_string(), column: name.to_owned(), key })
}

/// A key that the column cannot hold is nobody's: no error, but none.
pub(super) fn none_where_impossible<T>(done: Result<T, crate::db::DbError>) -> Result<Option<T>, Error> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.trouble == crate::db::Trouble::Value => Ok(None),
        Err(error) => Err(error.into()),
    }
}
