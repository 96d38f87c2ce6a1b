//! sweepd deletes exactly what each library itself takes for expired, in whatever zones its process and its database
//! are. The libraries are real ones: they create their tables, write, and judge.
//!
//! Takes minutes, so it runs where `TEST_SWEEPD_CLIENTS` is set, as `tests/run --clients` does. With the name of a preset
//! in it, only that one is tried. Stores that no zone could mislead are tried in one pair of zones, unless
//! `TEST_SWEEPD_LONG` is set.

mod cases;
mod client;
pub mod install;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use cases::{CASES, Case};
use client::Client;
use serde_json::Value;
use sweepd::preset::{PRESETS, Preset, Verified};
use sweepd::zone::Zone;

use crate::init::presets;
use crate::oneshot::Shell;
use crate::presets::engine_of;
use crate::servers::{Engine, PrivateServer, TestDatabase};

const WORKERS: usize = 4;

/// Where the application's process and its database are.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Zones {
    process: &'static str,
    database: &'static str,
}

/// The first shows most mistakes: what is local time there is neither UTC nor that of the database.
const ZONES: [Zones; 4] = [
    Zones { process: "America/New_York", database: "UTC" },
    Zones { process: "UTC", database: "UTC" },
    Zones { process: "America/New_York", database: "America/New_York" },
    Zones { process: "Asia/Tokyo", database: "Asia/Tokyo" },
];

impl fmt::Display for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.process == self.database {
            return f.pad(self.process);
        }
        f.pad(&format!("{} in {}", self.process, self.database))
    }
}

/// What came of a case.
#[derive(Debug)]
struct Tally {
    written: usize,
    expired: usize,
    deleted: usize,
    /// Live ones that are still there.
    live: usize,
    refused: bool,
    /// Of the library's packages.
    versions: Value,
    /// What is not as the library has it.
    wrong: Vec<String>,
}

#[test]
fn sweepd_deletes_what_each_library_takes_for_expired() {
    let Some(only) = std::env::var_os("TEST_SWEEPD_CLIENTS") else {
        say("skipped: the clients of the stores (tests/run --clients runs them)");
        return;
    };
    let only = only.to_string_lossy().into_owned();
    let wanted = |case: &&Case| matches!(&*only, "" | "1") || case.preset == only;
    let (Some(clients), Some(servers)) = (install::everything(), Servers::start()) else { return };
    let long = std::env::var_os("TEST_SWEEPD_LONG").is_some();
    let zones = |case: &Case| if long || case.is_naive() { &ZONES[..] } else { &ZONES[..1] };
    let cases: Vec<_> =
        CASES.iter().filter(wanted).flat_map(|case| zones(case).iter().map(move |zones| (case, *zones))).collect();

    let queue = Mutex::new(cases.iter().enumerate());
    let lines = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let next = || queue.lock().unwrap().next();
                while let Some((number, (case, zones))) = next() {
                    let tally =
                        servers.database(case.engine, *zones).and_then(|shell| sweep(clients, case, *zones, &shell));
                    lines.lock().unwrap().insert(number, tally);
                }
            });
        }
    });
    report(&cases, &lines.into_inner().unwrap());
}

/// What `init` makes of a database in which four libraries made themselves at home.
#[test]
fn four_libraries_in_one_database_are_found_and_nothing_else() {
    let wanted = matches!(std::env::var("TEST_SWEEPD_CLIENTS").as_deref(), Ok("" | "1"));
    let shell = || Shell::fresh(Engine::Postgres);
    let Some((clients, shell)) = wanted.then(|| install::everything().zip(shell())).flatten() else { return };
    let (zones, name) = (ZONES[1], shell.database.name());
    shell.database.admin().execute(&format!("ALTER DATABASE {name} SET timezone = 'UTC'"));
    let libraries = ["authjs-prisma", "connect-pg-simple", "django", "tower-sessions"].map(|preset| {
        let case = CASES.iter().find(|case| (case.preset, case.engine) == (preset, Engine::Postgres)).expect("a case");
        let client = Client::new(clients, case, zones, shell.database.url());
        let tokens = client.write().expect("tokens");
        let live = &tokens.iter().cloned().collect() - &rejected(&client.judge(&tokens).expect("a judgement"));
        (case, client, live)
    });
    shell.expect(0, &["init"]);
    let text = std::fs::read_to_string(shell.path().join("sweepd.toml")).expect("a configuration");
    let mut found = presets(&text);
    found.sort_unstable();
    // Prisma's schema has the table of verification tokens too.
    assert_eq!(
        found,
        ["authjs-prisma", "authjs-prisma-tokens", "connect-pg-simple", "django", "tower-sessions"],
        "{text}"
    );
    assert!(!text.contains("enabled = false"), "{text}");
    shell.expect(0, &["clean"]);
    for (case, client, live) in libraries {
        let left: Vec<_> = shell.texts(&case.store(zones, name).tokens);
        assert_eq!(left.iter().cloned().collect::<BTreeSet<_>>(), live, "{}", case.preset);
        assert_eq!(rejected(&client.judge(&left).expect("a judgement")), BTreeSet::new(), "{}", case.preset);
    }
}

