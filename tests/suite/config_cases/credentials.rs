//! Secrets that systemd hands over as files.

use std::fs;
use std::path::Path;

use sweepd::config::{Config, Environment};

use super::URL;

/// The effective configuration, or what is wrong with it, where there are such variables and such files.
fn shown(variables: &[(&str, &str)], files: &[(&str, &str)], text: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        fs::write(directory.path().join(name), text).expect("a file");
    }
    fs::create_dir(directory.path().join("sweepd_database")).expect("a directory");
    let mut environment: Environment = variables.iter().copied().collect();
    environment.add_credentials(directory.path());
    match Config::from_text(Path::new("sweepd.toml"), text, &environment) {
        Ok(config) => config.effective(),
        Err(errors) => errors.to_string(),
    }
}

const SECRET: &str = "the-secret-of-the-credentials";

#[test]
fn a_credential_is_named_for_its_key() {
    let files = [("sweepd.database.url", URL), ("sweepd_http.secret", SECRET), ("sweepd_databases.my-shop.url", URL)];
    let shown = shown(&[], &files, "[databases.my-shop]\nmax_connections = 2");
    for part in ["# SWEEPD_DATABASE__URL_FILE", "# SWEEPD_HTTP__SECRET_FILE", "# SWEEPD_DATABASES__MY_SHOP__URL_FILE"] {
        assert!(shown.contains(part), "no {part}: {shown}");
    }
    assert!(!shown.contains("hunter2") && !shown.contains(SECRET), "{shown}");
}

/// The empty one stands in a unit for one that was not given, and the others are what editors leave behind.
#[test]
fn what_is_no_credential_of_ours_is_passed_by() {
    let files = [
        ("sweepd.database.url.old", "an-old-url"),
        ("sweepd_http.secret~", "an-old-secret"),
        ("sweepd_http.secret", ""),
        ("sweepd", "none"),
        ("sweepd_http.secret~", "x"),
        ("sweepd_.http.secret.swp", "x"),
        ("sweepd_README", "x"),
        ("http.secret", "x"),
    ];
    let shown = shown(&[("DATABASE_URL", URL)], &files, "");
    assert!(shown.contains("from DATABASE_URL") && shown.contains("# listen is not set"), "{shown}");
}

#[test]
fn a_variable_comes_before_a_credential_and_the_file_after_it() {
    let files = [("sweepd_database.url", "mysql://app@other.example.com/app")];
    let over = shown(&[("SWEEPD_DATABASE__URL", URL)], &files, "");
    assert!(over.contains("db.example.com:5432, from SWEEPD_DATABASE__URL"), "{over}");
    let under = shown(&[("DATABASE_URL", URL)], &files, &format!("[database]\nurl = \"{URL}\""));
    assert!(under.contains("other.example.com") && under.contains("# SWEEPD_DATABASE__URL_FILE"), "{under}");
    // A name that is no key is a mistake, and said to be one.
    let unknown = shown(&[("DATABASE_URL", URL)], &[("sweepd_database.ulr", "x")], "");
    assert!(unknown.contains("SWEEPD_DATABASE__ULR_FILE"), "{unknown}");
}
