//! A paused job: its instants are skipped, a run of it ends, and a person can still run it.

use std::process::Output;

use crate::process::sweepd;
use crate::stage::{EVERY_SECOND, LIMIT, NEVER, Stage, on_every_engine, stop, wait};

fn call(stage: &Stage, arguments: &[&str]) -> String {
    let file = stage.directory().join("sweepd.toml");
    let Output { status, stdout, stderr } =
        sweepd().arg("--config").arg(file).args(arguments).output().expect("sweepd runs");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text")
}

#[test]
pub fn the_instants_of_a_paused_job_are_skipped_until_it_is_resumed() {
    on_every_engine(|stage| {
        stage.fill(3, 2);
        stage.configure(NEVER, "", "");
        assert!(call(stage, &["pause", "sessions"]).contains("sessions is paused until"));
        assert!(call(stage, &["pause", "sessions"]).contains("was paused already"));
        let mut daemon = stage.daemon(EVERY_SECOND, "", "");
        daemon.wait_for_output("not run: the job is paused since", LIMIT);
        wait(&mut daemon, "no instant is skipped", || stage.runs().iter().any(|run| run.state == "skipped"));
        assert_eq!(stage.sessions(), (2, 3));
        // Who asks for it at a terminal means it.
        call(stage, &["clean", "sessions"]);
        assert_eq!(stage.sessions(), (2, 0));
        stage.fill_again();
        assert!(call(stage, &["resume"]).contains("sessions is resumed"));
        assert!(call(stage, &["resume"]).contains("was not paused"));
        stage.wait_until_swept(&mut daemon);
        stop(&mut daemon);
        let runs = stage.runs();
        assert!(runs.iter().filter(|run| run.state == "skipped").all(|run| run.trigger == "schedule"), "{runs:?}");
        assert!(runs.iter().all(|run| run.trigger != "catch-up"), "{runs:?}");
        stage.assert_gone(4);
    });
}

#[test]
pub fn a_pause_ends_a_run_between_two_batches() {
    on_every_engine(|stage| {
        stage.fill(2000, 2);
        let mut daemon = stage.daemon(EVERY_SECOND, "max_rows_per_second = 200", "");
        stage.wait_for_progress(&mut daemon);
        call(stage, &["pause", "sessions"]);
        daemon.wait_for_output("run ended early", LIMIT);
        let before = stage.balance();
        assert!(before.left > 0);
        // The instants that come are skipped.
        let skipped = || stage.runs().iter().filter(|run| run.state == "skipped").count();
        let enough = skipped() + 2;
        wait(&mut daemon, "no instant is skipped", || skipped() >= enough);
        assert_eq!(stage.balance(), before);
        call(stage, &["resume", "sessions"]);
        wait(&mut daemon, "nothing runs again", || stage.balance().left < before.left);
        stop(&mut daemon);
        stage.assert_counts(2000);
        let stopped = stage.runs().into_iter().find(|run| run.stopped_by.as_deref() == Some("paused"));
        assert!(stopped.is_some_and(|run| run.state == "partial"));
    });
}