/// A preset that says that its library was tried has a case on each of its databases, and no other preset has one.
#[test]
fn presets_say_which_of_them_are_tried() {
    assert!(CASES.iter().all(|case| Preset::find(case.preset).is_some()));
    for preset in PRESETS {
        let tried = |engine| CASES.iter().any(|case| case.preset == preset.name && engine_of(case.engine) == engine);
        let all: Vec<_> = preset.stores.iter().map(|store| tried(store.engine)).collect();
        let wanted = preset.verified == Verified::Conformance;
        assert!(all.iter().all(|tried| *tried == wanted), "{}: {all:?}", preset.name);
    }
}

/// One case: the library writes and judges, sweepd deletes, the library judges again.
fn sweep(clients: &Path, case: &Case, zones: Zones, shell: &Shell) -> Result<Tally, String> {
    let client = Client::new(clients, case, zones, shell.database.url());
    let tokens = client.write()?;
    let versions = if zones == ZONES[0] { client.versions()? } else { Value::Null };
    let expired = rejected(&client.judge(&tokens)?);

    let store = case.store(zones, shell.database.name());
    shell.job(&store.job);
    let said = shell.call(&["clean", "--json"]);
    let answer: Value = serde_json::from_str(&said.stdout).map_err(|error| format!("{error}: {}", said.stderr))?;
    let refused = said.code != 0;
    if refused != case.is_refused(zones) {
        return Err(format!("sweepd: {}", answer["runs"][0]["error"]));
    }

    let left: BTreeSet<_> = shell.database.texts(&store.tokens).into_iter().flatten().collect();
    let gone: BTreeSet<_> = tokens.iter().filter(|token| !left.contains(*token)).cloned().collect();
    let kept: Vec<_> = left.iter().cloned().collect();
    let lost = &rejected(&client.judge(&kept)?) - &expired;
    let late = if refused { BTreeSet::new() } else { &expired - &gone };
    let mut wrong = Vec::new();
    for (what, tokens) in
        [("gone, and live", &gone - &expired), ("left, and expired", late), ("no longer accepted", lost)]
    {
        if !tokens.is_empty() {
            wrong.push(format!("{what}: {tokens:?}"));
        }
    }
    if answer["deletedCount"] != gone.len() {
        wrong.push(format!("sweepd counts {} rows, and {} are gone", answer["deletedCount"], gone.len()));
    }
    let live = left.difference(&expired).count();
    Ok(Tally { written: tokens.len(), expired: expired.len(), deleted: gone.len(), live, refused, versions, wrong })
}

fn rejected(judged: &BTreeMap<String, bool>) -> BTreeSet<String> {
    judged.iter().filter(|(_, accepted)| !**accepted).map(|(token, _)| token.clone()).collect()
}

/// A MySQL server for each zone: it has one for the connections to all of its databases.
struct Servers(Vec<(&'static str, PrivateServer)>);

impl Servers {
    fn start() -> Option<Self> {
        let zones: BTreeSet<_> = ZONES.iter().map(|zones| zones.database).collect();
        let start = |zone| {
            let server = PrivateServer::start(Engine::MySql)?;
            server.admin().execute(&format!("SET GLOBAL time_zone = '{}'", offset(zone)));
            Some((zone, server))
        };
        zones.into_iter().map(start).collect::<Option<_>>().map(Self)
    }

    fn database(&self, engine: Engine, zones: Zones) -> Result<Shell, String> {
        let server = self.0.iter().find(|(zone, _)| engine == Engine::MySql && *zone == zones.database);
        let database = match server {
            Some((_, server)) => server.fresh(),
            None => TestDatabase::fresh(engine).ok_or("no server")?,
        };
        if engine == Engine::Postgres {
            let (name, zone) = (database.name(), zones.database);
            database.admin().execute(&format!("ALTER DATABASE {name} SET timezone = '{zone}'"));
        }
        Ok(Shell::on(database))
    }
}

/// The zone's offset today, because a server knows zones by name only where somebody has loaded them.
#[allow(clippy::disallowed_methods, reason = "the servers of the tests live in real time")]
fn offset(zone: &str) -> String {
    Zone::parse(zone).expect("a zone").local(chrono::Utc::now()).format("%:z").to_string()
}

/// Prints the table, and fails when a line of it is not as it should be.
fn report(cases: &[(&Case, Zones)], tallies: &BTreeMap<usize, Result<Tally, String>>) {
    let versions = tallies.values().flatten().filter_map(|tally| tally.versions.as_object()).flatten();
    let versions: BTreeSet<_> = versions.map(|(name, version)| format!("{name} {version}")).collect();
    say(&versions.into_iter().collect::<Vec<_>>().join(", "));

    let mut troubles = Vec::new();
    say("preset                           engine    zone                     written  expired  deleted  live kept");
    for (number, tally) in tallies {
        let (case, zones) = &cases[*number];
        let engine = format!("{:?}", case.engine);
        let start = format!("{:<32} {engine:<9} {zones:<24}", case.label());
        match tally {
            Ok(Tally { written, expired, deleted, live, refused, wrong, .. }) => {
                let refused = if *refused { "  refused" } else { "" };
                say(&format!("{start} {written:>7} {expired:>8} {deleted:>8} {live:>10}{refused}"));
                troubles.extend(wrong.iter().map(|wrong| format!("{start} {wrong}")));
            }
            Err(error) => troubles.push(format!("{start} {error}")),
        }
    }
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
}

/// Not `eprintln!`, which the test runner hides for tests that pass.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
