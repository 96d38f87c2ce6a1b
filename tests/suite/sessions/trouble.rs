//! Servers that are away, sweeps at the same time, and many calls at once.

use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use sweepd::clock::{Clock, Stopwatch};
use sweepd::db::{Database, Statement, Trouble};
use sweepd::sessions::Error;

use super::{add_all, block_on, minutes, on_every_engine, open, tokens};
use crate::process::Deadline;
use crate::servers::{Engine, TestDatabase};
use crate::stage::{LIMIT, Stage, on_a_private_server};

#[test]
fn a_server_that_was_restarted_between_two_calls_is_found_again() {
    for engine in Engine::SERVERS {
        on_a_private_server(engine, |server, stage| {
            stage.fill(0, 3);
            let sessions = open(stage.database(), "", &Clock::system());
            block_on(async {
                assert!(sessions.touch_session("live-0").await.unwrap());
                server.kill();
                server.restart();
                assert!(sessions.touch_session("live-0").await.unwrap(), "{engine:?}");
                server.stop();
                server.restart();
                // A change too, once.
                assert!(sessions.revoke_session("live-0").await.unwrap(), "{engine:?}");
                assert_eq!(sessions.user_sessions("ada").await.unwrap().len(), 2);
            });
            assert_eq!(stage.audit().len(), 1);
        });
    }
}

/// Each alone waits for a second or so until it is sure that the server is away.
#[test]
fn a_thousand_calls_share_one_attempt_to_connect() {
    for engine in Engine::SERVERS {
        on_a_private_server(engine, |server, stage| {
            stage.fill(0, 3);
            let text = "[database]\nconnect_timeout = \"3s\"";
            let limit = Duration::from_secs(20);
            let (used, fresh) =
                (open(stage.database(), text, &Clock::system()), open(stage.database(), text, &Clock::system()));
            block_on(async {
                assert!(used.touch_session("live-1").await.unwrap());
                server.kill();
                let watch = Stopwatch::start();
                for sessions in [&used, &fresh] {
                    let calls = join_all((0..1000).map(|_| sessions.touch_session("live-1")));
                    for answer in tokio::time::timeout(limit, calls).await.expect("one attempt") {
                        let away = |error: &Error| matches!(error, Error::Database(error) if matches!(error.trouble, Trouble::Connection | Trouble::Crowded));
                        assert!(answer.as_ref().is_err_and(away), "{engine:?} {answer:?}");
                    }
                }
                assert!(watch.elapsed() < limit, "{engine:?}: {:?}", watch.elapsed());
                server.restart();
                for sessions in [&used, &fresh] {
                    assert!(sessions.touch_session("live-1").await.unwrap(), "{engine:?}");
                }
            });
        });
    }
}

#[test]
fn many_touches_of_one_session_at_once_find_it_alive() {
    on_every_engine(&async |app| {
        let sessions = app.sessions();
        for round in 0..5 {
            let token = format!("t{round}");
            app.add(&token, "ada", minutes(1));
            let answers = join_all((0..40).map(|_| sessions.touch_session(&token))).await;
            assert!(answers.into_iter().all(|alive| alive.unwrap()), "{:?}", app.engine);
        }
        assert_eq!(sessions.user_sessions("ada").await.unwrap().len(), 5);
    });
}

/// What a touch says holds: alive, then no sweep takes it for half an hour; dead, then nobody brings it back.
#[test]
fn touches_and_sweeps_never_contradict_each_other() {
    crate::stage::on_every_engine(|stage| {
        let engine = stage.database().engine();
        // They expire one after the other, while both are at work.
        let ends: Vec<_> = (1..=300).map(|n| Clock::system().now() + TimeDelta::milliseconds(1000 + 10 * n)).collect();
        add_all(stage, &ends);
        let answers = thread::scope(|scope| {
            let touches = scope.spawn(|| touch_all(stage, &ends));
            while !touches.is_finished() {
                let mut clean = stage.clean("nice = 0", "");
                assert!(matches!(clean.exit_code(LIMIT), 0 | 3), "{engine:?} {}", clean.output());
            }
            touches.join().unwrap()
        });
        assert_eq!(stage.clean("", "").exit_code(LIMIT), 0);
        let mut alive: Vec<_> = answers.iter().filter(|(_, alive)| *alive).map(|(token, _)| token.clone()).collect();
        alive.sort();
        assert!(!alive.is_empty() && alive.len() < ends.len(), "{engine:?}: {} of {}", alive.len(), ends.len());
        assert_eq!(tokens(stage), alive, "{engine:?}");
    });
}

/// Touches each session at about the moment at which it expires, some earlier and some later.
fn touch_all(stage: &Stage, ends: &[DateTime<Utc>]) -> Vec<(String, bool)> {
    let sessions = open(stage.database(), "", &Clock::system());
    block_on(async {
        let one = async |(number, end): (usize, &DateTime<Utc>)| {
            let spread = i64::try_from(number * 7919 % 400).unwrap() - 200;
            let wait = *end + TimeDelta::milliseconds(spread) - Clock::system().now();
            tokio::time::sleep(wait.to_std().unwrap_or_default()).await;
            let token = format!("t{number}");
            let alive = sessions.touch_session(&token).await.unwrap();
            (token, alive)
        };
        join_all(ends.iter().enumerate().map(one)).await
    })
}

/// One that sat there through the night is half-open in the morning.
#[test]
fn a_connection_that_nobody_uses_is_ended() {
    for engine in Engine::SERVERS {
        let Some(database) = TestDatabase::fresh(engine) else { continue };
        let mut settings = sweepd::sessions::Settings::new(database.url(), "authjs-prisma").unwrap().database;
        settings.idle_timeout = Some(Duration::from_millis(300));
        let name = database.name();
        let others = match engine {
            Engine::Postgres => {
                format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()")
            }
            _ => format!(
                "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = '{name}' AND ID <> CONNECTION_ID()"
            ),
        };
        let admin = database.admin();
        block_on(async {
            let kept = Database::connect(&settings).await.unwrap();
            assert_eq!(admin.count(&others), 1, "{engine:?}");
            let deadline = Deadline::after(LIMIT);
            while admin.count(&others) > 0 {
                assert!(!deadline.has_passed(), "{engine:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            // And made anew when it is needed.
            kept.read(Statement::text(kept.engine(), "SELECT 1")).await.unwrap();
        });
    }
}
