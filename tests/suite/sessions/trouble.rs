//! Servers that are away, sweeps at the same time, and many calls at once.

use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use sweepd::clock::{Clock, Stopwatch};
use sweepd::db::{Database, Statement, Trouble};
use sweepd::sessions::{Error, Sessions, Settings};

use super::{App, CENTURIES, add_all, block_on, minutes, now, on_every_engine, open, tokens};
use crate::process::Deadline;
use crate::proxy::Proxy;
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
                        let away = |error: &Error| matches!(error, Error::Database(error) if matches!(error.trouble, Trouble::Connection | Trouble::NoneFree | Trouble::Crowded));
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

/// Connections that are in use are good: there are no others to be made because of those who wait.
#[test]
fn calls_that_wait_for_a_connection_in_vain_open_no_others() {
    on_every_engine(&async |app| {
        app.add("one", "ada", minutes(20));
        let text = "[database]\nmax_connections = 2\nconnect_timeout = \"1s\"\n[jobs.s]\nschedule = \"manual\"\npreset = \"authjs-prisma\"\n\
                    [jobs.s.limits]\nlock_timeout = \"3s\"";
        let sessions = app.sessions_with(text, &Clock::fixed(now()));
        assert!(sessions.touch_session("one").await.unwrap());
        let holder = app.database().session();
        let table = app.name("Session");
        holder.execute(&match app.engine {
            Engine::Sqlite => "BEGIN IMMEDIATE".to_owned(),
            _ => format!("BEGIN; SELECT * FROM {table} FOR UPDATE"),
        });
        let answers = join_all((0..6).map(|_| sessions.revoke_session("one"))).await;
        let count = |wanted| {
            let is = |answer: &&Result<bool, Error>| matches!(answer, Err(Error::Database(error)) if error.trouble == wanted);
            answers.iter().filter(is).count()
        };
        assert!(count(Trouble::NoneFree) >= 4, "{:?} {answers:?}", app.engine);
        assert_eq!(count(Trouble::NoneFree) + count(Trouble::Busy), 6, "{:?} {answers:?}", app.engine);
        holder.execute("COMMIT");
        assert!(sessions.revoke_session("one").await.unwrap());
    });
}

/// `SQLite` has two connections, and one writes.
#[test]
fn reads_go_on_while_changes_wait_for_their_turn() {
    let Some(stage) = Stage::fresh(Engine::Sqlite) else { return };
    let app = App::new(stage);
    app.add("one", "ada", minutes(29));
    let text = "[jobs.s]\nschedule = \"manual\"\npreset = \"authjs-prisma\"\n[jobs.s.limits]\nlock_timeout = \"5s\"";
    let sessions = app.sessions_with(text, &Clock::fixed(now()));
    block_on(async {
        assert!(sessions.touch_session("one").await.unwrap());
        let holder = app.database().session();
        holder.execute("BEGIN IMMEDIATE");
        let changes = join_all((0..4).map(|_| sessions.revoke_session("one")));
        let reads = async {
            let watch = Stopwatch::start();
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                assert_eq!(sessions.user_sessions("ada").await.unwrap().len(), 1);
            }
            holder.execute("COMMIT");
            watch.elapsed()
        };
        let (answers, elapsed) = tokio::join!(changes, reads);
        assert!(elapsed < Duration::from_secs(4), "{elapsed:?}");
        assert_eq!(answers.into_iter().filter(|answer| *answer.as_ref().unwrap()).count(), 1);
    });
}

/// The server has made the change, and nobody hears of it: the second try finds nothing to do, and says what was done.
#[test]
fn a_change_whose_answer_is_lost_is_told_of() {
    for engine in Engine::SERVERS {
        let Some(stage) = Stage::fresh(engine) else { continue };
        let app = App::new(stage);
        app.add("one", "ada", minutes(20));
        let proxy = Proxy::to(engine, app.database().port());
        let url = proxy.url(app.database().url(), app.database().port());
        let mut settings = Settings::new(&url, "authjs-prisma").unwrap();
        settings.clock = Clock::fixed(now());
        settings.spec.max_clock_skew = CENTURIES;
        let sessions = Sessions::new(settings);
        block_on(async {
            assert_eq!(sessions.user_sessions("ada").await.unwrap().len(), 1);
            proxy.lose_answers("UPDATE", 1);
            assert_eq!(sessions.update_user_role("ada", "ADMIN").await.unwrap().changed, ["role"], "{engine:?}");
            assert_eq!(proxy.lost(), 1, "{engine:?}");
            proxy.lose_answers("DELETE", 1);
            assert!(sessions.revoke_session("one").await.unwrap(), "{engine:?}");
            assert_eq!(proxy.lost(), 2, "{engine:?}");
        });
        assert_eq!(app.audit().len(), 2, "{engine:?} {:?}", app.audit());
    }
}

#[test]
fn a_change_that_takes_too_long_is_given_up() {
    on_every_engine(&async |app| {
        let session = app.name("Session");
        app.database().execute(&match app.engine {
            Engine::Postgres => format!(
                "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(20); RETURN OLD; END';
                 CREATE TRIGGER slow BEFORE DELETE ON {session} FOR EACH ROW EXECUTE FUNCTION slow()"
            ),
            Engine::MySql => format!("CREATE TRIGGER slow BEFORE DELETE ON {session} FOR EACH ROW SET @slept = SLEEP(20)"),
            // There is no server to give up.
            Engine::Sqlite => return,
        });
        app.add("one", "ada", minutes(20));
        let text =
            "[jobs.s]\nschedule = \"manual\"\npreset = \"authjs-prisma\"\n[jobs.s.limits]\nstatement_timeout = \"1s\"";
        let error = app.sessions_with(text, &Clock::fixed(now())).revoke_session("one").await.unwrap_err();
        assert!(
            matches!(&error, Error::Database(error) if error.trouble == Trouble::Timeout),
            "{:?} {error:?}",
            app.engine
        );
        assert_eq!(app.tokens(), ["one"]);
    });
}

#[test]
fn a_table_that_cannot_be_used_is_not_looked_at_for_every_call() {
    on_every_engine(&async |app| {
        let (session, away) = (app.name("Session"), app.name("Away"));
        app.database().execute(&format!("ALTER TABLE {session} RENAME TO {away}"));
        let sessions = app.sessions();
        let watch = Stopwatch::start();
        assert!(matches!(sessions.touch_session("one").await, Err(Error::Refused(_))), "{:?}", app.engine);
        app.database().execute(&format!("ALTER TABLE {away} RENAME TO {session}"));
        let again = sessions.touch_session("one").await;
        assert!(again.is_err() || watch.elapsed() > Duration::from_secs(1), "{:?}", app.engine);
        let deadline = Deadline::after(LIMIT);
        while sessions.touch_session("one").await.is_err() {
            assert!(!deadline.has_passed(), "{:?}", app.engine);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}

/// A sequence remembers that it was asked, whatever becomes of the transaction.
#[test]
fn a_change_that_others_were_in_the_way_of_is_tried_once_more() {
    let Some(stage) = Stage::fresh(Engine::Postgres) else { return };
    let app = App::new(stage);
    app.add("one", "ada", minutes(20));
    app.database().execute(
        r#"CREATE SEQUENCE tries;
        CREATE FUNCTION first() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN IF nextval(''tries'') = 1 THEN RAISE EXCEPTION USING ERRCODE = ''40001''; END IF; RETURN OLD; END';
        CREATE TRIGGER first BEFORE DELETE ON "Session" FOR EACH ROW EXECUTE FUNCTION first()"#,
    );
    assert!(block_on(app.sessions().revoke_session("one")).unwrap());
}
