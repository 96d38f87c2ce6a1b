//! What the pages show is true. Each block of code has a tag, by which a test checks it:
//!
//! | tag | what is checked |
//! |---|---|
//! | `toml` | loads as a configuration (with `DATABASE_URL` and `CRON_SECRET` set), without an error or a warning |
//! | `sql`, `sql mysql`, `sql sqlite` | runs on `PostgreSQL`, `MariaDB` or `SQLite`, by an administrator: all blocks of a page in order, on a fresh database with the tables of Auth.js (or of the page's presets), users, an audit log and sweepd's own tables. The names `app` (the database) and `sweeper` (the role) stand for those of the test |
//! | `json`, `yaml` | can be read; rules for Prometheus (`groups:`) are accepted by `promtool`, and the alert of `docs/alerts.md` has the fields of one |
//! | `promql` | `promtool` accepts each line; each `sweepd_...` is a metric that there is |
//! | `sh` | the shell can read it, and each `sweepd ...` in it is a command line that sweepd accepts; on the pages of presets and in the guides (`GUIDES`) it is run too |
//! | `console` | a transcript: each line with `$ ` is run (`transcripts.rs` says on which stage), and prints what stands below it, whatever its digits are; `...` stands for anything |
//! | `text` | what a program says, or a drawing; holds no line with `$ ` |
//!
//! A block with another tag, or with none, fails the test, unless it stands in [`EXCEPTIONS`] with what covers it.

pub mod blocks;
mod messages;
mod reference;
mod sql;
mod transcripts;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use clap::Parser as _;
use serde_json::Value;
use sweepd::alert::Event;
use sweepd::alert::message::Message;
use sweepd::cli::Cli;
use sweepd::clock::Clock;
use sweepd::config::{Config, Environment};
use sweepd::db::{Engine, ledger_sql};
use sweepd::preset::PRESETS;

use crate::metrics;
use crate::oneshot::Shell;
use crate::presets::libraries;
use crate::servers;
use blocks::Block;

/// Each page about presets, and those on PostgreSQL that its SQL is about, the first of them the one that its commands find.
const PAGES: [(&str, &[&str]); 8] = [
    ("docs/authjs.md", &["authjs-prisma", "authjs-prisma-tokens"]),
    ("docs/better-auth.md", &["better-auth", "better-auth-verification"]),
    ("docs/express.md", &["connect-pg-simple"]),
    ("docs/django.md", &["django"]),
    ("docs/laravel.md", &["laravel"]),
    ("docs/rails.md", &["rails"]),
    ("docs/tower-sessions.md", &["tower-sessions"]),
    ("docs/others.md", &["lucia", "supabase-auth", "spring-session"]),
];

/// Pages about any store, whose commands are run on that of Auth.js.
const GUIDES: [&str; 3] = ["README.md", "docs/operations.md", "docs/troubleshooting.md"];

/// The tags that a test here checks.
const CHECKED: [&str; 9] = ["toml", "sql", "json", "yaml", "promql", "sh", "console", "text", "rust"];

/// Blocks that no test here checks: the page, the tag, and the test that does, or why there is none.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("docs/sessions.md", "rust", "docs::the_program_of_the_library_is_one_that_compiles"),
    ("docs/systemd.md", "ini", "systemd::page::its_commands_run, an_sqlite_file_of_the_application_is_swept"),
    ("docs/status-page.md", "nginx", "no test has an nginx"),
    ("docs/one-shot.md", "console", "recipes::page::its_transcript_is_what_is_printed"),
    ("docs/packages.md", "console", "packages::debian does the same in a root of its own; a test changes no machine"),
];

fn is_exception(block: &Block) -> bool {
    EXCEPTIONS.iter().any(|(page, tag, _)| *page == block.page && *tag == block.tag)
}

fn checked(tag: &str) -> Vec<Block> {
    blocks::tagged(tag).into_iter().filter(|block| !is_exception(block)).collect()
}

#[test]
fn each_block_has_a_tag_that_somebody_checks() {
    let all = blocks::all();
    for block in &all {
        let known = CHECKED.contains(&block.tag.as_str()) && block.tag != "rust";
        assert!(
            known || is_exception(block),
            "{}: nobody checks {:?}; tests/suite/docs.rs says which tags there are",
            block.place(),
            block.tag
        );
    }
    for (page, tag, _) in EXCEPTIONS {
        assert!(all.iter().any(|block| block.page == *page && block.tag == *tag), "{page} has no {tag} any more");
    }
}

#[test]
fn every_preset_has_its_page() {
    let pages: String = PAGES.iter().map(|(name, _)| blocks::page(name)).collect();
    for preset in PRESETS {
        assert!(pages.contains(&format!("`{}`", preset.name)), "{}", preset.name);
    }
}

