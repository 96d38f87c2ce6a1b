//! The stores: each client on each engine, and how sweepd is configured for it.

use sweepd::preset::Preset;
use sweepd::zone::Zone;

use super::Zones;
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
    /// How to get there while there is no such preset: table, expiry column, encoding, and the column that `write` returns.
    pub by_hand: Option<[&'static str; 4]>,
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
    case("authjs-prisma-tokens", Postgres, "prisma").with(TOKENS).table("VerificationToken", "expires", "timestamp", "token"),
    case("authjs-prisma-tokens", MySql, "prisma").with(TOKENS).table("VerificationToken", "expires", "timestamp", "token"),
    case("authjs-prisma-tokens", Sqlite, "prisma").with(TOKENS).table("VerificationToken", "expires", "iso-text", "token"),
    case("authjs-drizzle", Postgres, "authjs-drizzle"),
    case("authjs-drizzle", MySql, "authjs-drizzle").utc_only(),
    case("authjs-drizzle", Sqlite, "authjs-drizzle"),
    case("authjs-drizzle-tokens", Postgres, "authjs-drizzle").with(TOKENS).table("verificationToken", "expires", "timestamp", "token"),
    case("authjs-drizzle-tokens", MySql, "authjs-drizzle").with(TOKENS).table("verificationToken", "expires", "timestamp", "token").utc_only(),
    case("authjs-drizzle-tokens", Sqlite, "authjs-drizzle").with(TOKENS).table("verificationToken", "expires", "epoch-millis", "token"),
    case("authjs-pg", Postgres, "authjs-pg"),
    case("authjs-pg-tokens", Postgres, "authjs-pg").with(TOKENS).table("verification_token", "expires", "timestamptz", "token"),
    case("better-auth", Postgres, "better-auth").table("session", "expiresAt", "timestamptz", "token"),
    case("better-auth", MySql, "better-auth").written_in(Writer::Utc).table("session", "expiresAt", "timestamp", "token").utc_only(),
    case("better-auth", MySql, "better-auth").with(LOCAL).written_in(Writer::Process).table("session", "expiresAt", "timestamp", "token").utc_only(),
    case("better-auth", Sqlite, "better-auth").table("session", "expiresAt", "iso-text", "token"),
    case("better-auth-verification", Postgres, "better-auth").with(TOKENS).table("verification", "expiresAt", "timestamptz", "identifier"),
    case("better-auth-verification", MySql, "better-auth").with(TOKENS).written_in(Writer::Utc).table("verification", "expiresAt", "timestamp", "identifier").utc_only(),
    case("better-auth-verification", Sqlite, "better-auth").with(TOKENS).table("verification", "expiresAt", "iso-text", "identifier"),
    case("better-auth-drizzle", Postgres, "better-auth-drizzle").table("session", "expires_at", "timestamp", "token"),
    case("better-auth-drizzle", MySql, "better-auth-drizzle").table("session", "expires_at", "timestamp", "token").utc_only(),
    case("better-auth-drizzle", Sqlite, "better-auth-drizzle").table("session", "expires_at", "epoch-millis", "token"),
    case("better-auth-drizzle-verification", Postgres, "better-auth-drizzle").with(TOKENS).table("verification", "expires_at", "timestamp", "identifier"),
    case("better-auth-drizzle-verification", MySql, "better-auth-drizzle").with(TOKENS).table("verification", "expires_at", "timestamp", "identifier").utc_only(),
    case("better-auth-drizzle-verification", Sqlite, "better-auth-drizzle").with(TOKENS).table("verification", "expires_at", "epoch-millis", "identifier"),
    case("connect-pg-simple", Postgres, "connect-pg-simple").written_in(Writer::Connection),
    case("express-mysql-session", MySql, "express-mysql-session").table("sessions", "expires", "epoch-seconds", "session_id"),
    case("tower-sessions", Postgres, "tower-sessions").table("tower_sessions.session", "expiry_date", "timestamptz", "id"),
    case("tower-sessions", MySql, "tower-sessions").table("session", "expiry_date", "timestamptz", "id"),
    case("tower-sessions", Sqlite, "tower-sessions").table("tower_sessions", "expiry_date", "iso-text", "id"),
    case("django", Postgres, "django").with(USE_TZ),
    case("django", Postgres, "django").with(NO_TZ),
    case("django", MySql, "django").with(USE_TZ).written_in(Writer::Utc),
    case("django", MySql, "django").with(NO_TZ).written_in(Writer::Process),
    case("django", Sqlite, "django").with(USE_TZ).written_in(Writer::Utc),
    case("django", Sqlite, "django").with(NO_TZ).written_in(Writer::Process),
];

