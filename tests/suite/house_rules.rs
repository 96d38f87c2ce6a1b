//! Rules of the house that no lint knows: who may name what.

use std::path::{Path, PathBuf};

fn sources() -> Vec<(PathBuf, String)> {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_owned();
            found.push((name, text));
        }
    }
    found
}

fn breaking(rule: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let breaks = |(path, text): &(PathBuf, String)| rule(&path.to_string_lossy(), text);
    sources().iter().filter(|file| breaks(file)).map(|(path, _)| path.display().to_string()).collect()
}

fn uses(text: &str, module: &str) -> bool {
    text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(module))
}

#[test]
fn only_the_database_layer_names_sqlx() {
    let outside = breaking(|path, text| !path.starts_with("src/db") && uses(text, "sqlx"));
    assert_eq!(outside, Vec::<String>::new());
}

#[test]
fn sql_is_written_in_the_database_layer_only() {
    let words = ["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE ", "\"CREATE "];
    let outside = breaking(|path, text| !path.starts_with("src/db") && words.iter().any(|word| uses(text, word)));
    assert_eq!(outside, Vec::<String>::new());
}

#[test]
fn the_domain_never_imports_the_configuration_or_the_command_line() {
    let outer = ["src/cli", "src/config", "src/daemon", "src/main.rs", "src/lib.rs"];
    let outside = breaking(|path, text| {
        !outer.iter().any(|outer| path.starts_with(outer)) && (uses(text, "crate::config") || uses(text, "crate::cli"))
    });
    assert_eq!(outside, Vec::<String>::new());
}

#[test]
fn nothing_below_the_schedule_and_the_job_points_up() {
    let outside = breaking(|path, text| {
        let sweep = path.starts_with("src/sweep") || path == "src/ledger.rs" || path == "src/audit.rs";
        let db = path.starts_with("src/db");
        (sweep && (uses(text, "crate::job") || uses(text, "crate::schedule")))
            || (db && (uses(text, "crate::sweep") || uses(text, "crate::ledger") || uses(text, "crate::audit")))
    });
    assert_eq!(outside, Vec::<String>::new());
}

#[test]
fn http_is_put_together_by_the_daemon_and_does_not_know_it() {
    let outside = breaking(|path, text| path.starts_with("src/http") && uses(text, "crate::daemon"));
    assert_eq!(outside, Vec::<String>::new());
}

#[test]
fn only_lifecycle_touches_signals() {
    let outside = breaking(|path, text| {
        !path.starts_with("src/lifecycle") && ["signal_hook", "tokio::signal"].iter().any(|name| uses(text, name))
    });
    assert_eq!(outside, Vec::<String>::new());
}

/// A program that sweepd started would find `NOTIFY_SOCKET`, and `DATABASE_URL`, in its environment.
#[test]
fn no_other_program_is_started() {
    let outside = breaking(|_, text| uses(text, "process::Command") || uses(text, "Command::new("));
    assert_eq!(outside, Vec::<String>::new());
}
