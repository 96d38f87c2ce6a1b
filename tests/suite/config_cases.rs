//! The configuration: what it refuses, and how it says so.

mod credentials;
mod http;
mod layers;
mod sample;

use std::path::Path;

use sweepd::config::{Config, DEFAULT_FILE, Environment};
use sweepd::db::Encoding;

const URL: &str = "postgresql://app:hunter2@db.example.com:5432/app";
const FILE: &str = "sweepd.toml";

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    Config::from_text(Path::new(FILE), text, &environment(variables)).map_err(|errors| errors.to_string())
}

/// With a database, so that only what `text` says can be wrong.
fn refusal(text: &str) -> String {
    load(text, &[("DATABASE_URL", URL)]).expect_err(text)
}

fn accepted(text: &str, variables: &[(&str, &str)]) -> Config {
    let mut all = vec![("DATABASE_URL", URL)];
    all.extend_from_slice(variables);
    load(text, &all).unwrap_or_else(|errors| panic!("{errors}"))
}

fn job(text: &str) -> String {
    format!("[jobs.web]\nschedule = \"hourly\"\n{text}")
}

fn last_seen(lifetime: &str) -> String {
    let layout = "table = \"t\"\nexpires_at = \"e\"\ntoken = \"k\"\nencoding = \"epoch-millis\"\nmode = \"last-seen\"";
    job(&format!("{layout}\nlifetime = \"{lifetime}\"\nmax_age = \"{lifetime}\""))
}

#[test]
fn defaults_of_sessions_give_way_to_what_the_job_says() {
    let shown = |text: &str| accepted(text, &[]).effective();
    let ages = |max_age: &str, update_age: &str| {
        format!("max_age = \"{max_age}\"  # default\nupdate_age = \"{update_age}\"  # default\n")
    };
    assert!(shown(&job("preset = \"django\"")).contains(&ages("30m", "5m")));
    let short = shown(&job("preset = \"django\"\nmax_age = \"4m\""));
    assert!(short.contains(&ages("4m", "2m")), "{short}");
    // The end of a session is not what the column holds.
    let last_seen = shown(&format!("{}\n[sessions]\nmax_age = \"2h\"", last_seen("4m")));
    assert!(last_seen.contains("update_age = \"2m\"  # default"), "{last_seen}");
    // What is written must fit.
    let error =
        refusal(&format!("{}\n[sessions]\nupdate_age = \"15m\"", job("preset = \"django\"\nmax_age = \"15m\"")));
    assert!(error.contains("sessions.update_age: must be shorter than max_age, which is \"15m\""), "{error}");
    let error = refusal(&format!("{}\n[sessions]\nupdate_age = \"2h\"", self::last_seen("1h")));
    assert!(error.contains("sessions.update_age: must be shorter than jobs.web.lifetime, which is \"1h\""), "{error}");
}

