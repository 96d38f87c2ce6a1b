//! The transcripts are played: their commands are run one after the other, and have to print what the page shows.

use std::path::PathBuf;
use std::process::Command;

use chrono::TimeDelta;
use sweepd::clock::Clock;

use super::blocks::Block;
use super::{checked, script};
use crate::http::daemon::address;
use crate::process::{Process, find_program, skip, sweepd};
use crate::servers::Engine;
use crate::sessions::App;
use crate::stage::{Stage, stop};

/// A call without a name runs the jobs that have a schedule.
const SELDOM: &str = "@yearly";
/// On a terminal, curl shows no progress; and each answer gets its line.
const CURL: &str = "curl() { command curl -sS \"$@\"; echo; }";
const SECRET: &str = "the-secret-of-the-readers";

/// Where a transcript is played: an application's database, a directory, and a daemon with HTTP.
struct Scene {
    stage: Stage,
    daemon: Process,
    /// What stands for what in the pages.
    names: Vec<(String, &'static str)>,
}

impl Scene {
    /// The README is about PostgreSQL and 12,000 expired sessions; session management about a user with two sessions; all
    /// other pages about 42 expired sessions of 150.
    fn of(page: &str) -> Option<Self> {
        let stage = match page {
            "README.md" => {
                let stage = Stage::fresh(Engine::Postgres)?;
                stage.fill(12_000, 3000);
                stage.database().execute(
                    r#"CREATE INDEX ON "Session" (expires); CREATE INDEX ON "Session" ("userId"); ANALYZE "Session""#,
                );
                stage
            }
            "docs/sessions.md" => {
                let app = App::new(Stage::fresh(Engine::Sqlite)?);
                let in_minutes = |minutes| Clock::system().now() + TimeDelta::minutes(minutes);
                app.add("abc", "ada", in_minutes(20));
                app.add("def", "ada", in_minutes(10));
                app.stage
            }
            _ => {
                let stage = Stage::fresh(Engine::Sqlite)?;
                stage.fill(42, 108);
                stage
            }
        };
        Some(Self::on(stage))
    }

    fn on(stage: Stage) -> Self {
        let file = stage.configure(SELDOM, "", "[http]\nlisten = \"127.0.0.1:0\"");
        let mut command = sweepd();
        command.env("CRON_SECRET", SECRET).arg("--config").arg(file).arg("run");
        let mut daemon = Process::spawn(command);
        let mut names = vec![(address(&mut daemon).to_string(), "127.0.0.1:8787")];
        if stage.database().engine() != Engine::Sqlite {
            names.push((format!("127.0.0.1:{}", stage.database().port()), "db.example.com:5432"));
        }
        names.push((format!("\"{}\"", stage.database().name()), "\"app\""));
        Self { stage, daemon, names }
    }

    /// What the commands print, on both outputs.
    fn play(&self, block: &Block) -> String {
        let mut script = script(block);
        for (ours, theirs) in &self.names {
            script = script.replace(theirs, ours);
        }
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token.txt"), "abc\n").unwrap();
        let mut command = clean_shell();
        command.args(["-c", &format!("exec 2>&1\n{CURL}\n{script}")]).current_dir(directory.path());
        command.env("CRON_SECRET", SECRET).env("DATABASE_URL", self.stage.database().url());
        let said = command.output().expect("sh starts");
        let mut said = String::from_utf8_lossy(&said.stdout).into_owned();
        for (ours, theirs) in &self.names {
            said = said.replace(ours, theirs);
        }
        said
    }
}

/// A shell that finds the program that was built, and no settings.
fn clean_shell() -> Command {
    let ours = sweepd();
    let directory = PathBuf::from(ours.get_program()).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(directory).chain(std::env::split_paths(&path));
    let mut shell = Command::new("sh");
    for (name, _) in ours.get_envs() {
        shell.env_remove(name);
    }
    shell.env("PATH", std::env::join_paths(paths).unwrap());
    shell
}

#[test]
fn transcripts_are_what_is_printed() {
    if find_program("curl", &[]).is_none() {
        return skip("no curl");
    }
    let blocks = checked("console");
    assert!(blocks.len() >= 4, "{blocks:?}");
    for block in blocks {
        let Some(mut scene) = Scene::of(&block.page) else { continue };
        let said = scene.play(&block);
        let said: Vec<_> = said.lines().filter(|line| !line.is_empty() && !is_progress(line)).map(shape).collect();
        let shown: Vec<_> = block.text.lines().filter(|line| !line.starts_with("$ ")).map(shape).collect();
        assert!(
            matches(&shown, &said),
            "{}: it says\n{}\nand not\n{}",
            block.place(),
            said.join("\n"),
            shown.join("\n")
        );
        stop(&mut scene.daemon);
    }
}

/// What is said meanwhile where a run takes seconds.
fn is_progress(line: &str) -> bool {
    line.starts_with("sessions: ") && line.ends_with(" rows/s")
}

/// A line without what differs each time: digits, the hexadecimal ones of ids and fingerprints, units of time, blanks.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    for word in line.split_whitespace() {
        if !shape.is_empty() {
            shape.push(' ');
        }
        shape.push_str(&shape_of_word(word));
    }
    for time in ["0.0 s", "0 ms", "0.0 ms"] {
        shape = shape.replace(time, "0 s");
    }
    shape
}

fn shape_of_word(word: &str) -> String {
    let (mut shape, mut rest) = (String::new(), word);
    while let Some(c) = rest.chars().next() {
        let taken = if let Some(after) = rest.strip_prefix("sha256:") {
            shape.push_str("sha256:");
            rest.len() - after.trim_start_matches(|c: char| c.is_ascii_hexdigit()).len()
        } else if is_uuid(rest) {
            shape.push_str("uuid");
            36
        } else if c.is_ascii_digit() {
            shape.push('0');
            rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len()
        } else {
            shape.push(c);
            c.len_utf8()
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    shape
}

fn is_uuid(text: &str) -> bool {
    let fits = |(at, c): (usize, char)| if [8, 13, 18, 23].contains(&at) { c == '-' } else { c.is_ascii_hexdigit() };
    text.len() >= 36 && text.chars().take(36).enumerate().all(fits)
}

/// Whether the lines are alike; one that is only `...` stands for any lines.
fn matches(shown: &[String], said: &[String]) -> bool {
    match (shown, said) {
        ([], []) => true,
        ([first, rest @ ..], _) if first == "..." => (0..=said.len()).any(|skipped| matches(rest, &said[skipped..])),
        ([first, rest @ ..], [line, others @ ..]) => is_like(first, line) && matches(rest, others),
        _ => false,
    }
}

/// `...` in a line stands for anything.
fn is_like(shown: &str, said: &str) -> bool {
    let parts: Vec<_> = shown.split("...").collect();
    let [first, between @ .., last] = parts.as_slice() else { return shown == said };
    let Some(mut rest) = said.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    between.iter().all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

#[test]
fn a_line_that_differs_in_words_is_not_like_another() {
    let like = |shown, said| is_like(&shape(shown), &shape(said));
    assert!(like("3 sessions revoked. 935 ms", "12 sessions revoked. 1.2 s"));
    assert!(like("version 15.18 ...)", "version 15.1 (Debian))"));
    assert!(!like("3 sessions revoked.", "3 sessions touched."));
    assert!(!like("ok", "ok and more"));
}
