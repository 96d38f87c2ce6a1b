//! The stores of tower-sessions over sqlx: `tower-sessions-client create|write|judge|versions ...`, as in
//! `../protocol.mjs`.

use std::collections::HashMap;
use std::error::Error;
use std::io::stdin;

use serde_json::json;
use sqlx::{MySqlPool, PgPool, SqlitePool};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_sqlx_store::{MySqlStore, PostgresStore, SqliteStore};

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let url = std::env::var("DATABASE_URL")?;
    let commands: Vec<String> = std::env::args().skip(1).collect();
    let create = commands.iter().any(|command| command == "create");
    // Only `migrate` is not part of what all stores have in common.
    match url.split(':').next() {
        Some("postgresql") => {
            let store = PostgresStore::new(PgPool::connect(&url).await?);
            if create {
                store.migrate().await?;
            }
            run(&store, &commands).await
        }
        Some("mysql") => {
            // The default is a database of its own, which not every user may create.
            let database = url.rsplit('/').next().unwrap_or_default();
            let store = MySqlStore::new(MySqlPool::connect(&url).await?).with_schema_name(database)?;
            if create {
                store.migrate().await?;
            }
            run(&store, &commands).await
        }
        _ => {
            let store = SqliteStore::new(SqlitePool::connect(&url).await?);
            if create {
                store.migrate().await?;
            }
            run(&store, &commands).await
        }
    }
}

async fn run(store: &impl SessionStore, commands: &[String]) -> Outcome {
    for command in commands {
        match command.as_str() {
            "write" => write(store).await?,
            "judge" => judge(store).await?,
            "versions" => println!("{}", json!({"tower-sessions-sqlx-store": "0.15.0"})),
            _ => {}
        }
    }
    Ok(())
}

async fn write(store: &impl SessionStore) -> Outcome {
    let now = OffsetDateTime::now_utc();
    for (kind, ahead) in expiries() {
        let mut record = Record { id: Id::default(), data: HashMap::new(), expiry_date: now + ahead };
        store.create(&mut record).await?;
        let expires = record.expiry_date.format(&Rfc3339)?;
        println!("{}", json!({"token": record.id.to_string(), "expires": expires, "kind": kind}));
    }
    Ok(())
}

/// Each hour of a day, so that a zone that is taken for another one shows in some of them.
fn expiries() -> Vec<(&'static str, Duration)> {
    let mut expiries = vec![
        ("long-expired", Duration::days(-400)),
        ("long-expired", Duration::days(-8)),
        ("just-expired", Duration::seconds(-1)),
        ("soon", Duration::minutes(3)),
        ("live", Duration::days(7)),
        ("live", Duration::days(30)),
    ];
    expiries.extend((1..=24).map(|hours| ("expired", Duration::hours(-hours))));
    expiries.extend((1..=24).map(|hours| ("live", Duration::hours(hours))));
    expiries
}

async fn judge(store: &impl SessionStore) -> Outcome {
    for token in stdin().lines() {
        let token = token?;
        let accepted = store.load(&token.parse()?).await?.is_some();
        println!("{}", json!({"token": token, "accepted": accepted}));
    }
    Ok(())
}