#[test]
fn a_bad_input_is_named_with_its_line_its_key_and_what_is_accepted() {
    let hand = "table = \"t\"\nexpires_at = \"e\"\n";
    let cases: &[(String, &[&str])] = &[
        (
            job("preset = \"django\"\nkep = \"1d\""),
            &["sweepd.toml:4: jobs.web.kep: unknown key", "(did you mean \"keep\"?)"],
        ),
        (job("preset = \"django\"\nnice = 3"), &["sweepd.toml:4: jobs.web.nice", "(did you mean \"limits.nice\"?)"]),
        (
            job("preset = \"django\"\nkeep = 10"),
            &["sweepd.toml:4: jobs.web.keep: expected a duration", "found the number 10"],
        ),
        (job("preset = \"django\"\nkeep = \"-5m\""), &["expected a duration", "\"-5m\""]),
        (job("preset = \"django\"\nkeep = \"101y\""), &["must be from \"0s\" to \"36500d\""]),
        (
            "[sessions]\nupdate_age = \"30m\"".to_owned(),
            &["sweepd.toml:2: sessions.update_age: must be shorter than max_age, which is \"30m\""],
        ),
        (
            "[sessions]\njob = \"sesions\"".to_owned(),
            &["sweepd.toml:2: sessions.job: there is no job \"sesions\"", "(did you mean \"sessions\"?)"],
        ),
        (
            format!("{}\n[sessions]\nmax_age = \"2h\"", job("preset = \"django\"\nmax_age = \"1h\"")),
            &["sessions.max_age: must be at most jobs.web.max_age, which is \"1h\""],
        ),
        ("[users]\nroles = \"ADMIN\"".to_owned(), &["users.roles: expected a list of texts", "found \"ADMIN\""]),
        ("[users]\nroles = [1]".to_owned(), &["users.roles: expected a list of texts", "found a list"]),
        ("[users]\nroles = []".to_owned(), &["users.roles: expected the names of the roles"]),
        (job("preset = \"django\"\nenabled = \"yes\""), &["expected true or false, found \"yes\""]),
        (job("preset = \"django\"\nenabled = 1979-05-27"), &["expected true or false, found a date"]),
        (job("preset = \"django\"\nvacuum = \"analyze\""), &["jobs.web.vacuum: is not supported by this version"]),
        (job("preset = \"django\"\nmax_age = \"0s\""), &["jobs.web.max_age: must be from \"1s\""]),
        (
            job(&format!(
                "{hand}encoding = \"epoch-millis\"\nmode = \"last-seen\"\nlifetime = \"2d\"\nmax_age = \"1d\""
            )),
            &["jobs.web.max_age: must be at least the lifetime, which is \"2d\""],
        ),
        ("[daemon]\nhistory = \"1h\"".into(), &["daemon.history: must be from \"1d\""]),
        (job("preset = \"django\"\ndatabase = \"shop\""), &["there is no database \"shop\"; configured: default"]),
        (job("preset = \"django\"\ntimezone = \"Europe/Dubln\""), &["Europe/Dubln", "did you mean \"Europe/Dublin\""]),
        (job("preset = \"djago\""), &["\"djago\" is unknown; accepted: authjs-prisma", "(did you mean \"django\"?)"]),
        (job("preset = \"connect-pg-simple\""), &["sweepd.toml:3: jobs.web.preset", "writer_timezone"]),
        (
            job("preset = \"django\"\nlifetime = \"1d\""),
            &["jobs.web.lifetime: means nothing unless mode is \"last-seen\""],
        ),
        (
            job(""),
            &["sweepd.toml:1: jobs.web.preset: is missing; accepted: authjs-prisma", "table, expires_at and encoding"],
        ),
        (job(hand), &["jobs.web.encoding: is missing", "accepted: timestamptz, timestamp, epoch-seconds"]),
        (job(&format!("{hand}encoding = \"timestamp\"")), &["jobs.web.writer_timezone: is missing"]),
        (job(&format!("{hand}encoding = \"epoch-second\"")), &["(did you mean \"epoch-seconds\"?)"]),
        (job(&format!("{hand}encoding = \"epoch-millis\"\nmode = \"last-seen\"")), &["jobs.web.lifetime: is missing"]),
        (job("table = \"a\\u0000\""), &["jobs.web.table: ", "control character"]),
        ("[jobs.a]\npreset = \"django\"".into(), &["sweepd.toml:1: jobs.a.schedule: is missing", "\"daily at 02:00\""]),
        (
            "[jobs.a]\nschedule = \"dayly at 02:00\"\npreset = \"django\"".into(),
            &["sweepd.toml:2: jobs.a.schedule", "daily"],
        ),
        ("[jobs]".into(), &["sweepd.toml:1: jobs: there is no job"]),
        ("[jobs.\"a b\"]\nschedule = \"hourly\"\npreset = \"django\"".into(), &["jobs.\"a b\": a name has 1 to 64"]),
        (
            format!("{}[jobs.WEB]\nschedule = \"hourly\"\npreset = \"django\"", job("preset = \"django\"\n")),
            &["too much like"],
        ),
        ("[jobs.a]\n[jobs.a]".into(), &["sweepd.toml:2:7: duplicate key", "2 | [jobs.a]", "|       ^"]),
        ("[log]\nlevel = \"info".into(), &["sweepd.toml:2:14: invalid basic string"]),
        ("jobs = 3".into(), &["sweepd.toml:1: jobs: expected a table"]),
        ("\"log.level\" = \"info\"".into(), &["\"log.level\": unknown key"]),
        ("timezone = \"UTC\"".into(), &["timezone: unknown key", "(did you mean \"schedule.timezone\"?)"]),
        ("[jobs.sessions.limits]\nmax_rows = 3.9".into(), &["sweepd.toml:2: ", "expected a whole number, found 3.9"]),
        ("[jobs.sessions.limits]\nmax_rows = 0".into(), &["must be from 1 to"]),
        ("[jobs.sessions.limits]\nmax_rows = 99999999999999999999999".into(), &["expected a whole number"]),
        ("[jobs.sessions.limits]\nnice = nan".into(), &["must be from 0 to 1000"]),
        ("[jobs.sessions.limits]\nnice = -1".into(), &["must be from 0 to 1000"]),
        ("[jobs.sessions.limits]\nbatch_target = \"2m\"".into(), &["must be from \"1ms\" to \"1m\""]),
        ("[jobs.sessions.limits]\nstatement_timeout = \"1ms\"".into(), &["must be longer than batch_target"]),
        ("[audit]\ntabel = \"A\"".into(), &["audit.tabel: unknown key", "(did you mean \"table\"?)"]),
        ("[audit.columns]\ncreatedAt = \"A\"".into(), &["(did you mean \"created_at\"?)"]),
        ("[audit.columns]\nid = \"a\"\n[audit.values]\na = 1".into(), &["audit.columns.id is this column"]),
        ("[log]\nmax_files = 1".into(), &["log.max_files: must be from 2 to"]),
        ("[daemon]\nstale_after = \"5s\"".into(), &["must be at least three heartbeats, which is \"6s\""]),
        ("[databases.shop]\nmigrate = \"auto\"".into(), &["databases.shop.url: is missing"]),
        ("[databases.default]\nurl = \"file:./a.db\"".into(), &["the database in [database]"]),
        (
            "[database]\nurl = \"file:./a.db\"\nurl_file = \"x\"".into(),
            &["sweepd.toml:3: database.url_file: url is given too"],
        ),
        ("[database]\nurl_file = \"/nowhere/at/all\"".into(), &["cannot read the file /nowhere/at/all"]),
        ("[database]\nurl = \"gopher\"".into(), &["sweepd.toml:2: database.url: "]),
    ];
    for (text, fragments) in cases {
        let errors = refusal(text);
        for fragment in *fragments {
            assert!(errors.contains(fragment), "{text}\n\n{fragment:?} is not in:\n{errors}");
        }
    }
}

