//! The daemon follows its configuration while somebody edits it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::{Deadline, Process, sweepd};
use crate::servers::Engine;
use crate::stage::{LIMIT, NEVER, Stage};

const EVERY_SECOND: &str = "* * * * * *";
/// An edit is followed within two seconds; the machine may be busy.
const SOON: Duration = Duration::from_secs(6);
const LOADED: &str = "the configuration was loaded anew";
const REFUSED: &str = "the configuration was edited and cannot be used";

fn stage() -> Stage {
    let stage = Stage::fresh(Engine::Sqlite).expect("a file");
    stage.fill(5, 5);
    stage
}

fn run(file: &Path) -> Process {
    let mut command = sweepd();
    command.arg("--config").arg(file).arg("run");
    let mut daemon = Process::spawn(command);
    daemon.wait_for_output("is ready", LIMIT);
    daemon
}

fn stop(daemon: &mut Process) {
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code(Duration::from_secs(8)), 0, "{}", daemon.output());
}

fn count(daemon: &Process, text: &str) -> usize {
    daemon.output().matches(text).count()
}

/// Waits until the output has `text` `times` times.
fn wait_for(daemon: &Process, text: &str, times: usize) {
    let deadline = Deadline::after(SOON);
    while count(daemon, text) < times {
        assert!(!deadline.has_passed(), "not {times} times {text:?} within {SOON:?}:\n{}", daemon.output());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The text of a configuration that sweeps every second.
fn busy(text: &str) -> String {
    let edited = text.replace(&format!("\"{NEVER}\""), &format!("\"{EVERY_SECOND}\""));
    assert_ne!(edited, text);
    edited
}

fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).expect("a new file");
    fs::rename(new, file).expect("it takes the place of the old one");
}

#[test]
fn an_edit_is_followed_however_it_is_made() {
    let edits: [(&str, fn(&Path, &str)); 2] =
        [("in place", |file, text| fs::write(file, text).expect("it is written")), ("renamed", replace)];
    for (how, edit) in edits {
        let stage = stage();
        let file = stage.configure(NEVER, "", "");
        let text = fs::read_to_string(&file).expect("the configuration");
        let mut daemon = run(&file);
        edit(&file, &busy(&text));
        wait_for(&daemon, LOADED, 1);
        stage.wait_until_swept(&mut daemon);
        stop(&mut daemon);
        assert_eq!(stage.sessions(), (5, 0), "{how}");
    }
}

#[test]
fn kubernetes_swaps_a_link() {
    let stage = stage();
    let text = fs::read_to_string(stage.configure(NEVER, "", "")).expect("the configuration");
    let mount = tempfile::tempdir().expect("a directory");
    let version = |name: &str, text: &str| {
        fs::create_dir(mount.path().join(name)).expect("a directory");
        fs::write(mount.path().join(name).join("sweepd.toml"), text).expect("a file");
    };
    version("..2026_1", &text);
    symlink("..2026_1", mount.path().join("..data")).expect("a link");
    symlink("..data/sweepd.toml", mount.path().join("sweepd.toml")).expect("a link");
    let mut daemon = run(&mount.path().join("sweepd.toml"));

    version("..2026_2", &busy(&text));
    symlink("..2026_2", mount.path().join("..data_tmp")).expect("a link");
    fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data")).expect("it is swapped");
    wait_for(&daemon, LOADED, 1);
    stage.wait_until_swept(&mut daemon);
    stop(&mut daemon);
}

#[test]
fn sighup_loads_it_anew_and_the_level_of_the_log_follows() {
    let stage = stage();
    let file = stage.configure(NEVER, "", "[log]\nlevel = \"info\"");
    let text = fs::read_to_string(&file).expect("the configuration");
    let mut daemon = run(&file);
    daemon.signal("HUP");
    wait_for(&daemon, LOADED, 1);
    assert_eq!(count(&daemon, "\"batch\"") + count(&daemon, "batch job="), 0, "{}", daemon.output());
    fs::write(&file, busy(&text).replace("level = \"info\"", "level = \"debug\"")).expect("it is written");
    wait_for(&daemon, LOADED, 2);
    daemon.wait_for_output("batch job=", SOON);
    stop(&mut daemon);
}

#[test]
fn a_bad_edit_changes_nothing_is_loud_and_the_next_good_one_counts() {
    let stage = stage();
    let file = stage.configure(EVERY_SECOND, "", "");
    let text = fs::read_to_string(&file).expect("the configuration");
    let mut daemon = run(&file);
    let half = &text[..text.find("[jobs.sessions.limits]").expect("limits") - 30];
    let without_jobs = &text[..text.find("[jobs").expect("jobs")];
    let bad: [(&str, &str); 5] = [
        ("nonsense [", "sweepd.toml:1:"),
        (half, "sweepd.toml"),
        ("", "none of the jobs"),
        (without_jobs, "none of the jobs"),
        (&text.replace(EVERY_SECOND, "0 0 31 2 *"), "never"),
    ];
    let mut refused = 0;
    for (text, reason) in bad {
        // Without a database the built-in job is an error of its own.
        let url = text.is_empty();
        fs::write(&file, text).expect("it is written");
        refused += 1;
        wait_for(&daemon, REFUSED, refused);
        assert!(url || daemon.output().contains(reason), "{text:?}:\n{}", daemon.output());
    }
    fs::remove_file(&file).expect("it is removed");
    wait_for(&daemon, REFUSED, refused + 1);

    // It still does what it did.
    stage.wait_until_swept(&mut daemon);
    stage.fill_again();
    stage.wait_until_swept(&mut daemon);
    fs::write(&file, text.replace(EVERY_SECOND, NEVER)).expect("it is written");
    wait_for(&daemon, LOADED, 1);
    stop(&mut daemon);
    assert_eq!(stage.sessions(), (5, 0));
}

