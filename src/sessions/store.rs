//! What is known of the database: the table of the sessions behind the guards of a run, the users, the audit log, the
//! clock. It is looked over again every minute, so that a call takes one transaction.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Error, MOST_LISTED, SessionInfo, Settings, fingerprint};
use crate::audit::{AuditLog, Unavailable};
use crate::clock::{Clock, Stopwatch};
use crate::db::expiry_sql::{Expiry, is_never};
use crate::db::session_sql::{Key, SessionTable};
use crate::db::{Column, Database, DbError, DecodeError, Engine, Row, Table, Trouble, introspect};
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
    /// None where audit rows are turned off.
    pub(super) audit: Option<Result<AuditLog, Unavailable>>,
    /// On `SQLite` only one writes at a time: those who wait must not hold the connections that others read by.
    writing: Option<Arc<Semaphore>>,
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
        let turns = || (database.engine() == Engine::Sqlite).then(|| Arc::new(Semaphore::new(1)));
        let writing = known.map_or_else(turns, |known| known.writing.clone());
        let audit = AuditLog::find(&database, &settings.audit).await?;
        let steady = settings.clock.steady();
        let (ours, theirs) = guard::clocks(&database, &settings.spec, &settings.clock).await?;
        Ok(Self {
            database,
            sessions: SessionTable { other: guard::other_encoding(&target, &settings.spec), target, token, user },
            users,
            audit,
            writing,
            looked: Stopwatch::start(),
            time: (ours.max(theirs), steady),
        })
    }

    /// Waits until it may write; no longer than for a connection.
    pub(super) async fn turn(&self, settings: &Settings) -> Result<Option<OwnedSemaphorePermit>, DbError> {
        let Some(writing) = self.writing.clone() else { return Ok(None) };
        let turn = tokio::time::timeout(settings.database.connect_timeout, writing.acquire_owned()).await;
        turn.map(Result::ok).map_err(|_| DbError::none_free(self.database.location()))
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
        let rows = self.none_if_nobodys(user, self.database.read(list).await).await?.unwrap_or_default();
        let mut found: Vec<_> = self.database.decode(|| rows.iter().map(|row| self.info(row)).collect())?;
        // The database knows of NULL only that it is never.
        found.sort_by_key(|session| std::cmp::Reverse(session.expires_at.unwrap_or(DateTime::<Utc>::MAX_UTC)));
        Ok(found)
    }

    /// None where nobody has the key. A value that a column cannot hold need not be the key: the error is about what was to
    /// be done to a session, unless there is none.
    pub(super) async fn none_if_nobodys<T>(&self, key: Key<'_>, done: Result<T, DbError>) -> Result<Option<T>, Error> {
        match done {
            Err(error) if error.trouble == Trouble::Form => {
                let owners = none_where_impossible(self.database.read(self.sessions.owner(key)).await)?;
                if owners.is_none_or(|owners| owners.is_empty()) { Ok(None) } else { Err(error.into()) }
            }
            done => Ok(Some(done?)),
        }
    }

    fn info(&self, row: &Row) -> Result<SessionInfo, DecodeError> {
        let mut expires_at = None;
        for (index, expiry) in self.sessions.expiries().enumerate() {
            expires_at = expires_at.or(row.int(index + 1)?.and_then(|millis| end(expiry, millis)));
        }
        Ok(SessionInfo { fingerprint: row.text(0)?.as_deref().map(fingerprint), expires_at })
    }
}

/// When a session ends whose column reads as `millis`; none when never.
fn end(expiry: &Expiry, millis: i64) -> Option<DateTime<Utc>> {
    let at = expiry.read(millis).filter(|_| !is_never(millis))?;
    Some(expiry.mode.end(at))
}

/// The column of that name.
pub(super) fn found<'a>(table: &'a Table, name: &str, key: &'static str) -> Result<&'a Column, Error> {
    table.column(name).ok_or_else(|| Error::NoColumn { table: table.name.to_string(), column: name.to_owned(), key })
}

/// A key that the column cannot hold is nobody's: no error, but none. For what only looks for the key.
pub(super) fn none_where_impossible<T>(done: Result<T, DbError>) -> Result<Option<T>, Error> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.trouble == Trouble::Form => Ok(None),
        Err(error) => Err(error.into()),
    }
}
