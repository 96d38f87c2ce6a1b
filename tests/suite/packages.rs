//! What a package of sweepd is made of: manual pages, completions, the crate, and the Debian package.

mod debian;
mod release;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::process::{find_program, skip, sweepd};

/// Runs a command that must be there, and gives what it printed.
fn run(command: &mut Command) -> Output {
    let name = command.get_program().to_owned();
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{}: {error}", name.display()))
}

/// The same for a command that must go well.
fn printed(command: &mut Command) -> String {
    let output = run(command);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Whether all of the programs are there; which one is not is said.
fn have(programs: &[&str]) -> bool {
    let directories = ["/usr/sbin", "/sbin", "/usr/bin"].map(Into::into);
    let missing = programs.iter().find(|program| find_program(program, &directories).is_none());
    if let Some(program) = missing {
        skip(&format!("no {program}"));
    }
    missing.is_none()
}

/// The subcommands, as the help lists them.
fn subcommands() -> Vec<String> {
    let help = printed(sweepd().arg("--help"));
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let name = |line: &str| line.strip_prefix("  ").and_then(|line| line.split(' ').next()).unwrap_or("").to_owned();
    list.lines().map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_subcommand_has_a_manual_page_that_renders_without_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("pages");
    printed(sweepd().arg("man").arg("--directory").arg(&pages));
    let names = subcommands();
    assert!(names.len() >= 17, "{names:?}");
    for name in
        ["", "-sessions-revoke-user"].map(str::to_owned).into_iter().chain(names.iter().map(|n| format!("-{n}")))
    {
        let page =
            fs::read_to_string(pages.join(format!("sweepd{name}.1"))).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(page.contains(&format!("sweepd{} \\- ", name.replace('-', "\\-"))), "{page}");
    }
    if have(&["man", "groff"]) {
        for page in fs::read_dir(&pages).unwrap() {
            let warnings =
                run(Command::new("man").args(["--warnings=w", "-E", "UTF-8", "-l"]).arg(page.unwrap().path()));
            assert_eq!(String::from_utf8_lossy(&warnings.stderr), "");
        }
    }
}

#[test]
fn the_manual_page_says_what_is_common_to_all_subcommands() {
    let page = printed(sweepd().arg("man"));
    for section in ["NAME", "SYNOPSIS", "OPTIONS", "SUBCOMMANDS", "FILES", "ENVIRONMENT", "SIGNALS", "EXIT STATUS"] {
        assert!(
            page.contains(&format!(".SH {section}\n")) || page.contains(&format!(".SH \"{section}\"\n")),
            "{section}"
        );
    }
    for text in ["SWEEPD_CONFIG", "DATABASE_URL", "CRON_SECRET", "/etc/sweepd/sweepd.toml", "SIGHUP"] {
        assert!(page.contains(text), "{text}: {page}");
    }
}

#[test]
fn pages_that_cannot_be_written_are_an_error_that_names_the_directory() {
    let output = run(sweepd().args(["man", "--directory", "/dev/null/pages"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write into /dev/null/pages"), "{output:?}");
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = printed(sweepd().args(["completions", shell]));
        for name in subcommands() {
            assert!(script.contains(&name), "{shell}: {name}");
        }
    }
    assert_eq!(run(sweepd().args(["completions", "csh"])).status.code(), Some(2));
}

#[test]
fn bash_completes_subcommands_and_options() {
    let complete = |words: &str, cursor: usize| {
        let script = format!(
            "source <({} completions bash)
            COMP_WORDS=({words}); COMP_CWORD={cursor}
            _sweepd sweepd \"${{COMP_WORDS[{cursor}]}}\" \"${{COMP_WORDS[{}]}}\"
            printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            env!("CARGO_BIN_EXE_sweepd"),
            cursor - 1
        );
        let found = printed(Command::new("bash").args(["--norc", "-c"]).arg(script));
        found.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete("sweepd sche", 1), ["schedule"]);
    assert_eq!(complete("sweepd clean --dry", 2), ["--dry-run"]);
    assert_eq!(complete("sweepd sessions revo", 2), ["revoke", "revoke-user"]);
}

/// The folder of the sources.
fn house() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