#[test]
fn a_run_keeps_its_settings_and_a_job_that_is_removed_finishes_its_batch() {
    let Some(stage) = Stage::fresh(Engine::Postgres) else { return };
    let rows = 200_000;
    stage.fill(rows, 5);
    let slow = "max_rows_per_second = 20000";
    let file = stage.configure(EVERY_SECOND, slow, "");
    let text = fs::read_to_string(&file).expect("the configuration");
    let mut daemon = run(&file);
    stage.wait_for_progress(&mut daemon);

    // The limit of the next run.
    fs::write(&file, text.replace(slow, "max_rows = 1")).expect("it is written");
    wait_for(&daemon, LOADED, 1);
    let before = stage.runs()[0].deleted;
    stage.wait_for_runs(&mut daemon, |runs| runs[0].deleted > before + 1);

    let other = text.replace("[jobs.sessions", "[jobs.others").replace(EVERY_SECOND, NEVER);
    let both = format!("{text}\n{}", &other[other.find("[jobs").expect("jobs")..]);
    fs::write(&file, both).expect("it is written");
    wait_for(&daemon, LOADED, 2);
    fs::write(&file, other).expect("it is written");
    wait_for(&daemon, LOADED, 3);
    let runs = stage.wait_for_runs(&mut daemon, |runs| runs.iter().all(|run| run.state != "running"));
    assert_eq!((&*runs[0].state, runs[0].stopped_by.as_deref()), ("partial", Some("shutdown")), "{runs:?}");
    stop(&mut daemon);
    assert_eq!(stage.sessions().0, 5);
    stage.assert_counts(rows);
}

/// A file that is replaced many times, every second time with something broken.
#[test]
fn many_edits_end_with_the_last_good_one() {
    let stage = stage();
    let file = stage.configure(EVERY_SECOND, "", "");
    let text = fs::read_to_string(&file).expect("the configuration");
    let mut daemon = run(&file);
    let versions = |number: usize| match number % 4 {
        0 => text.clone(),
        1 => text[..text.len() * (number % 97) / 97].to_owned(),
        2 => text.replace("[jobs.sessions.limits]", &format!("[jobs.sessions.limits]\nmax_rows = {}", number + 1)),
        _ => format!("{text}\n[nonsense]\n"),
    };
    for number in 0..200 {
        if number % 3 == 0 {
            replace(&file, &versions(number));
        } else {
            fs::write(&file, versions(number)).expect("written");
        }
        std::thread::sleep(Duration::from_millis(u64::try_from(number % 7).expect("small") * 5));
    }
    fs::write(&file, text.replace("[jobs.sessions.limits]", "[jobs.sessions.limits]\nmax_rows = 7")).expect("written");
    let loaded = count(&daemon, LOADED);
    wait_for(&daemon, LOADED, loaded + 1);
    stage.wait_until_swept(&mut daemon);
    let before = stage.runs().len();
    stage.database().execute(&crate::stage::insert(Engine::Sqlite, "expired", 50, -1));
    stage.wait_for_runs(&mut daemon, |runs| runs[before..].iter().any(|run| run.deleted == 7));
    let runs = stage.wait_for_runs(&mut daemon, |runs| runs.len() > before + 2);
    stop(&mut daemon);
    assert_eq!(stage.sessions().0, 5);

    let mut instants: Vec<_> = runs.iter().filter_map(|run| run.scheduled_for).collect();
    instants.sort_unstable();
    let lost: Vec<_> = instants.windows(2).filter(|pair| pair[1] - pair[0] > 1).collect();
    assert!(lost.is_empty(), "no instant is lost: {lost:?} of {instants:?}");
}

/// Not one of those that are watched for: the file's directory is another.
#[test]
fn a_link_to_a_file_elsewhere_is_followed() {
    let stage = stage();
    let file = stage.configure(NEVER, "", "");
    let text = fs::read_to_string(&file).expect("the configuration");
    let elsewhere = tempfile::tempdir().expect("a directory");
    let link: PathBuf = elsewhere.path().join("link.toml");
    symlink(&file, &link).expect("a link");
    let mut daemon = run(&link);
    fs::write(&file, busy(&text)).expect("it is written");
    wait_for(&daemon, LOADED, 1);
    stop(&mut daemon);
}

/// As in a container: the file itself is mounted, and whoever edits it does so elsewhere.
#[test]
fn a_file_that_is_mounted_by_itself_is_followed() {
    let stage = stage();
    let file = stage.configure(NEVER, "", "");
    let text = fs::read_to_string(&file).expect("the configuration");
    let mount = tempfile::tempdir().expect("a directory");
    let inside = mount.path().join("sweepd.toml");
    fs::write(&inside, "").expect("a place for it");
    let script = r#"mount --bind "$1" "$2" || exit 77; exec "$3" --config "$2" run"#;
    let mut command = std::process::Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).args([&file, &inside]).arg(env!("CARGO_BIN_EXE_sweepd"));
    let mut daemon = Process::spawn(command);
    let deadline = Deadline::after(LIMIT);
    while !daemon.output().contains("is ready") {
        if let Some(ended) = daemon.wait_timeout(Duration::from_millis(10)) {
            eprintln!("skipped: this user may not mount a file ({ended})");
            return;
        }
        assert!(!deadline.has_passed(), "{}", daemon.output());
    }
    fs::write(&file, busy(&text)).expect("it is written");
    wait_for(&daemon, LOADED, 1);
    stage.wait_until_swept(&mut daemon);
    stop(&mut daemon);
}
