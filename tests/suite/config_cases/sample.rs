//! The sample file, and the effective configuration that is shown.

use sweepd::config::{Config, DEFAULT_FILE};

use super::{URL, accepted, environment};

#[test]
fn the_sample_file_equals_the_built_in_defaults() {
    let (mut sample, built_in) = (accepted(DEFAULT_FILE, &[]), accepted("", &[]));
    // The one difference: nobody has said that the rows of the built-in job are sessions.
    assert!(built_in.jobs[0].spec.guessed && !sample.jobs[0].spec.guessed);
    sample.jobs[0].spec.guessed = true;
    let shown = |config: &Config| {
        format!(
            "{:#?}",
            (
                &config.databases,
                &config.jobs,
                &config.http,
                &config.alerts,
                &config.sessions,
                &config.users,
                &config.audit,
                &config.log,
                &config.daemon,
                &config.warnings
            )
        )
    };
    assert_eq!(shown(&sample), shown(&built_in));
    assert_eq!(built_in.jobs.len(), 1);
    assert_eq!(built_in.jobs[0].spec.job, "sessions");
}

/// The sample file with its sample values in force; prose is commented with a blank after the `#`.
fn uncommented() -> String {
    let sample = |line: &str| {
        line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with(' ')).map(str::to_owned)
    };
    DEFAULT_FILE.lines().map(|line| sample(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

/// Without what names files: `url_file` excludes `url`, and the like.
fn without_files() -> String {
    let names_file = |line: &&str| {
        let key = line.split(' ').next().unwrap_or_default();
        key.ends_with("url_file") || key.ends_with("secret_file") || key.starts_with("tls_") || key == "ca_file"
    };
    uncommented().lines().filter(|line| !names_file(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sample_values_of_the_sample_file_are_accepted() {
    let text = without_files();
    let config = accepted(&text, &[]);
    assert_eq!(config.jobs.len(), 2);
    assert_eq!(config.databases.len(), 2);
}

#[test]
fn the_sample_file_has_every_key_that_is_read() {
    let text = uncommented();
    let job_by_any_name = |path: &str| path.replace("jobs.carts", "jobs.sessions");
    let keys = |text: &str, comment: bool| -> Vec<String> {
        let mut table = String::new();
        let mut keys = Vec::new();
        for line in text.lines() {
            let line = if comment { line.trim_start_matches("# ") } else { line };
            if let Some(name) = line.strip_prefix('[') {
                table = job_by_any_name(name.trim_end_matches(']'));
            } else if let Some(key) = line.split([' ', ':']).next().filter(|key| !key.is_empty()) {
                keys.push(format!("{table}.{key}"));
            }
        }
        keys
    };
    let (known, sample) = (keys(&accepted("", &[]).effective(), true), keys(&text, false));
    assert!(known.len() > 40, "{known:?}");
    for key in known {
        assert!(sample.contains(&key), "{key} is not in config/sweepd.toml");
    }
}

#[test]
fn the_url_is_masked_in_all_that_can_be_shown() {
    let config = accepted(&format!("[database]\nurl = \"{URL}\""), &[]);
    let shown = format!("{}{config:?}{:?}", config.effective(), environment(&[("DATABASE_URL", URL)]));
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(config.effective().contains("url = \"***\"  # "), "{}", config.effective());
    assert!(config.effective().contains("# url_file is not set\n"), "{}", config.effective());
}

#[test]
fn the_effective_configuration_is_toml_that_means_the_same() {
    let text = without_files();
    let config = accepted(&text, &[]);
    let masked: Vec<_> = text
        .lines()
        .filter(|line| line.contains("secret = ") || line.split(" = ").next().is_some_and(|key| key.ends_with("url")))
        .collect();
    let mut lines = masked.into_iter();
    let effective: Vec<_> = config.effective().lines().map(str::to_owned).collect();
    let given = |line: &String| if line.contains("\"***\"") { lines.next().unwrap().to_owned() } else { line.clone() };
    let again = accepted(&effective.iter().map(given).collect::<Vec<_>>().join("\n"), &[]);
    assert_eq!(lines.count(), 0);
    assert_eq!(
        (config.jobs, config.audit, config.log, config.daemon, format!("{:?} {:?}", config.http, config.alerts)),
        (again.jobs, again.audit, again.log, again.daemon, format!("{:?} {:?}", again.http, again.alerts))
    );
}

#[test]
fn a_schema_in_the_name_of_a_table_is_a_warning() {
    let hand = "schedule = \"manual\"\ntable = \"app.s\"\nexpires_at = \"e\"\nencoding = \"epoch-millis\"";
    let config = accepted(&format!("[jobs.a]\n{hand}\n[audit]\ntable = \"app.AuditLog\""), &[]);
    let keys: Vec<&str> = config.warnings.iter().filter_map(|warning| warning.split(": ").next()).collect();
    assert_eq!(keys, ["jobs.a.table", "audit.table"]);
}
