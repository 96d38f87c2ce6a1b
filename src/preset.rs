//! Known session stores: where they keep sessions, and how they write the expiry. Data, not code.

mod stores;

use std::time::Duration;

use crate::db::{Encoding, Engine, Mode, TableName};
use crate::zone::Zone;

pub use stores::PRESETS;

/// Where the sessions of a job are, and how to read them.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// The table; without a schema it is looked for in the connection's own.
    pub table: TableName,
    /// The column with the expiry, or the last use.
    pub expires_at: String,
    /// The encodings that the store may use. With more than one, the column's type and its values decide.
    pub encodings: Vec<Encoding>,
    /// What the column's instant means.
    pub mode: Mode,
    /// The column with the session token, if there is one.
    pub token: Option<String>,
    /// The column with the user, if there is one.
    pub user: Option<String>,
    /// The table of the users, where the library keeps one.
    pub users: Option<String>,
}

/// A session store as its library creates it.
#[derive(Debug)]
pub struct Preset {
    /// The name in the configuration.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// What its rows are.
    pub holds: Holds,
    /// How it is known to be right.
    pub verified: Verified,
    /// What to know before its rows are deleted.
    pub caveat: Option<&'static str>,
    /// Where the column holds the last use: how to find out for how long a session lives after it. Nobody but the
    /// application knows, so there is no default.
    pub lifetime: Option<&'static str>,
    /// Whether its service deletes expired rows by itself: then nobody has to, and it is not guessed.
    pub cleans_itself: bool,
    /// The store on each database that it exists on.
    pub stores: &'static [Store],
}

/// What the rows of a store are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Sessions.
    Sessions,
    /// Tokens that were sent to somebody, and the like: what a library keeps beside its sessions.
    Tokens,
}

/// How a preset is known to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// The library itself writes and reads the rows in the tests.
    Conformance,
    /// By the library's sources and its documented schema.
    Documented,
}

/// A store on one database: its table as the library creates it.
#[derive(Debug, Clone, Copy)]
pub struct Store {
    /// The database.
    pub engine: Engine,
    /// The schema that the library puts the table into; none is the connection's own.
    pub schema: Option<&'static str>,
    /// The table.
    pub table: &'static str,
    /// The column with the expiry, or the last use.
    pub expires_at: &'static str,
    /// The declared type of that column, as the database shows it.
    pub kind: &'static str,
    /// How the column holds an instant; with more than one, the values decide.
    pub encodings: &'static [&'static str],
    /// In which zone times are that carry none.
    pub writer: Writer,
    /// A JSON column with the session's cookie, whose end (`cookie.expires`) is the same instant as the expiry: it shows
    /// the writer's zone.
    pub cookie: Option<&'static str>,
    /// The column with the token.
    pub token: Option<&'static str>,
    /// The column with the user.
    pub user: Option<&'static str>,
    /// The table of the users.
    pub users: Option<&'static str>,
    /// The type of the token's column, where only that tells the store from one that writes other times.
    pub token_kind: Option<&'static str>,
    /// Other columns that the table always has.
    pub others: &'static [&'static str],
    /// Whether the library itself creates an index that begins with the expiry.
    pub indexed: bool,
}

/// In which zone the store writes times that carry none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// In UTC, or the column says the instant by itself.
    Utc,
    /// It depends on the installation: the configuration has to say. How to find out.
    Ask(&'static str),
}

/// Why a preset cannot be used as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PresetError {
    /// The store does not exist on that engine.
    #[error("preset {0:?} does not exist for {1}: its library does not store sessions there")]
    Engine(&'static str, Engine),
    /// The store writes local time, and nobody said whose.
    #[error(
        "preset {0:?} stores times without a zone on {1}, so `writer_timezone` must say which zone they are in ({2})"
    )]
    WriterZone(&'static str, Engine, &'static str),
    /// The store holds the last use, and nobody said for how long a session lives after it.
    #[error("preset {0:?} stores the last use of a session, so `lifetime` must say how long it lives after that ({1})")]
    Lifetime(&'static str, &'static str),
}

impl Preset {
    /// What most presets have in common.
    const SESSIONS: Self = Self {
        name: "",
        title: "",
        holds: Holds::Sessions,
        verified: Verified::Documented,
        caveat: None,
        lifetime: None,
        cleans_itself: false,
        stores: &[],
    };
    const TOKENS: Self = Self { holds: Holds::Tokens, ..Self::SESSIONS };