#[test]
fn the_index_names_every_page() {
    let index = blocks::page("docs/README.md");
    for page in blocks::pages() {
        let Some(name) = page.strip_prefix("docs/").filter(|name| *name != "README.md") else { continue };
        assert!(index.contains(&format!("({name})")), "docs/README.md does not name {name}");
    }
}

/// Links between pages, and to the project's files.
#[test]
fn links_lead_somewhere() {
    for page in blocks::pages() {
        let text = blocks::page(&page);
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(&page).parent().unwrap().to_owned();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://") && !target.contains(' ')) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { page.clone() } else { file.to_owned() };
            let place =
                if file.is_empty() { Path::new(env!("CARGO_MANIFEST_DIR")).join(path) } else { directory.join(path) };
            assert!(place.exists(), "{page}: {target}");
            if !anchor.is_empty() {
                let linked = std::fs::read_to_string(&place).unwrap();
                assert!(linked.lines().any(|line| is_heading(line, anchor)), "{page}: {target}");
            }
        }
    }
}

fn is_heading(line: &str, anchor: &str) -> bool {
    let Some(title) = line.starts_with('#').then(|| line.trim_start_matches('#').trim()) else { return false };
    let kept = title.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect::<String>() == anchor
}

#[test]
fn configurations_load() {
    let environment: Environment =
        [("DATABASE_URL", "postgresql://app@localhost/app"), ("CRON_SECRET", "the-secret-of-the-pages")]
            .into_iter()
            .collect();
    for block in checked("toml") {
        let loaded = Config::from_text(Path::new(&block.page), &block.text, &environment);
        assert!(loaded.is_ok(), "{}: {}", block.place(), loaded.unwrap_err());
        assert_eq!(loaded.unwrap().warnings, [""; 0], "{}", block.place());
    }
}

#[test]
fn json_and_yaml_can_be_read() {
    for block in checked("json") {
        let read = serde_json::from_str::<Value>(&block.text);
        assert!(read.is_ok(), "{}: {}", block.place(), read.unwrap_err());
    }
    for block in checked("yaml") {
        let read = yaml_rust2::YamlLoader::load_from_str(&block.text);
        assert!(read.is_ok_and(|documents| !documents.is_empty()), "{}", block.place());
        if block.text.starts_with("groups:") {
            metrics::accepts_rules(&block.text, &block.place());
        }
    }
}

#[test]
fn the_alert_that_is_shown_has_the_fields_of_one() {
    let at = Clock::system().now();
    let sent = serde_json::to_value(Message::plain(Event::Failed, "", at, "web-1")).unwrap();
    let blocks = blocks::of("docs/alerts.md").into_iter().filter(|block| block.tag == "json");
    for block in blocks {
        let shown: Value = serde_json::from_str(&block.text).unwrap();
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&shown), names(&sent), "{}", block.place());
        assert_eq!(shown["event"], sent["event"]);
    }
}

#[test]
fn expressions_are_on_what_is_shown() {
    for block in checked("promql") {
        let expressions = block.text.lines().map(|line| line.split('#').next().unwrap().trim());
        metrics::accepts(&expressions.filter(|line| !line.is_empty()).collect::<Vec<_>>(), &block.place());
    }
}

#[test]
fn what_a_program_says_is_no_transcript() {
    for block in checked("text") {
        assert!(!block.text.lines().any(|line| line.starts_with("$ ")), "{}: write console", block.place());
    }
}

#[test]
fn command_lines_are_accepted() {
    let mut accepted = 0;
    for block in checked("sh").into_iter().chain(checked("console")) {
        let script = script(&block);
        let read = Command::new("sh").args(["-n", "-c", &script]).output().expect("sh starts");
        assert!(read.status.success(), "{}: {}", block.place(), String::from_utf8_lossy(&read.stderr));
        for words in script.replace("\\\n", " ").lines().filter_map(sweepd_words) {
            // Help is no error of the command line, though clap returns it as one.
            let wrong = Cli::try_parse_from(&words).err().filter(clap::Error::use_stderr);
            assert!(wrong.is_none(), "{}: {words:?}: {}", block.place(), wrong.unwrap());
            accepted += 1;
        }
    }
    assert!(accepted > 40, "{accepted}");
}

