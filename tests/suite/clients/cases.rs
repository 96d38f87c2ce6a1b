//! The stores: each client on each engine, and how sweepd is configured for it.

use sweepd::db::Encoding;
use sweepd::preset::Preset;

use super::Zones;
use crate::oneshot::quoted;
use crate::presets::engine_of;
use crate::servers::Engine::{self, MySql, Postgres, Sqlite};

/// A library that writes sessions on an engine.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub preset: &'static str,
    pub engine: Engine,
    /// The directory in `tests/clients`.
    pub client: &'static str,
    /// What the client needs to know beyond the database and its zones.
    pub environment: &'static [(&'static str, &'static str)],
    pub writer: Writer,
    /// Whether its column is a TIMESTAMP of MySQL that holds other times than it says where the server is not in UTC.
    pub utc_only: bool,
    /// The column that `write` returns, where the preset names no token.
    pub token: Option<&'static str>,
}

/// What `writer_timezone` has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// Nothing: the preset knows.
    Known,
    Utc,
    /// The zone of the library's process.
    Process,
    /// The zone of its database connection.
    Connection,
}

/// How sweepd is told of a store, and how its tokens are read.
pub struct Store {
    pub job: String,
    pub tokens: String,
}

/// All of them. Another preset is another line here, once its client is in `tests/clients`.
#[rustfmt::skip]
pub const CASES: &[Case] = &[
    case("authjs-prisma", Postgres, "prisma"),
    case("authjs-prisma", MySql, "prisma"),
    case("authjs-prisma", Sqlite, "prisma"),
    case("authjs-prisma", Sqlite, "prisma").with(&[("TIMESTAMP_FORMAT", "unixepoch-ms")]),
    case("authjs-prisma-tokens", Postgres, "prisma").tokens("token"),
    case("authjs-prisma-tokens", MySql, "prisma").tokens("token"),
    case("authjs-prisma-tokens", Sqlite, "prisma").tokens("token"),
    case("authjs-drizzle", Postgres, "authjs-drizzle"),
    case("authjs-drizzle", MySql, "authjs-drizzle").utc_only(),
    case("authjs-drizzle", Sqlite, "authjs-drizzle"),
    case("authjs-drizzle-tokens", Postgres, "authjs-drizzle").tokens("token"),
    case("authjs-drizzle-tokens", MySql, "authjs-drizzle").tokens("token").utc_only(),
    case("authjs-drizzle-tokens", Sqlite, "authjs-drizzle").tokens("token"),
    case("authjs-pg", Postgres, "authjs-pg"),
    case("authjs-pg-tokens", Postgres, "authjs-pg").tokens("token"),
    case("better-auth", Postgres, "better-auth"),
    case("better-auth", MySql, "better-auth").written_in(Writer::Utc).utc_only(),
    case("better-auth", MySql, "better-auth").with(LOCAL).written_in(Writer::Process).utc_only(),
    case("better-auth", Sqlite, "better-auth"),
    case("better-auth-verification", Postgres, "better-auth").tokens("identifier"),
    case("better-auth-verification", MySql, "better-auth").tokens("identifier").written_in(Writer::Utc).utc_only(),
    case("better-auth-verification", Sqlite, "better-auth").tokens("identifier"),
    case("better-auth-drizzle", Postgres, "better-auth-drizzle"),
    case("better-auth-drizzle", MySql, "better-auth-drizzle").utc_only(),
    case("better-auth-drizzle", Sqlite, "better-auth-drizzle"),
    case("better-auth-drizzle-verification", Postgres, "better-auth-drizzle").tokens("identifier"),
    case("better-auth-drizzle-verification", MySql, "better-auth-drizzle").tokens("identifier").utc_only(),
    case("better-auth-drizzle-verification", Sqlite, "better-auth-drizzle").tokens("identifier"),
    case("connect-pg-simple", Postgres, "connect-pg-simple").written_in(Writer::Connection),
    case("express-mysql-session", MySql, "express-mysql-session"),
    case("tower-sessions", Postgres, "tower-sessions"),
    case("tower-sessions", MySql, "tower-sessions"),
    case("tower-sessions", Sqlite, "tower-sessions"),
    case("django", Postgres, "django").with(USE_TZ),
    case("django", Postgres, "django").with(NO_TZ),
    case("django", MySql, "django").with(USE_TZ).written_in(Writer::Utc),
    case("django", MySql, "django").with(NO_TZ).written_in(Writer::Process),
    case("django", Sqlite, "django").with(USE_TZ).written_in(Writer::Utc),
    case("django", Sqlite, "django").with(NO_TZ).written_in(Writer::Process),
];

