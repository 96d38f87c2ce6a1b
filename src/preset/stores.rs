//! Every known session store: one entry for each, and below it the databases that it exists on.
//!
//! To add one: an entry here, its tables in `tests/cases/stores/`, and a line in the table of `docs/`. Where its library can
//! be had, a client in `tests/clients` and a case in `tests/suite/clients/cases.rs` make it `Verified::Conformance`.

use super::{Preset, Store, Verified, Writer};
use crate::db::Engine::{MySql, Postgres, Sqlite};

const INSTANT: &[&str] = &["timestamptz"];
const WALL_CLOCK: &[&str] = &["timestamp"];
const SECONDS: &[&str] = &["epoch-seconds"];
const MILLIS: &[&str] = &["epoch-millis"];
const MILLIS_TEXT: &[&str] = &["epoch-millis-text"];
const ISO: &[&str] = &["iso-text"];
const JULIAN: &[&str] = &["julian-day"];
/// Drizzle's `timestamp` mode, which Better Auth generated before it took to `timestamp_ms`, writes seconds.
const MILLIS_OR_SECONDS: &[&str] = &["epoch-millis", "epoch-seconds"];
/// Prisma's own engine writes numbers on `SQLite`, and its driver adapters text.
const PRISMA: &[&str] = &["epoch-millis", "iso-text"];

const PG_INSTANT: &str = "timestamp with time zone";
const PG_WALL_CLOCK: &str = "timestamp without time zone";
const PG_PRISMA: &str = "timestamp(3) without time zone";

const ASK_PG_SESSION: Writer = Writer::Ask("run `SHOW timezone` on a connection that the application opened");
const ASK_DJANGO: Writer =
    Writer::Ask("\"UTC\" when Django's settings say USE_TZ = True (so since Django 5.0), else the zone of TIME_ZONE");
const ASK_MYSQL2: Writer = Writer::Ask(
    "\"UTC\" when the mysql2 pool is created with `timezone: \"Z\"`, else the zone of the Node process: its TZ, or `date +%Z` there",
);

/// A macro, because texts that are constants cannot be joined.
macro_rules! timestamp {
    () => {
        "on MySQL the column is a TIMESTAMP, which is right only where the server's zone is UTC: elsewhere sweepd refuses, and says what to look at"
    };
}
macro_rules! cookie_cache {
    () => {
        "with `session.cookieCache` a deleted session lives on in its cookie for minutes; with a secondary storage (Redis) it lives on there"
    };
}
const TIMESTAMP: &str = timestamp!();
const COOKIE_CACHE: &str = cookie_cache!();
const COOKIE_CACHE_AND_TIMESTAMP: &str = concat!(cookie_cache!(), "; ", timestamp!());

/// The tables of `Auth.js` under both of Prisma's names.
const AUTHJS: Store = Store::new("Session", "expires").token("sessionToken").user("userId", "User");
const AUTHJS_TOKENS: Store = Store::new("VerificationToken", "expires").with(&["identifier", "token"]);
const BETTER_AUTH: Store =
    Store::new("session", "expiresAt").token("token").user("userId", "user").with(&["id", "ipAddress", "userAgent"]);
const BETTER_AUTH_TOKENS: Store = Store::new("verification", "expiresAt").with(&["id", "identifier", "value"]);
const BETTER_AUTH_DRIZZLE: Store = Store::new("session", "expires_at").token("token").user("user_id", "user").with(&[
    "id",
    "ip_address",
    "user_agent",
]);
const BETTER_AUTH_DRIZZLE_TOKENS: Store = Store::new("verification", "expires_at").with(&["id", "identifier", "value"]);
const TOWER: Store = Store::new("session", "expiry_date").schema("tower_sessions").token("id").with(&["data"]);
const LUCIA: Store = Store::new("user_session", "expires_at").token("id").user_column("user_id");
const LARAVEL: Store = Store::new("sessions", "last_activity")
    .token("id")
    .user("user_id", "users")
    .with(&["payload", "ip_address", "user_agent"])
    .indexed();
