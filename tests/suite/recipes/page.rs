//! `docs/one-shot.md` shows what works.

use std::path::Path;
use std::process::Command;

use sweepd::config::{Config, Environment};

use super::{deployed, shell};
use crate::docs::blocks as pages;

const PAGE: &str = "docs/one-shot.md";

fn blocks(language: &str) -> Vec<String> {
    pages::of(PAGE).into_iter().filter(|block| block.tag == language).map(|block| block.text).collect()
}

/// The transcript, typed in as it stands.
#[test]
fn its_transcript_is_what_is_printed() {
    let shell = shell();
    let block = blocks("console").concat();
    // An AuditLog, so that there is nothing to warn of.
    shell.expect(0, &["migrate", "--audit-log"]);
    let directory = Path::new(env!("CARGO_BIN_EXE_sweepd")).parent().unwrap();
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    let mut lines = block.lines().peekable();
    while let Some(line) = lines.next() {
        let command = line.strip_prefix("$ ").expect("a command");
        let mut shown = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
            shown.push(words(line));
        }
        let mut sh = Command::new("sh");
        sh.args(["-c", command]).current_dir(shell.path()).env("PATH", &path).env("DATABASE_URL", shell.database.url());
        let said = sh.output().expect("sh starts");
        assert!(said.status.success(), "{command}: {}", String::from_utf8_lossy(&said.stderr));
        let said = String::from_utf8(said.stdout).unwrap();
        assert_eq!(said.lines().map(words).collect::<Vec<_>>(), shown, "{command}");
    }
}

/// With one space between words, and 0 for each number and instant that does not stand alone as an exit code does. The
/// host is another each time.
fn words(line: &str) -> String {
    let words: Vec<_> = line.split(" (on ").next().unwrap().split_whitespace().collect();
    let is_figure = |word: &str| words.len() > 1 && word.starts_with(|c: char| c.is_ascii_digit());
    words.iter().map(|word| if is_figure(word) { "0" } else { word }).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_it_shows_of_files_stands_in_them() {
    let page = pages::page(PAGE);
    let crontab = deployed("cron/sweepd");
    let shown = blocks("text").into_iter().find(|block| block.starts_with("MAILTO")).expect("the crontab");
    assert_eq!(
        shown,
        crontab.lines().filter(|line| !line.starts_with('#')).fold(String::new(), |text, line| text + line + "\n")
    );
    for link in page.split("](../").skip(1).map(|part| part.split([')', '#']).next().unwrap()) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(link);
        assert!(here.exists(), "{link}");
    }
    let environment: Environment =
        [("DATABASE_URL", "postgresql://app@localhost/app"), ("CRON_SECRET", "the-secret-of-the-page")]
            .into_iter()
            .collect();
    for block in blocks("toml") {
        let loaded = Config::from_text(Path::new("one-shot.md"), &block, &environment);
        assert!(loaded.is_ok(), "{block}\n{}", loaded.unwrap_err());
    }
}

#[test]
fn its_exit_codes_are_those_of_the_program() {
    let page = pages::page(PAGE);
    let shown: Vec<u8> =
        page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()?.parse().ok()).collect();
    let exits = {
        use sweepd::cli::Exit::{Done, Failed, HeldUp, Partial, Usage};
        [Done, Failed, Usage, Partial, HeldUp].map(sweepd::cli::Exit::code)
    };
    assert_eq!(shown, exits);
}
