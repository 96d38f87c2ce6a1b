//! `deploy/cron/sweepd`: the line as cron runs it, and a real cron that runs it.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use super::{deployed, shell};
use crate::oneshot::{Said, Shell, left};
use crate::process::{Process, find_program, skip};
use crate::servers::Engine;
use crate::stage::{LIMIT, wait};

/// The file with the places of `shell`, run by this user.
fn crontab(shell: &Shell) -> String {
    let place = |name: &str| shell.path().join(name).display().to_string();
    deployed("cron/sweepd")
        .replace("/etc/sweepd/sweepd.toml", &place("sweepd.toml"))
        .replace("/etc/sweepd/database-url", &place("database-url"))
        .replace("/usr/bin/sweepd", env!("CARGO_BIN_EXE_sweepd"))
}

/// What cron makes of the file: the variables, and of the only line the command.
fn read(crontab: &str) -> (Vec<(String, String)>, String) {
    let lines = crontab.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (lines, variables): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with(char::is_numeric));
    let [line] = lines[..] else { panic!("one line: {crontab}") };
    let mut fields = line.split_whitespace();
    let time: Vec<_> = fields.by_ref().take(5).collect();
    assert_eq!((time.join(" ").as_str(), fields.next()), ("17 3 * * *", Some("sweepd")));
    assert!(!line.contains('%'), "cron takes it for the end of the line: {line}");
    let variables = variables.into_iter().map(|line| line.split_once('=').expect("a variable"));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (variables, fields.collect::<Vec<_>>().join(" "))
}

fn run_as_cron_does(shell: &Shell) -> Said {
    let (variables, line) = read(&crontab(shell));
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &line]).env_clear().current_dir("/");
    command.envs([("HOME", "/"), ("LOGNAME", "sweepd"), ("PATH", "/usr/bin:/bin"), ("SHELL", "/bin/sh")]);
    command.envs(variables);
    let mut process = Process::spawn(command);
    let code = process.exit_code(LIMIT);
    Said { code, stdout: process.stdout(), stderr: process.stderr() }
}

#[test]
fn its_line_says_nothing_when_all_went_well() {
    let shell = shell();
    let said = run_as_cron_does(&shell);
    assert_eq!((said.code, &*said.stdout, &*said.stderr), (0, "", ""));
    assert_eq!(left(&shell, Engine::Sqlite, "Session"), ["far", "never", "soon"]);
    assert_eq!(shell.json(0, &["history"])["runs"][0]["deletedCount"], 2);
}

#[test]
fn its_line_says_what_is_not_done_and_why() {
    let shell = shell();
    shell.expect(0, &["pause"]);
    let said = run_as_cron_does(&shell);
    assert_eq!((said.code, &*said.stdout), (4, ""));
    assert!(said.stderr.starts_with("error: sessions was not run: it is paused since "), "{}", said.stderr);
    assert_eq!(left(&shell, Engine::Sqlite, "Session").len(), 5);
    shell.expect(0, &["resume"]);

    shell.configure(&format!("{}[jobs.sessions.limits]\nmax_rows = 1\n", super::JOB));
    let said = run_as_cron_does(&shell);
    assert_eq!((said.code, &*said.stderr), (3, ""));
    assert!(said.stdout.contains("partial (max-rows)"), "{}", said.stdout);
    assert_eq!(left(&shell, Engine::Sqlite, "Session").len(), 4);

    fs::write(shell.path().join("database-url"), "file:/nowhere/app.db").unwrap();
    let said = run_as_cron_does(&shell);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("error: sessions: ") && said.stderr.contains("/nowhere/app.db"), "{}", said.stderr);
    fs::write(shell.path().join("sweepd.toml"), "[jobs").unwrap();
    let said = run_as_cron_does(&shell);
    assert_eq!((said.code, &*said.stdout), (2, ""));
    assert!(said.stderr.starts_with("error: "), "{}", said.stderr);
}

/// In a file system of its own, where the line's time is the moment at which cron starts, and mail ends in the file `mail`.
const CRON: &str = r#"set -e
mount --make-rprivate /
for place in /run /var/spool/cron /etc/cron.d; do mount -t tmpfs tmpfs "$place"; done
mkdir /var/spool/cron/crontabs /run/upper /run/work
mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=/run/upper,workdir=/run/work /usr/sbin
printf '#!/bin/sh\ncat >>"%s/mail"\n' "$1" >/usr/sbin/sendmail
chmod +x /usr/sbin/sendmail
cp "$1/crontab" /etc/cron.d/sweepd
chmod 644 /etc/cron.d/sweepd
exec cron -f
"#;

fn cron(shell: &Shell) -> Process {
    let at_once = crontab(shell).replace("17 3 * * *  sweepd  ", "@reboot  root  ");
    fs::write(shell.path().join("crontab"), at_once).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", CRON, "cron"]).arg(shell.path());
    // Under Debian's name for it.
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    Process::spawn(command)
}

#[test]
fn a_real_cron_runs_it_and_mails_only_what_went_wrong() {
    if find_program("cron", &["/usr/sbin".into()]).is_none() {
        return skip("no cron");
    }
    let may = Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        let _ = writeln!(std::io::stderr(), "skipped: a real cron needs root, and the right to mount");
        return;
    }
    let shell = shell();
    let mail = || fs::read_to_string(shell.path().join("mail")).unwrap_or_default();
    let mut running = cron(&shell);
    wait(&mut running, "expired rows are left", || left(&shell, Engine::Sqlite, "Session").len() == 3);
    shell.expect(0, &["pause"]);
    // Another cron, because the first has had its moment.
    let mut next = cron(&shell);
    wait(&mut next, "no mail", || mail().ends_with(")\n"));
    let mail = mail();
    assert!(mail.contains("To: root\n") && mail.contains("error: sessions was not run: it is paused"), "{mail}");
    assert_eq!(mail.matches("Subject: ").count(), 1, "{mail}");
    for process in [&mut running, &mut next] {
        process.signal("TERM");
        process.wait_timeout(LIMIT).expect("it ends");
    }
}
