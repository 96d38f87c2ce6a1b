//! A configuration is refused with reasons or valid all through, always the same, and it never shows a secret.
//!
//! An input is a file; after a line `---` come environment variables.
#![no_main]

use std::path::Path;

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use sweepd::config::{Config, Environment};
use sweepd::db::identifier;
use sweepd::schedule::Schedule;

/// Stands for a password in the seeds.
const SECRET: &str = "hunter2hunter2";

fuzz_target!(|input: &str| {
    // Files of the machine are not part of the input.
    if input.contains("_file") || input.contains("_FILE") || input.contains("tls") || input.contains("TLS") {
        return;
    }
    let (text, variables) = input.split_once("\n---\n").unwrap_or((input, ""));
    let environment: Environment = variables.lines().filter_map(|line| line.split_once('=')).collect();
    let read = || Config::from_text(Path::new("sweepd.toml"), text, &environment);
    match read() {
        Ok(config) => check(&config, input),
        Err(errors) => {
            let shown = errors.to_string();
            assert!(errors.count() > 0 && !shown.is_empty());
            assert!(!leaks(&shown, input), "{shown}");
            assert_eq!(read().map_err(|errors| errors.to_string()).err(), Some(shown), "not the same twice");
        }
    }
});

fn check(config: &Config, input: &str) {
    let effective = config.effective();
    assert!(!leaks(&effective, input), "{effective}");
    assert!(!leaks(&format!("{config:?}"), input), "{config:?}");
    assert!(!leaks(&config.warnings.join("\n"), input), "{:?}", config.warnings);
    assert!(toml::from_str::<toml::Table>(&effective).is_ok(), "{effective}");
    for job in &config.jobs {
        let again = Schedule::parse(job.schedule.canonical(), job.schedule.zone().clone());
        assert_eq!(again.as_ref(), Ok(&job.schedule));
        let table = &job.spec.layout.table;
        assert!(identifier(&table.name).is_ok(), "{table:?}");
        assert!(table.schema.as_deref().is_none_or(|schema| identifier(schema).is_ok()), "{table:?}");
        assert!(job.delay("host") <= job.jitter, "{job:?}");
    }
    let _ = config.never_fires(DateTime::UNIX_EPOCH);
    if !effective.contains("***") && !config.guessed {
        let again = Config::from_text(Path::new("sweepd.toml"), &effective, &Environment::default());
        let table = |text: &str| toml::from_str::<toml::Table>(text).ok();
        let again = again.unwrap_or_else(|errors| panic!("{errors}\n{effective}"));
        assert_eq!(table(&again.effective()), table(&effective), "what is in effect is another configuration");
    }
}

/// Whether what is shown has the secret although it is only written where a secret belongs.
fn leaks(shown: &str, input: &str) -> bool {
    // In a multi-line string, a line is not what it looks like.
    let multi_line = input.contains("\"\"\"") || input.contains("'''");
    let all_in_place = input.lines().filter(|line| line.contains(SECRET)).all(in_place);
    shown.contains(SECRET) && all_in_place && !multi_line
}

fn in_place(line: &str) -> bool {
    const SECRET_KEYS: [&str; 4] = ["url", "secret", "previous_secret", "read_secret"];
    let Some((key, value)) = line.split_once('=') else { return false };
    let (key, value) = (key.trim(), value.trim());
    let variable = ["DATABASE_URL", "CRON_SECRET", "SWEEPD_DATABASE__URL", "SWEEPD_HTTP__SECRET"].contains(&key);
    // A value that is no plain string may be the beginning of anything.
    let plain = value.len() > 1 && value.starts_with('"') && value.ends_with('"') && value.matches('"').count() == 2;
    let is_secret = variable || (SECRET_KEYS.contains(&key) && plain);
    is_secret && (!key.to_lowercase().ends_with("url") || is_password(value))
}

/// Whether the secret is only in the password of a URL: what comes behind that says where the database is.
fn is_password(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let Some((user, place)) = rest.split_once('@') else { return false };
    let server = ["postgresql", "postgres", "mysql", "mariadb"].contains(&scheme.trim_start_matches('"'));
    server && !place.contains(SECRET) && user.split_once(':').is_some_and(|(user, _)| !user.contains(SECRET))
}