const TOKENS: &[(&str, &str)] = &[("ROWS", "tokens")];
const USE_TZ: &[(&str, &str)] = &[("USE_TZ", "True")];
/// What the driver does when nobody tells it the zone.
const LOCAL: &[(&str, &str)] = &[("MYSQL_TIMEZONE", "local")];
const NO_TZ: &[(&str, &str)] = &[("USE_TZ", "False")];

const fn case(preset: &'static str, engine: Engine, client: &'static str) -> Case {
    Case { preset, engine, client, environment: &[], writer: Writer::Known, utc_only: false, by_hand: None }
}

impl Case {
    const fn with(self, environment: &'static [(&'static str, &'static str)]) -> Self {
        Self { environment, ..self }
    }

    const fn written_in(self, writer: Writer) -> Self {
        Self { writer, ..self }
    }

    const fn utc_only(self) -> Self {
        Self { utc_only: true, ..self }
    }

    /// For a preset that does not exist yet.
    const fn table(
        self,
        table: &'static str,
        expires_at: &'static str,
        encoding: &'static str,
        token: &'static str,
    ) -> Self {
        Self { by_hand: Some([table, expires_at, encoding, token]), ..self }
    }

    /// How sweepd is told of the store in a database of that name.
    pub fn store(&self, zones: Zones, database: &str) -> Store {
        let writer = self.writer_timezone(zones);
        let (mut job, table, token) = self.layout(writer);
        let (schema, table) = table.split_once('.').map_or((None, &*table), |(schema, table)| (Some(schema), table));
        // A schema of MySQL is a database, and this one has a name of its own.
        let schema = schema.map(|schema| if self.engine == MySql { database } else { schema });
        for (key, value) in [("schema", schema), ("writer_timezone", writer)] {
            job.extend(value.map(|value| format!("{key} = {value:?}\n")));
        }
        let quote = if self.engine == MySql { '`' } else { '"' };
        let schema = schema.map(|schema| format!("{quote}{schema}{quote}.")).unwrap_or_default();
        Store { job, tokens: format!("SELECT {quote}{token}{quote} FROM {schema}{quote}{table}{quote}") }
    }

    /// The start of the job, the table and the token column.
    fn layout(&self, writer: Option<&str>) -> (String, String, String) {
        if let Some(preset) = Preset::find(self.preset) {
            let zone = Zone::parse(writer.unwrap_or("UTC")).expect("a zone");
            let layout = preset.layout(engine(self.engine), Some(&zone)).expect("a layout");
            let names: Vec<_> = layout.table.schema.into_iter().chain([layout.table.name]).collect();
            // A preset of tokens names no column that says whose session it is.
            let token = layout.token.or(self.by_hand.map(|[.., token]| token.to_owned())).expect("a token column");
            return (format!("preset = {:?}\n", self.preset), names.join("."), token);
        }
        let [table, expires_at, encoding, token] = self.by_hand.expect("a preset, or a layout by hand");
        let name = table.rsplit('.').next().expect("a name");
        let job = format!("table = {name:?}\nexpires_at = {expires_at:?}\nencoding = {encoding:?}\n");
        (job, table.to_owned(), token.to_owned())
    }

    fn writer_timezone(&self, zones: Zones) -> Option<&'static str> {
        match (self.writer, self.by_hand) {
            (Writer::Known, Some([_, _, "timestamp" | "iso-text", _])) | (Writer::Utc, _) => Some("UTC"),
            (Writer::Known, _) => None,
            (Writer::Process, _) => Some(zones.process),
            (Writer::Connection, _) => Some(zones.database),
        }
    }

    /// What tells it from the others of its engine.
    pub fn label(&self) -> String {
        let told = self.environment.iter().filter(|(name, _)| *name != "ROWS");
        let told: Vec<_> = told.map(|(name, value)| format!(" {name}={value}")).collect();
        format!("{}{}", self.preset, told.concat())
    }

    /// Whether sweepd says that it cannot know what the column means.
    pub fn is_refused(&self, zones: Zones) -> bool {
        self.utc_only && zones.database != "UTC"
    }
}

const fn engine(engine: Engine) -> sweepd::db::Engine {
    match engine {
        Postgres => sweepd::db::Engine::Postgres,
        MySql => sweepd::db::Engine::MySql,
        Sqlite => sweepd::db::Engine::Sqlite,
    }
}
