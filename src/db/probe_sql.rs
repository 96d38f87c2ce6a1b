//! The statements of probes: how busy a database is, and how far its replicas are behind.

use super::{Engine, Statement, Version};

/// Selects what a query of the user's gives, as text. It runs in a transaction that only reads.
#[must_use]
pub fn load(engine: Engine, query: &str) -> Statement {
    let kind = if engine == Engine::MySql { "CHAR" } else { "text" };
    let query = query.trim().trim_end_matches(';');
    Statement::text(engine, &format!("SELECT CAST(({query}) AS {kind})"))
}

/// Selects how many replicas this role may not look at, and how many milliseconds the last of the others is behind
/// (`PostgreSQL`).
#[must_use]
pub fn replicas() -> Statement {
    Statement::text(
        Engine::Postgres,
        "SELECT count(*) FILTER (WHERE state IS NULL), \
         coalesce(floor(max(extract(epoch FROM replay_lag)) * 1000), 0)::bigint FROM pg_stat_replication",
    )
}

/// Asks a replica how far it is behind: on `PostgreSQL` milliseconds, on `MySQL` a row with a
/// column `Seconds_Behind_...`. No row when it is no replica.
#[must_use]
pub fn behind(engine: Engine, version: &Version) -> Statement {
    Statement::text(
        engine,
        match engine {
            Engine::Postgres => {
                "SELECT CASE WHEN EXISTS (SELECT 1 FROM pg_stat_wal_receiver) \
                 AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0 \
                 ELSE floor(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::bigint END \
                 WHERE pg_is_in_recovery()"
            }
            Engine::MySql if version.mariadb => "SHOW SLAVE STATUS",
            Engine::MySql => "SHOW REPLICA STATUS",
            Engine::Sqlite => "SELECT 0",
        },
    )
}