#[test]
fn a_misspelled_key_is_not_missing_too() {
    let errors = refusal("[jobs.a]\nschedul = \"hourly\"\npreset = \"django\"");
    assert!(errors.contains("(did you mean \"schedule\"?)") && !errors.contains("is missing"), "{errors}");
}

#[test]
fn all_errors_come_at_once_in_the_order_of_the_file() {
    let errors =
        refusal("[log]\nlevel = 3\nformat = \"jsn\"\n[daemon]\nheartbeet = \"1s\"\n[schedule]\ntimezone = 5\n");
    let starts: Vec<&str> = errors.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(starts, ["sweepd.toml:2:", "sweepd.toml:3:", "sweepd.toml:5:", "sweepd.toml:7:", "4"], "{errors}");
    assert!(errors.ends_with("4 errors in the configuration"), "{errors}");
}

#[test]
fn no_database_is_one_error_that_says_what_to_set() {
    let errors = load(&job("preset = \"django\"\n[jobs.b]\nschedule = \"hourly\"\npreset = \"django\""), &[]);
    assert_eq!(
        errors.unwrap_err(),
        "no database is configured: set DATABASE_URL in the environment, or url in [database]"
    );
}

#[test]
fn a_database_that_no_job_uses_may_be_missing() {
    let text = job("preset = \"django\"\ndatabase = \"shop\"\n[databases.shop]\nurl = \"postgres://localhost/shop\"");
    let config = load(&text, &[]).unwrap();
    assert_eq!(config.databases.keys().collect::<Vec<_>>(), ["shop"]);
    assert_eq!(config.jobs[0].database, "shop");
}

#[test]
fn a_wrong_variable_is_named_and_its_value_is_not() {
    let cases: &[(&str, &[&str])] = &[
        ("SWEEPD_DATABASE_URL", &["unknown key", "(did you mean \"SWEEPD_DATABASE__URL\"?)"]),
        ("SWEEPD_LOG__LEVEL", &["accepted: error, warn, info, debug, trace"]),
        ("SWEEPD_LOG__LEVLE", &["unknown key", "(did you mean \"SWEEPD_LOG__LEVEL\"?)"]),
        ("SWEEPD_LOG__MAX_FILES", &["expected a whole number"]),
        ("SWEEPD_JOBS", &["expected a table"]),
        ("SWEEPD_JOBS__SESSIONS", &["expected a table"]),
        ("SWEEPD_JOBS__SESSIONS__ENABLED", &["expected true or false"]),
        ("SWEEPD_JOBS__SESSIONS__KEEP", &["expected a duration"]),
        ("SWEEPD_JOBS__SESSIONS__LIMITS__NICE", &["expected a number"]),
        ("SWEEPD_JOBS__SESSIONS__SCHEDULE", &["expected a schedule"]),
        ("SWEEPD_JOBS__SESSIONS__TIMEZONE", &["expected a time zone"]),
        ("SWEEPD_JOBS__SESSIONS__DATABASE", &["there is no such database; configured: default"]),
        ("SWEEPD_JOBS__SESSIONS__PRESET", &["accepted: authjs-prisma"]),
        ("SWEEPD_DATABASE__URL", &[]),
        ("SWEEPD_DATABASE__URL_FILE", &["cannot read the file"]),
        ("DATABASE_URL", &[]),
    ];
    for (name, fragments) in cases {
        let errors = load("", &[("DATABASE_URL", URL), (name, "x://hunter2")]).expect_err(name);
        assert!(errors.contains(&format!("{name}: ")), "{name} is not in:\n{errors}");
        assert!(!errors.contains("hunter2"), "{errors}");
        for fragment in *fragments {
            assert!(errors.contains(fragment), "{name}: {fragment:?} is not in:\n{errors}");
        }
    }
}

