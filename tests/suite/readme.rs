//! The README's table of commands is complete. `docs.rs` checks its blocks.

use crate::oneshot::Shell;
use crate::servers::Engine;

const README: &str = include_str!("../../README.md");

#[test]
fn its_table_names_every_command_and_flag() {
    let Some(shell) = Shell::with(Engine::Sqlite, "") else { return };
    let help = shell.expect(0, &["--help"]).stdout;
    let listed = help.split("Commands:").nth(1).and_then(|rest| rest.split("Options:").next()).expect("commands");
    // A line that goes on is further in.
    let lines = listed.lines().filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')));
    for command in lines.filter_map(|line| line.split_whitespace().next()) {
        assert!(README.contains(&format!("`sweepd {command}")), "{command} is not in the table");
    }
    let rows = README.lines().filter_map(|line| line.strip_prefix("| `sweepd ")?.split('`').next());
    for row in rows {
        let command = row.split_whitespace().next().unwrap();
        let help = shell.expect(0, &[command, "--help"]).stdout;
        let flags =
            row.split_whitespace().map(|word| word.trim_matches(['[', ']'])).filter(|word| word.starts_with("--"));
        for flag in flags {
            assert!(help.contains(flag), "{command} {flag}: {help}");
        }
    }
}