const RAILS: Store =
    Store::new("sessions", "updated_at").token("session_id").with(&["id", "data", "created_at"]).indexed();
const DJANGO: Store =
    Store::new("django_session", "expire_date").token("session_key").with(&["session_data"]).indexed();
const SCS: Store = Store::new("sessions", "expiry").token("token").with(&["data"]).indexed();
const SYMFONY: Store =
    Store::new("sessions", "sess_lifetime").token("sess_id").with(&["sess_data", "sess_time"]).indexed();
const KRATOS: Store = Store::new("sessions", "expires_at").token("token").user("identity_id", "identities").with(&[
    "id",
    "nid",
    "active",
    "authenticated_at",
]);

/// Every preset; those of a library together.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "authjs-prisma",
        title: "Auth.js (NextAuth) with the Prisma adapter",
        verified: Verified::Conformance,
        stores: &[
            AUTHJS.on(Postgres, PG_PRISMA, WALL_CLOCK),
            // Auth.js's Kysely adapter has the same table, and may write local time.
            AUTHJS.token_kind("varchar(191)").on(MySql, "datetime(3)", WALL_CLOCK),
            AUTHJS.on(Sqlite, "datetime", PRISMA),
        ],
        ..Preset::SESSIONS
    },
    Preset {
        name: "authjs-prisma-tokens",
        title: "Auth.js verification tokens (sign-in by e-mail) with the Prisma adapter",
        verified: Verified::Conformance,
        stores: &[
            AUTHJS_TOKENS.on(Postgres, PG_PRISMA, WALL_CLOCK),
            AUTHJS_TOKENS.on(MySql, "datetime(3)", WALL_CLOCK),
            AUTHJS_TOKENS.on(Sqlite, "datetime", PRISMA),
        ],
        ..Preset::TOKENS
    },
    Preset {
        name: "authjs-drizzle",
        title: "Auth.js (NextAuth) with the Drizzle adapter",
        verified: Verified::Conformance,
        caveat: Some(TIMESTAMP),
        stores: &[
            AUTHJS.named("session").users("user").on(Postgres, PG_WALL_CLOCK, WALL_CLOCK),
            AUTHJS.named("session").users("user").on(MySql, "timestamp", WALL_CLOCK),
            AUTHJS.named("session").users("user").on(Sqlite, "integer", MILLIS),
        ],
        ..Preset::SESSIONS
    },
    Preset {
        name: "authjs-drizzle-tokens",
        title: "Auth.js verification tokens (sign-in by e-mail) with the Drizzle adapter",
        verified: Verified::Conformance,
        caveat: Some(TIMESTAMP),
        stores: &[
            AUTHJS_TOKENS.named("verificationToken").on(Postgres, PG_WALL_CLOCK, WALL_CLOCK),
            AUTHJS_TOKENS.named("verificationToken").on(MySql, "timestamp", WALL_CLOCK),
            AUTHJS_TOKENS.named("verificationToken").on(Sqlite, "integer", MILLIS),
        ],
        ..Preset::TOKENS
    },
    Preset {
        name: "authjs-pg",
        title: "Auth.js (NextAuth) with the pg or Neon adapter",
        verified: Verified::Conformance,
        stores: &[AUTHJS.named("sessions").users("users").with(&["id"]).on(Postgres, PG_INSTANT, INSTANT)],
        ..Preset::SESSIONS
    },
    Preset {
        name: "authjs-pg-tokens",
        title: "Auth.js verification tokens (sign-in by e-mail) with the pg or Neon adapter",
        verified: Verified::Conformance,
        stores: &[AUTHJS_TOKENS.named("verification_token").on(Postgres, PG_INSTANT, INSTANT)],
        ..Preset::TOKENS
    },
    Preset {
        name: "authjs-supabase",
        title: "Auth.js (NextAuth) with the Supabase adapter",
        stores: &[AUTHJS
            .named("sessions")
            .schema("next_auth")
            .users("users")
            .with(&["id"])
            .on(Postgres, PG_INSTANT, INSTANT)],
        ..Preset::SESSIONS
    },
    Preset {
        name: "authjs-supabase-tokens",
        title: "Auth.js verification tokens (sign-in by e-mail) with the Supabase adapter",
        stores: &[AUTHJS_TOKENS.named("verification_tokens").schema("next_auth").on(Postgres, PG_INSTANT, INSTANT)],
        ..Preset::TOKENS
    },
    Preset {
        name: "authjs-typeorm",
        title: "Auth.js (NextAuth) with the TypeORM adapter",
        caveat: Some(
            "the expiry is a number in text, so no index on it helps: every sweep and every dry run reads the table",
        ),
        stores: &[
            AUTHJS.named("sessions").users("users").with(&["id"]).on(Postgres, "character varying", MILLIS_TEXT),
            AUTHJS.named("sessions").users("users").with(&["id"]).on(MySql, "varchar", MILLIS_TEXT),
            AUTHJS.named("sessions").users("users").with(&["id"]).on(Sqlite, "varchar", MILLIS_TEXT),
        ],
        ..Preset::SESSIONS
    },
    Preset {
        name: "better-auth",
        title: "Better Auth on a database of its own (Kysely)",
        verified: Verified::Conformance,
        caveat: Some(COOKIE_CACHE_AND_TIMESTAMP),
        stores: &[
            BETTER_AUTH.on(Postgres, PG_INSTANT, INSTANT),
            BETTER_AUTH.written_in(ASK_MYSQL2).on(MySql, "timestamp(3)", WALL_CLOCK),
            BETTER_AUTH.on(Sqlite, "date", ISO),
        ],
        ..Preset::SESSIONS
    },
    Preset {
        name: "better-auth-verification",
        title: "Better Auth verification values on a database of its own (Kysely)",
        verified: Verified::Conformance,
        caveat: Some(TIMESTAMP),
        stores: &[
            BETTER_AUTH_TOKENS.on(Postgres, PG_INSTANT, INSTANT),
            BETTER_AUTH_TOKENS.written_in(ASK_MYSQL2).on(MySql, "timestamp(3)", WALL_CLOCK),
            BETTER_AUTH_TOKENS.on(Sqlite, "date", ISO),
        ],
        ..Preset::TOKENS
    },
    Preset {
        name: "better-auth-drizzle",
        title: "Better Auth with the Drizzle adapter",
        verified: Verified::Conformance,
        caveat: Some(COOKIE_CACHE_AND_TIMESTAMP),
        stores: &[
            BETTER_AUTH_DRIZZLE.on(Postgres, PG_WALL_CLOCK, WALL_CLOCK),
            BETTER_AUTH_DRIZZLE.on(MySql, "timestamp(3)", WALL_CLOCK),
            BETTER_AUTH_DRIZZLE.on(Sqlite, "integer", MILLIS_OR_SECONDS),
        ],
        ..Preset::SESSIONS
    },
    Preset {
        name: "better-auth-drizzle-verification",
        title: "Better Auth verification values with the Drizzle adapter",
        verified: Verified::Conformance,
        caveat: Some(TIMESTAMP),
        stores: &[
            BETTER_AUTH_DRIZZLE_TOKENS.on(Postgres, PG_WALL_CLOCK, WALL_CLOCK),
            BETTER_AUTH_DRIZZLE_TOKENS.on(MySql, "timestamp(3)", WALL_CLOCK),
            BETTER_AUTH_DRIZZLE_TOKENS.on(Sqlite, "integer", MILLIS_OR_SECONDS),
        ],
        ..Preset::TOKENS
    },
    Preset {
        name: "better-auth-prisma",
        title: "Better Auth with the Prisma adapter",
        caveat: Some(COOKIE_CACHE),
        stores: &[
            BETTER_AUTH.on(Postgres, PG_PRISMA, WALL_CLOCK),
            BETTER_AUTH.on(MySql, "datetime(3)", WALL_CLOCK),
            BETTER_AUTH.on(Sqlite, "datetime", PRISMA),
        ],
        ..Preset::SESSIONS
    },
    Preset {
        name: "better-auth-prisma-verification",
        title: "Better Auth verification values with the Prisma adapter",
        stores: &[
            BETTER_AUTH_TOKENS.on(Postgres, PG_PRISMA, WALL_CLOCK),
            BETTER_AUTH_TOKENS.on(MySql, "datetime(3)", WALL_CLOCK),
            BETTER_AUTH_TOKENS.on(Sqlite, "datetime", PRISMA),
        ],
        ..Preset::TOKENS
    },
    Preset {
        name: "connect-pg-simple",
        title: "connect-pg-simple, the PostgreSQL store of express-session",
        verified: Verified::Conformance,
        caveat: Some(
            "it writes local time of its database session, which is that of the server, the database or the role, and not of the Node process; this store has no user column",
        ),
        stores: &[Store::new("session", "expire")
            .token("sid")
            .with(&["sess"])
            .indexed()
            .written_in(ASK_PG_SESSION)
            .cookie("sess")
            .on(Postgres, PG_WALL_CLOCK, WALL_CLOCK)],
        ..Preset::SESSIONS
    },
    Preset {
        name: "express-mysql-session",
        title: "express-mysql-session, the MySQL store of express-session",
        verified: Verified::Conformance,
        caveat: Some(
            "the store clears expired rows itself unless `clearExpired` is false, every 15 minutes with one DELETE; this store has no user column",
        ),
        stores: &[Store::new("sessions", "expires").token("session_id").with(&["data"]).on(MySql, "int", SECONDS)],
        ..Preset::SESSIONS
    },
    Preset {
        name: "django",
        title: "Django's database-backed sessions",
        verified: Verified::Conformance,
        caveat: Some(
            "the cached_db engine keeps a copy in its cache: deleting the row does not log out a cached session; this store has no user column",
        ),
        stores: &[
            DJANGO.on(Postgres, PG_INSTANT, INSTANT),
            DJANGO.written_in(ASK_DJANGO).on(MySql, "datetime", WALL_CLOCK),
            DJANGO.written_in(ASK_DJANGO).on(Sqlite, "datetime", ISO),
        ],
        ..Preset::SESSIONS
    },
    Preset {
        name: "laravel",
        title: "Laravel's database sessions",
        lifetime: Some(
            "the minutes of SESSION_LIFETIME in .env, or `lifetime` in config/session.php: \"2h\" where neither was changed; too short a lifetime logs people out",
        ),
        stores: &[
            LARAVEL.on(Postgres, "integer", SECONDS),
            LARAVEL.on(MySql, "int", SECONDS),
            LARAVEL.on(Sqlite, "integer", SECONDS),
        ],
        ..Preset::SESSIONS
    },
    Preset {
        name: "rails",
        title: "Rails with activerecord-session_store",
        lifetime: Some(
            "how long a session may lie unused: `expire_after` of the session store, or at least what `rake db:sessions:trim` keeps, \"30d\" by default; too short a lifetime logs people out",
        ),
        caveat: Some(
            "times are in UTC unless `active_record.default_timezone` is `:local`: then give `writer_timezone`; this store has no user column",
        ),
        stores: &[
            RAILS.on(Postgres, PG_WALL_CLOCK, WALL_CLOCK),
            RAILS.on(MySql, "datetime", WALL_CLOCK),
            RAILS.on(Sqlite, "datetime", ISO),
        ],
        ..Preset::SESSIONS
    },
    Preset {
        name: "tower-sessions",
        title: "tower-sessions (Rust) with its SQL stores",
        verified: Verified::Conformance,
        caveat: Some(
            "its CachingSessionStore keeps a copy in memory: deleting the row does not log out a cached session; this store has no user column",
        ),
        stores: &[
            TOWER.on(Postgres, PG_INSTANT, INSTANT),
            TOWER.on(MySql, "timestamp", INSTANT),
            TOWER.named("tower_sessions").without_schema().on(Sqlite, "integer", ISO),
        ],
        ..Preset::SESSIONS
    },
    Preset {
        name: "lucia",
        title: "Lucia v3, with the tables of its documentation",
        caveat: Some("Lucia leaves the names of tables to you: give `table` where yours has another"),
        stores: &[
            LUCIA.on(Postgres, PG_INSTANT, INSTANT),
            LUCIA.written_in(ASK_MYSQL2).on(MySql, "datetime", WALL_CLOCK),
            LUCIA.named("session").on(Sqlite, "integer", SECONDS),
        ],
        ..Preset::SESSIONS
    },
    Preset {
        name: "supabase-auth",
        title: "Supabase Auth (GoTrue) sessions with a time-box",
        cleans_itself: true,
        caveat: Some(
            "only sessions with a `not_after` ever expire, and Supabase Auth deletes those itself after 72 h: `keep = \"72h\"` leaves them to it; refresh tokens go with their session, while an access token that was issued already is valid until it expires",
        ),
        stores: &[Store::new("sessions", "not_after")
            .schema("auth")
            .user("user_id", "users")
            .with(&["id", "factor_id", "aal"])
            .indexed()
            .on(Postgres, PG_INSTANT, INSTANT)],
        ..Preset::SESSIONS
    },
    Preset {
        name: "ory-kratos",
        title: "Ory Kratos sessions",
        caveat: Some(
            "devices go with their session; the index of Kratos begins with `nid`, so a sweep does not use it; `kratos cleanup sql` does the same",
        ),
        stores: &[KRATOS.on(Postgres, PG_WALL_CLOCK, WALL_CLOCK), KRATOS.on(MySql, "datetime", WALL_CLOCK)],
        ..Preset::SESSIONS
    },
    Preset {
        name: "spring-session",
        title: "Spring Session JDBC",
        caveat: Some(
            "attributes go with their session; Spring deletes expired sessions itself, every minute, unless its clean-up is turned off; the user column holds a name, not an id",
        ),
        stores: &[
            Store::new("spring_session", "expiry_time")
                .token("session_id")
                .user_column("principal_name")
                .with(&["primary_id", "max_inactive_interval"])
                .indexed()
                .on(Postgres, "bigint", MILLIS),
            Store::new("SPRING_SESSION", "EXPIRY_TIME")
                .token("SESSION_ID")
                .user_column("PRINCIPAL_NAME")
                .with(&["PRIMARY_ID", "MAX_INACTIVE_INTERVAL"])
                .indexed()
                .on(MySql, "bigint", MILLIS),
            Store::new("SPRING_SESSION", "EXPIRY_TIME")
                .token("SESSION_ID")
                .user_column("PRINCIPAL_NAME")
                .with(&["PRIMARY_ID", "MAX_INACTIVE_INTERVAL"])
                .indexed()
                .on(Sqlite, "integer", MILLIS),
        ],
        ..Preset::SESSIONS
    },
    Preset {
        name: "scs",
        title: "scs (Go) with its SQL stores",
        caveat: Some(
            "its stores delete expired rows themselves every five minutes, unless their clean-up is turned off; this store has no user column",
        ),
        stores: &[
            SCS.on(Postgres, PG_INSTANT, INSTANT),
            SCS.on(MySql, "timestamp", WALL_CLOCK),
            SCS.on(Sqlite, "real", JULIAN),
        ],
        ..Preset::SESSIONS
    },
    Preset {
        name: "symfony",
        title: "Symfony's PdoSessionHandler, since Symfony 4.4",
        caveat: Some(
            "older versions wrote a length instead of an end into `sess_lifetime`: such rows read as 1970 and stay; this store has no user column",
        ),
        stores: &[
            SYMFONY.on(Postgres, "integer", SECONDS),
            SYMFONY.on(MySql, "int", SECONDS),
            SYMFONY.on(Sqlite, "integer", SECONDS),
        ],
        ..Preset::SESSIONS
    },
];
