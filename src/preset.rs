//! Known session stores: where they keep sessions, and how they write the expiry. Data, not code.

use crate::db::{Encoding, Engine, Mode, TableName};
use crate::zone::Zone;

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
    /// What to know before its rows are deleted.
    pub caveat: Option<&'static str>,
    stores: &'static [Store],
}

#[derive(Debug, Clone, Copy)]
struct Store {
    engine: Engine,
    table: &'static str,
    expires_at: &'static str,
    encodings: &'static [&'static str],
    writer: Writer,
    token: &'static str,
    user: Option<&'static str>,
    users: Option<&'static str>,
}

/// In which zone the store writes times that carry none.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Writer {
    Utc,
    /// It depends on the installation: the configuration has to say. How to find out.
    Ask(&'static str),
}

const DJANGO_ZONE: &str = "\"UTC\" when the settings say USE_TZ = True, else the zone of TIME_ZONE";
const PRISMA_SQLITE: &[&str] = &["epoch-millis", "iso-text"];

/// Every preset, by name.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "authjs-prisma",
        title: "Auth.js (NextAuth) with the Prisma adapter",
        caveat: None,
        stores: &[
            with_users(
                store(Engine::Postgres, "Session", "expires", &["timestamp"], "sessionToken", Some("userId")),
                "User",
            ),
            with_users(
                store(Engine::MySql, "Session", "expires", &["timestamp"], "sessionToken", Some("userId")),
                "User",
            ),
            with_users(
                store(Engine::Sqlite, "Session", "expires", PRISMA_SQLITE, "sessionToken", Some("userId")),
                "User",
            ),
        ],
    },
    Preset {
        name: "authjs-drizzle",
        title: "Auth.js (NextAuth) with the Drizzle adapter",
        caveat: None,
        stores: &[
            with_users(
                store(Engine::Postgres, "session", "expires", &["timestamp"], "sessionToken", Some("userId")),
                "user",
            ),
            with_users(
                store(Engine::MySql, "session", "expires", &["timestamp"], "sessionToken", Some("userId")),
                "user",
            ),
            with_users(
                store(Engine::Sqlite, "session", "expires", &["epoch-millis"], "sessionToken", Some("userId")),
                "user",
            ),
        ],
    },
    Preset {
        name: "authjs-pg",
        title: "Auth.js (NextAuth) with the pg or Neon adapter",
        caveat: None,
        stores: &[with_users(
            store(Engine::Postgres, "sessions", "expires", &["timestamptz"], "sessionToken", Some("userId")),
            "users",
        )],
    },
    Preset {
        name: "connect-pg-simple",
        title: "connect-pg-simple, the PostgreSQL store of express-session",
        caveat: Some(
            "it writes local time of its database session: find it with `SHOW timezone` on the application's connection",
        ),
        stores: &[Store {
            writer: Writer::Ask("run `SHOW timezone` on a connection that the application opened"),
            ..store(Engine::Postgres, "session", "expire", &["timestamp"], "sid", None)
        }],
    },
    Preset {
        name: "django",
        title: "Django's database-backed sessions",
        caveat: Some(
            "the cached_db engine keeps a copy in its cache: deleting the row does not log out a cached session",
        ),
        stores: &[
            store(Engine::Postgres, "django_session", "expire_date", &["timestamptz"], "session_key", None),
            Store {
                writer: Writer::Ask(DJANGO_ZONE),
                ..store(Engine::MySql, "django_session", "expire_date", &["timestamp"], "session_key", None)
            },
            Store {
                writer: Writer::Ask(DJANGO_ZONE),
                ..store(Engine::Sqlite, "django_session", "expire_date", &["iso-text"], "session_key", None)
            },
        ],
    },
];

const fn store(
    engine: Engine,
    table: &'static str,
    expires_at: &'static str,
    encodings: &'static [&'static str],
    token: &'static str,
    user: Option<&'static str>,
) -> Store {
    Store { engine, table, expires_at, encodings, writer: Writer::Utc, token, user, users: None }
}

/// The store of a library that keeps the users too.
const fn with_users(store: Store, users: &'static str) -> Store {
    Store { users: Some(users), ..store }
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
}

impl Preset {
    /// The preset of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// Its layout on `engine`. `writer` is the zone that the configuration names, if it does.
    ///
    /// # Errors
    /// When the store does not exist on the engine, or the writer's zone has to be given.
    pub fn layout(&self, engine: Engine, writer: Option<&Zone>) -> Result<Layout, PresetError> {
        let store = self.stores.iter().find(|store| store.engine == engine);
        let store = store.ok_or(PresetError::Engine(self.name, engine))?;
        let zone = match (writer, store.writer) {
            (Some(zone), _) => zone.clone(),
            (None, Writer::Utc) => Zone::utc(),
            (None, Writer::Ask(how)) => return Err(PresetError::WriterZone(self.name, engine, how)),
        };
        let encodings = store.encodings.iter().filter_map(|name| Encoding::from_name(name, zone.clone()));
        Ok(Layout {
            table: TableName::unqualified(store.table),
            expires_at: store.expires_at.to_owned(),
            encodings: encodings.collect(),
            mode: Mode::Expires,
            token: Some(store.token.to_owned()),
            user: store.user.map(str::to_owned),
            users: store.users.map(str::to_owned),
        })
    }
}