    /// The preset of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// The store on `engine`.
    #[must_use]
    pub fn store(&self, engine: Engine) -> Option<&'static Store> {
        self.stores.iter().find(|store| store.engine == engine)
    }

    /// The word for its mode in a configuration.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        if self.lifetime.is_some() { "last-seen" } else { "expires" }
    }

    /// Its layout on `engine`. `writer` is the zone that the configuration names, and `lifetime` how long a session
    /// lives after its last use, where it says so.
    ///
    /// # Errors
    /// When the store does not exist on the engine, or the writer's zone or the lifetime has to be given.
    pub fn layout(
        &self,
        engine: Engine,
        writer: Option<&Zone>,
        lifetime: Option<Duration>,
    ) -> Result<Layout, PresetError> {
        let store = self.store(engine).ok_or(PresetError::Engine(self.name, engine))?;
        let zone = match (writer, store.writer) {
            (Some(zone), _) => zone.clone(),
            (None, Writer::Utc) => Zone::utc(),
            (None, Writer::Ask(how)) => return Err(PresetError::WriterZone(self.name, engine, how)),
        };
        if let (Some(how), None) = (self.lifetime, lifetime) {
            return Err(PresetError::Lifetime(self.name, how));
        }
        Ok(store.layout(&zone, lifetime.filter(|_| self.lifetime.is_some())))
    }
}

impl Holds {
    /// The word for people and programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Tokens => "tokens",
        }
    }
}

impl Verified {
    /// The word for people and programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conformance => "conformance",
            Self::Documented => "documented",
        }
    }
}

impl Store {
    /// Whether it has no more than an id, a user and an end, as many a table that holds no sessions.
    pub(crate) fn is_bare(&self) -> bool {
        self.token == Some("id") && self.others.is_empty()
    }

    /// Its layout, with the zone of its times where they need one, and how long a session lives after its last use where
    /// the column holds that.
    pub(crate) fn layout(&self, zone: &Zone, lifetime: Option<Duration>) -> Layout {
        let encodings = self.encodings.iter().filter_map(|name| Encoding::from_name(name, zone.clone()));
        Layout {
            table: TableName { schema: self.schema.map(str::to_owned), name: self.table.to_owned() },
            expires_at: self.expires_at.to_owned(),
            encodings: encodings.collect(),
            mode: lifetime.map_or(Mode::Expires, Mode::LastSeen),
            token: self.token.map(str::to_owned),
            user: self.user.map(str::to_owned),
            users: self.users.map(str::to_owned),
        }
    }
}

/// The words that the entries of the table are written in.
impl Store {
    const fn new(table: &'static str, expires_at: &'static str) -> Self {
        Self {
            engine: Engine::Postgres,
            schema: None,
            table,
            expires_at,
            kind: "",
            encodings: &[],
            writer: Writer::Utc,
            cookie: None,
            token: None,
            user: None,
            users: None,
            token_kind: None,
            others: &[],
            indexed: false,
        }
    }

    const fn named(self, table: &'static str) -> Self {
        Self { table, ..self }
    }

    const fn schema(self, schema: &'static str) -> Self {
        Self { schema: Some(schema), ..self }
    }

    const fn without_schema(self) -> Self {
        Self { schema: None, ..self }
    }

    const fn token(self, column: &'static str) -> Self {
        Self { token: Some(column), ..self }
    }

    const fn token_kind(self, kind: &'static str) -> Self {
        Self { token_kind: Some(kind), ..self }
    }

    const fn user_column(self, column: &'static str) -> Self {
        Self { user: Some(column), ..self }
    }

    const fn user(self, column: &'static str, table: &'static str) -> Self {
        self.user_column(column).users(table)
    }

    const fn users(self, table: &'static str) -> Self {
        Self { users: Some(table), ..self }
    }

    const fn with(self, others: &'static [&'static str]) -> Self {
        Self { others, ..self }
    }

    const fn indexed(self) -> Self {
        Self { indexed: true, ..self }
    }

    const fn written_in(self, writer: Writer) -> Self {
        Self { writer, ..self }
    }

    const fn cookie(self, column: &'static str) -> Self {
        Self { cookie: Some(column), ..self }
    }

    const fn on(self, engine: Engine, kind: &'static str, encodings: &'static [&'static str]) -> Self {
        Self { engine, kind, encodings, ..self }
    }
}