/// The commands of a block: of a transcript, what follows `$ `.
fn script(block: &Block) -> String {
    if block.tag != "console" {
        return block.text.clone();
    }
    let lines = block.text.lines().filter_map(|line| line.strip_prefix("$ "));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// The words of `sweepd ...` in a line, up to a comment, a pipe or the like. Before it may stand variables, `sudo -u USER`
/// and other programs that start one.
fn sweepd_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (c, quote) {
            (_, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            ('|' | '>' | '<' | '&' | ';', None) => break,
            (' ', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    let at = words.iter().position(|word| word == "sweepd" || word.ends_with("/bin/sweepd"))?;
    let starts =
        |word: &String| word.contains('=') || word.starts_with('-') || ["sudo", "exec", "nice"].contains(&&**word);
    let all_start = words.get(..at)?.iter().enumerate().all(|(index, word)| {
        starts(word) || index.checked_sub(1).and_then(|before| words.get(before)).is_some_and(|before| before == "-u")
    });
    all_start.then(|| words.split_off(at))
}

#[test]
fn words_of_a_command_line_are_those_of_a_shell() {
    let words = |line| sweepd_words(line).map(|words| words.join("|"));
    assert_eq!(words("A=1 sudo -u x sweepd clean 'a b' # c").as_deref(), Some("sweepd|clean|a b"));
    assert_eq!(words("sweepd stats --json | jq .").as_deref(), Some("sweepd|stats|--json"));
    assert_eq!(words("systemctl reload sweepd"), None);
}

#[test]
fn commands_of_the_pages_about_presets_run() {
    let libraries = libraries(servers::Engine::Postgres);
    for (name, presets) in PAGES {
        let Some(shell) = Shell::with(servers::Engine::Postgres, libraries[presets[0]].tables) else { return };
        let ran = run_commands(&shell, name);
        assert!(ran >= 3, "{name}: {ran}");
    }
}

/// Runs the lines of `sh` that begin with `sweepd`, but for those that go on until they are stopped.
fn run_commands(shell: &Shell, page: &str) -> usize {
    let blocks = blocks::of(page).into_iter().filter(|block| block.tag == "sh");
    let lines: Vec<_> = blocks.flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let commands = lines.iter().filter(|line| line.starts_with("sweepd ")).filter_map(|line| sweepd_words(line));
    let mut ran = 0;
    for words in commands.filter(|words| !matches!(words.get(1).map(String::as_str), Some("run" | "demo"))) {
        shell.expect(0, &words.iter().skip(1).map(String::as_str).collect::<Vec<_>>());
        ran += 1;
    }
    ran
}

#[test]
fn commands_of_the_guides_run() {
    let libraries = libraries(servers::Engine::Postgres);
    for page in GUIDES {
        let Some(shell) = Shell::with(servers::Engine::Postgres, libraries["authjs-prisma"].tables) else { return };
        let ran = run_commands(&shell, page);
        assert!(ran >= 3, "{page}: {ran}");
    }
}

/// The page shows what the files say, comments aside, and the files say what `check` prints.
#[test]
fn grants_of_the_operators_are_those_of_the_files_and_of_check() {
    let page = blocks::page("docs/operations.md");
    let postgres = include_str!("../../deploy/sql/postgres.sql");
    let mysql = include_str!("../../deploy/sql/mysql.sql");
    for (file, engine, user) in [(postgres, Engine::Postgres, "sweeper"), (mysql, Engine::MySql, "'sweeper'@'%'")] {
        let statements: Vec<_> = file.lines().filter(|line| !line.starts_with("-- ") && line.len() > 2).collect();
        assert!(statements.len() > 6, "{statements:?}");
        for statement in &statements {
            let statement = statement.trim_start_matches("--");
            assert!(page.contains(statement), "docs/operations.md lacks {statement}");
        }
        for grant in ledger_sql::grants(engine, "app", user).lines().filter(|grant| !grant.contains("USAGE")) {
            let plain = grant.replace('`', "");
            assert!(statements.iter().any(|statement| **statement == plain), "{engine:?}: {plain}");
        }
    }
}

/// The lines of the page, in a function that the compiler accepts.
#[test]
fn the_program_of_the_library_is_one_that_compiles() {
    async fn program(token: &str) -> Result<(), Box<dyn std::error::Error>> {
        use sweepd::sessions::Sessions;

        let sessions = Sessions::open("postgres://app@localhost/app", "authjs-prisma")?;
        let alive = sessions.touch_session(token).await?;
        let revoked = sessions.invalidate_user_sessions("ada", Some(token)).await?;
        sessions.update_user_role("ada", "ADMIN").await?;
        let _ = (alive, revoked);
        Ok(())
    }
    drop(program("token"));
    let here = include_str!("docs.rs");
    for block in blocks::tagged("rust") {
        for line in block.text.lines() {
            assert!(here.lines().any(|ours| ours.trim() == line.trim()), "{}: {line}", block.place());
        }
    }
}