const TOKENS: &[(&str, &str)] = &[("ROWS", "tokens")];
const USE_TZ: &[(&str, &str)] = &[("USE_TZ", "True")];
const NO_TZ: &[(&str, &str)] = &[("USE_TZ", "False")];
/// What the driver does when nobody tells it the zone.
const LOCAL: &[(&str, &str)] = &[("MYSQL_TIMEZONE", "local")];

const fn case(preset: &'static str, engine: Engine, client: &'static str) -> Case {
    Case { preset, engine, client, environment: &[], writer: Writer::Known, utc_only: false, token: None }
}

impl Case {
    const fn with(self, environment: &'static [(&'static str, &'static str)]) -> Self {
        Self { environment, ..self }
    }

    /// What is sent to people, and not sessions.
    const fn tokens(self, column: &'static str) -> Self {
        Self { token: Some(column), ..self.with(TOKENS) }
    }

    const fn written_in(self, writer: Writer) -> Self {
        Self { writer, ..self }
    }

    const fn utc_only(self) -> Self {
        Self { utc_only: true, ..self }
    }

    /// How sweepd is told of the store in a database of that name.
    pub fn store(&self, zones: Zones, database: &str) -> Store {
        let preset = Preset::find(self.preset).expect("a preset");
        let store = preset.store(engine_of(self.engine)).expect("a store");
        let mut job = format!("preset = {:?}\n", self.preset);
        // A schema of MySQL is a database, and this one has a name of its own.
        let schema = store.schema.map(|schema| if self.engine == MySql { database } else { schema });
        for (key, value) in [("schema", schema), ("writer_timezone", self.writer_timezone(zones))] {
            job.extend(value.map(|value| format!("{key} = {value:?}\n")));
        }
        let token = store.token.or(self.token).expect("a token column");
        let schema = schema.map(|schema| quoted(self.engine, schema) + ".").unwrap_or_default();
        let (token, table) = (quoted(self.engine, token), quoted(self.engine, store.table));
        Store { job, tokens: format!("SELECT {token} FROM {schema}{table}") }
    }

    fn writer_timezone(&self, zones: Zones) -> Option<&'static str> {
        match self.writer {
            Writer::Known => None,
            Writer::Utc => Some("UTC"),
            Writer::Process => Some(zones.process),
            Writer::Connection => Some(zones.database),
        }
    }

    /// What tells it from the others of its engine.
    pub fn label(&self) -> String {
        let told = self.environment.iter().filter(|(name, _)| *name != "ROWS");
        let told: Vec<_> = told.map(|(name, value)| format!(" {name}={value}")).collect();
        format!("{}{}", self.preset, told.concat())
    }

    /// Whether its sessions' times have no zone. The same code writes a library's other tokens.
    pub fn is_naive(&self) -> bool {
        let store = Preset::find(self.preset).and_then(|preset| preset.store(engine_of(self.engine))).expect("a store");
        self.token.is_none() && store.encodings.iter().any(|name| Encoding::needs_zone(name))
    }

    /// Whether sweepd says that it cannot know what the column means.
    pub fn is_refused(&self, zones: Zones) -> bool {
        self.utc_only && zones.database != "UTC"
    }
}