#[test]
fn a_wrong_schedule_in_a_variable_is_explained() {
    let variables = [("DATABASE_URL", URL), ("SWEEPD_JOBS__SESSIONS__SCHEDULE", "every 7 minutes")];
    let errors = load("", &variables).expect_err("7 does not divide an hour");
    assert!(errors.contains("\"every 7 minutes\"") && errors.contains("at column"), "{errors}");
    let variables = [("DATABASE_URL", URL), ("SWEEPD_JOBS__SESSIONS__PRESET", "authjs-prism")];
    let errors = load("", &variables).expect_err("no such preset");
    assert!(errors.contains("(did you mean \"authjs-prisma\"?)"), "{errors}");
}

#[test]
fn a_job_that_is_there_twice_is_one_error() {
    let errors = refusal(
        "[jobs.a]\nschedule = \"hourly\"\npreset = \"django\"\n[jobs.a]\nschedule = \"hourly\"\npreset = \"django\"",
    );
    assert_eq!(errors.matches("duplicate key").count(), 1, "{errors}");
}

#[test]
fn a_url_is_never_repeated_wherever_it_was_written() {
    let known = accepted(DEFAULT_FILE, &[]).effective();
    let mut table = String::new();
    let mut texts = vec![
        format!("[database]\nurl = \"{URL}"),
        format!("[database]\nurl = {URL}"),
        format!("\"{URL}\" = 1"),
        "[database]\npass = \"hunter2".to_owned(),
        "[database]\nurl = \"\"\"\npostgres:\nhunter2".to_owned(),
        "[database]\n\"hunter2".to_owned(),
    ];
    for line in known.lines().filter(|line| !line.is_empty()) {
        if line.starts_with('[') {
            line.clone_into(&mut table);
            continue;
        }
        let key = line.trim_start_matches("# ").split([' ', ':']).next().unwrap_or_default();
        texts.push(format!("{table}\n{key} = \"{URL}\"\noops = \"{URL}\""));
        texts.push(format!("{table}\n{key} = [\"{URL}\"]\n"));
        texts.push(format!("{table}\n\"{URL}\" = 1\n{key} = \"hunter2@db.example.com\"\n"));
    }
    for text in texts {
        let errors = refusal(&text);
        assert!(!errors.contains("hunter2"), "{text}\n\n{errors}");
    }
}

#[test]
fn a_preset_can_be_overridden_key_by_key() {
    let text = "preset = \"connect-pg-simple\"\nschema = \"app\"\ntable = \"sess\"\nencoding = \"timestamptz\"";
    let config = accepted(&job(text), &[]);
    let layout = &config.jobs[0].spec.layout;
    assert_eq!(layout.table.to_string(), "app.sess");
    assert_eq!((layout.expires_at.as_str(), layout.token.as_deref()), ("expire", Some("sid")));
    assert_eq!(layout.encodings.iter().map(Encoding::name).collect::<Vec<_>>(), ["timestamptz"]);
}

#[test]
fn the_job_whose_sessions_are_managed_is_found_or_asked_for() {
    let preset = |name: &str| format!("[jobs.{name}]\nschedule = \"manual\"\npreset = \"authjs-prisma\"\n");
    let chosen = |text: &str, name| {
        let config = accepted(text, &[("SWEEPD_USERS__ROLES", "USER, ADMIN")]);
        assert_eq!(config.users.roles, ["USER", "ADMIN"]);
        config.sessions_job(name).map(|job| job.spec.job.clone())
    };
    let two = format!("{}{}", preset("a"), preset("b"));
    assert_eq!(chosen("", None).unwrap(), "sessions");
    let several = chosen(&two, None).unwrap_err();
    assert!(several.starts_with("several jobs have sessions (a, b); set `sessions.job` to one of them"), "{several}");
    assert_eq!(chosen(&two, Some("b")).unwrap(), "b");
    assert_eq!(chosen(&format!("{two}[sessions]\njob = \"a\""), None).unwrap(), "a");
    assert_eq!(chosen(&format!("{two}enabled = false"), None).unwrap(), "a");
    assert!(chosen(&two, Some("c")).unwrap_err().contains("the configuration has a, b"));
    let carts = "[jobs.c]\nschedule = \"manual\"\ntable = \"c\"\nexpires_at = \"e\"\nencoding = \"epoch-seconds\"";
    assert!(chosen(carts, None).unwrap_err().contains("set `token` in the job"));
}
