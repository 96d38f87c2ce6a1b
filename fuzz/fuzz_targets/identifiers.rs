//! Names are names again after they were quoted, and no part of a URL that may be secret is ever shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sweepd::db::{DatabaseUrl, Engine, TableName, identifier, quote, quote_table};

/// Stands for a password in the seeds.
const SECRET: &str = "hunter2hunter2";

fuzz_target!(|text: &str| {
    for engine in [Engine::Postgres, Engine::MySql, Engine::Sqlite] {
        check_name(engine, text);
    }
    check_url(text);
});

fn check_name(engine: Engine, text: &str) {
    let (schema, name) = text.split_once('\n').map_or((None, text), |(schema, name)| (Some(schema), name));
    let all_accepted = [schema, Some(name)].into_iter().flatten().all(|part| identifier(part).is_ok());
    if !all_accepted {
        return;
    }
    assert!((1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control));
    let (read, rest) = unquote(engine, &quote(engine, name));
    assert_eq!((read.as_str(), rest.as_str()), (name, ""));
    let table = TableName { schema: schema.map(str::to_owned), name: name.to_owned() };
    let quoted = quote_table(engine, &table);
    let (first, rest) = unquote(engine, &quoted);
    match schema {
        None => assert_eq!((first.as_str(), rest.as_str()), (name, "")),
        Some(schema) => {
            assert_eq!(first, schema);
            let rest = rest.strip_prefix('.').expect("a dot after the schema");
            assert_eq!(unquote(engine, rest), (name.to_owned(), String::new()));
        }
    }
}

/// Reads one quoted identifier as the database's own lexer does: its text, and what comes after it.
fn unquote(engine: Engine, sql: &str) -> (String, String) {
    let quote = if engine == Engine::MySql { '`' } else { '"' };
    let mut rest = sql.strip_prefix(quote).expect("an opening quote").chars();
    let mut name = String::new();
    while let Some(c) = rest.next() {
        if c != quote {
            name.push(c);
        } else if rest.as_str().starts_with(quote) {
            name.push(quote);
            rest.next();
        } else {
            return (name, rest.as_str().to_owned());
        }
    }
    panic!("{sql:?} has no closing quote");
}

fn check_url(text: &str) {
    match DatabaseUrl::parse(text) {
        Err(error) => {
            assert!(!holds_secret(&error.to_string(), text), "{text:?}: {error}");
            assert!(!holds_secret(&format!("{error:?}"), text), "{text:?}: {error:?}");
        }
        Ok(url) => {
            let again = DatabaseUrl::parse(&format!("  \"{}\"", text.trim()));
            if !text.trim().starts_with(['"', '\'']) {
                assert_eq!(again.map(|url| url.location()), Ok(url.location()), "quotes change what is meant");
            }
            let shown = format!("{url} {url:?} {:?} {:?}", url.options(), url.notes());
            assert!(!holds_secret(&shown, text), "{text:?}: {shown}");
            assert!(url.max_connections() != Some(0));
        }
    }
}

/// Whether something that is shown has the secret of a URL that has it where a user, a password or the value of a
/// parameter is, and nowhere else.
fn holds_secret(shown: &str, url: &str) -> bool {
    shown.contains(SECRET) && is_hidden(url)
}

fn is_hidden(url: &str) -> bool {
    // They say where the database is, which may be shown.
    const PLACES: [&str; 9] =
        ["host", "hostaddr", "port", "socket", "database", "dbname", "schema", "search_path", "options"];
    // For SQLite, all of it is a file.
    const SERVERS: [&str; 4] = ["postgresql", "postgres", "mysql", "mariadb"];
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let dialect =
        scheme.trim_start_matches(['"', '\'', ' ']).split('+').next().unwrap_or_default().to_ascii_lowercase();
    if !SERVERS.contains(&dialect.as_str()) {
        return false;
    }
    let (before, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let (user, place) = before.split_once('@').unwrap_or(("", before));
    // A database that is not named is called like the user.
    let names_database = place.split_once('/').is_some_and(|(_, database)| !database.is_empty());
    let named = user.split(':').next().unwrap_or_default().contains(SECRET) && !names_database;
    let (mut hidden, mut open) = (user.contains(SECRET), named || place.contains(SECRET));
    for parameter in parameters.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let is_place = PLACES.contains(&name.to_ascii_lowercase().as_str());
        open |= name.contains(SECRET) || (is_place && value.contains(SECRET));
        open |= name.eq_ignore_ascii_case("user") && !names_database;
        hidden |= value.contains(SECRET);
    }
    hidden && !open
}
