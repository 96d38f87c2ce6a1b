//! `docs/systemd.md` shows what works: all its commands are run, on a machine where nothing is installed yet.

use std::path::Path;

use sweepd::config::{Config, Environment};

use super::machine::Machine;
use super::units;
use crate::servers::Engine;
use crate::stage::{EVERY_SECOND, Stage};

const PAGE: &str = include_str!("../../../docs/systemd.md");
const URL: &str = "postgresql://app:password@db.example.com:5432/app";

fn blocks(language: &str) -> Vec<&'static str> {
    let start = format!("```{language}\n");
    PAGE.split(start.as_str()).skip(1).map(|block| block.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn its_configurations_load() {
    let environment: Environment = [("DATABASE_URL", URL)].into_iter().collect();
    for block in blocks("toml") {
        let loaded = Config::from_text(Path::new("sweepd.toml"), block, &environment);
        assert!(loaded.is_ok(), "{block}\n{}", loaded.unwrap_err());
    }
}

#[test]
fn its_commands_run() {
    let Some(machine) = Machine::boot() else { return };
    let Some(stage) = Stage::fresh(Engine::Postgres) else { return };
    stage.fill(50, 10);
    // What is unpacked from a release.
    machine.run("mkdir -p /root/sweepd/systemd /root/sweepd/config; mv /usr/bin/sweepd /root/sweepd/");
    machine.run("rm -r /etc/sweepd /etc/systemd/system/sweepd*");
    for unit in ["sweepd.service", "local-database.conf", "sweepd-clean.service", "sweepd-clean.timer"] {
        let text = std::fs::read_to_string(units::directory().join(unit)).expect("a unit");
        machine.write(&format!("/root/sweepd/systemd/{unit}"), &text);
    }
    machine.write("/root/sweepd/config/sweepd.toml", sweepd::config::DEFAULT_FILE);

    let commands = blocks("sh");
    assert!(commands.len() >= 9, "{commands:?}");
    for block in commands {
        assert!(!block.contains("postgresql://") || block.contains(URL), "{block}");
        // All tests share the ports of this host.
        let listen = "printf '[http]\\nlisten = \"127.0.0.1:0\"\\n' >> /etc/sweepd/sweepd.toml\nsystemctl restart";
        let block =
            if block.contains("openssl") { block.replace("systemctl restart", listen) } else { block.to_owned() };
        machine.run(&format!("set -e; cd /root/sweepd; {}", block.replace(URL, stage.database().url())));
        if block.contains("restart sweepd") {
            let status = machine.show("sweepd", "StatusText");
            assert!(status.starts_with("next: sessions at 02:00 UTC"), "{block}: {status}");
        }
    }
    assert!(machine.log().contains("listening http=127.0.0.1:"), "{}", machine.log());
    assert_eq!(machine.show("sweepd", "ActiveState"), "inactive");
    assert_eq!(machine.show("sweepd-clean.timer", "ActiveState"), "active");
    assert_eq!(stage.sessions(), (10, 50), "nothing was deleted on the way");

    let another_time = blocks("ini").into_iter().find(|block| block.contains("OnCalendar")).expect("a timer");
    machine.drop_in("sweepd-clean.timer", another_time);
    machine.run("systemctl restart sweepd-clean.timer");
    let next = machine.run("TZ=UTC systemctl list-timers --no-pager sweepd-clean.timer");
    assert!(next.contains(" 02:3") || next.contains(" 01:3"), "half past three in Paris, by UTC: {next}");
}

#[test]
fn an_sqlite_file_of_the_application_is_swept() {
    let Some(machine) = Machine::boot() else { return };
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    stage.fill(50, 10);
    machine.configure(&stage, EVERY_SECOND, "", "");
    machine.write("/etc/sweepd/credentials/database.url", "sqlite:///srv/app/app.db");
    machine.run("useradd --system app && install -d -o app /srv/app");
    machine.copy(&stage.database().path(), "/srv/app/app.db");
    machine.run("chown app /srv/app/app.db");
    let drop_in = blocks("ini").into_iter().find(|block| block.contains("ReadWritePaths")).expect("a drop-in");
    // And without a network, as the other drop-in has it in its last lines.
    let local = include_str!("../../../systemd/local-database.conf").replace("\n#", "\n");
    assert!(
        local.contains("\nPrivateNetwork=yes\n") && local.contains("\nRestrictAddressFamilies=AF_UNIX\n"),
        "{local}"
    );
    let local: Vec<_> = local.lines().filter(|line| line.contains('=') && !line.contains(' ')).collect();
    machine.drop_in("sweepd.service", &format!("{drop_in}{}\n", local.join("\n")));
    machine.run("systemctl start sweepd");
    assert_eq!(machine.show("sweepd", "PrivateNetwork"), "yes");
    machine.wait_for_log("outcome=completed");
    assert!(machine.log().contains("deletedCount=50"), "{}", machine.log());
    machine.run("systemctl stop sweepd");
}
