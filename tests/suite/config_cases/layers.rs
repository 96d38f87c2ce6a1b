//! Where the file is looked for, and what the environment does to it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sweepd::config::Config;

use super::{URL, accepted, environment, load};

#[test]
fn the_environment_wins_over_the_file_and_is_typed_by_the_key() {
    let text = "[jobs.My-Shop]\nschedule = \"hourly\"\npreset = \"django\"\nkeep = \"1d\"\n[log]\nlevel = \"warn\"";
    let config = accepted(
        text,
        &[
            ("SWEEPD_JOBS__MY_SHOP__KEEP", "2d"),
            ("SWEEPD_JOBS__MY_SHOP__LIMITS__NICE", "0"),
            ("SWEEPD_JOBS__MY_SHOP__LIMITS__MAX_ROWS", "12"),
            ("SWEEPD_JOBS__MY_SHOP__ENABLED", "false"),
            ("SWEEPD_LOG__LEVEL", ""),
            ("SWEEPD_AUDIT__VALUES__TENANT", "7"),
            ("SWEEPD_SERVICE_HOST", "10.0.0.1"),
            ("SWEEPD_PORT_8787_TCP", "tcp://10.0.0.1:8787"),
            ("SWEEPD_CONFIG", "unused.toml"),
        ],
    );
    let job = &config.jobs[0];
    assert_eq!((job.spec.job.as_str(), job.enabled), ("My-Shop", false));
    assert_eq!(job.spec.keep, Duration::from_hours(48));
    assert_eq!((job.spec.limits.nice, job.spec.limits.max_rows), (0.0, Some(12)));
    assert_eq!(config.audit.values["tenant"], "7");
    assert!(config.effective().contains("keep = \"2d\"  # SWEEPD_JOBS__MY_SHOP__KEEP\n"));
    assert!(config.effective().contains("level = \"warn\"  # sweepd.toml:6\n"));
}

#[test]
fn the_environment_adjusts_the_built_in_job_or_replaces_it() {
    let adjusted = accepted("[log]", &[("SWEEPD_JOBS__SESSIONS__KEEP", "7d")]);
    assert_eq!(adjusted.jobs[0].spec.keep, Duration::from_hours(7 * 24));
    let own = [("SWEEPD_JOBS__WEB__PRESET", "django"), ("SWEEPD_JOBS__WEB__SCHEDULE", "manual")];
    let replaced = accepted("", &own);
    assert_eq!(replaced.jobs.iter().map(|job| job.spec.job.as_str()).collect::<Vec<_>>(), ["web"]);
}

#[test]
fn the_url_comes_from_the_highest_place_that_has_one() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("url");
    fs::write(&secret, "\u{feff}postgres://localhost/from_url_file\r\n").unwrap();
    let secret = secret.to_str().unwrap();
    let in_file = "[database]\nurl = \"postgres://localhost/from_file\"";
    let by_file = format!("[database]\nurl_file = {secret:?}");
    let application = ("DATABASE_URL", "postgres://localhost/from_application");
    let ours = ("SWEEPD_DATABASE__URL", "postgres://localhost/from_environment");
    let cases: [(&str, &[(&str, &str)], &str); 6] = [
        ("", &[application], "from_application"),
        (in_file, &[application], "from_file"),
        (&by_file, &[application], "from_url_file"),
        (in_file, &[application, ours], "from_environment"),
        (&by_file, &[application, ours], "from_environment"),
        (in_file, &[("SWEEPD_DATABASE__URL_FILE", secret)], "from_url_file"),
    ];
    for (text, variables, expected) in cases {
        let config = load(text, variables).unwrap_or_else(|errors| panic!("{errors}"));
        let location = config.databases["default"].url.location();
        assert!(location.contains(expected), "{text} {variables:?}: {location}");
    }
}

#[test]
fn the_url_s_own_limits_count_unless_a_key_says_otherwise() {
    let url = ("DATABASE_URL", "postgresql://localhost/app?connection_limit=1");
    assert_eq!(load("", &[url]).unwrap().databases["default"].max_connections, 1);
    let config = load("[database]\nmax_connections = 3", &[url]).unwrap();
    assert_eq!(config.databases["default"].max_connections, 3);
}

#[test]
fn the_file_is_the_first_that_is_named_or_found() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let write = |name: &str| fs::write(here.join(name), format!("[database]\nurl = \"{URL}\"")).unwrap();
    let found = |explicit: Option<&Path>, variables: &[(&str, &str)]| {
        let config = Config::load(explicit, &environment(variables), here).unwrap_or_else(|errors| panic!("{errors}"));
        config.file.and_then(|file| file.strip_prefix(here).ok().map(Path::to_owned))
    };
    fs::create_dir(here.join("config")).unwrap();
    write("config/sweepd.toml");
    assert_eq!(found(None, &[]).as_deref(), Some(Path::new("config/sweepd.toml")));
    write("sweepd.toml");
    assert_eq!(found(None, &[]).as_deref(), Some(Path::new("sweepd.toml")));
    write("named.toml");
    let named = here.join("named.toml");
    let variables = [("SWEEPD_CONFIG", named.to_str().unwrap())];
    assert_eq!(found(None, &variables).as_deref(), Some(Path::new("named.toml")));
    write("explicit.toml");
    assert_eq!(found(Some(&here.join("explicit.toml")), &variables).as_deref(), Some(Path::new("explicit.toml")));
}

#[test]
fn a_named_file_must_be_there() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.toml");
    let named = [("SWEEPD_CONFIG", missing.to_str().unwrap())];
    let errors = Config::load(None, &environment(&named), directory.path()).unwrap_err().to_string();
    assert!(errors.contains("missing.toml: cannot read the configuration: "), "{errors}");
    assert!(errors.contains("SWEEPD_CONFIG"), "{errors}");
    assert!(Config::load(Some(&missing), &environment(&[]), directory.path()).is_err());
}
