//! What changes something has to come from a page of ours, and from somebody who may.

use super::visitor::Visitor;
use crate::http::called::{Called, READ_SECRET, SECRET, SLOWLY};
use crate::servers::Engine;
use crate::stage::{Stage, on_every_engine};

const BUTTONS: [&str; 4] = ["run", "dry-run", "pause", "resume"];

#[test]
fn a_form_that_is_not_ours_changes_nothing() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    stage.fill(3, 2);
    let mut called = Called::start(&stage, "", "");
    let (visitor, other) = (Visitor::with(&called, SECRET), Visitor::with(&called, SECRET));
    let (token, others) = (format!("token={}", visitor.token()), format!("token={}", other.token()));
    let cases = [
        ("", "", "this button is of another log-in"),
        ("", "token=", "this button is of another log-in"),
        ("", &*others, "this button is of another log-in"),
        ("Origin: http://localhost:1\r\n", &*token, "asked for by a page of another site"),
        ("Origin: null\r\n", &*token, "asked for by a page of another site"),
        ("Sec-Fetch-Site: same-site\r\n", &*token, "asked for by a page of another site"),
        ("Sec-Fetch-Site: cross-site\r\nOrigin: http://localhost\r\n", &*token, "asked for by a page of another site"),
    ];
    for (headers, form, part) in cases {
        for path in
            BUTTONS.map(|button| format!("/jobs/sessions/{button}")).iter().map(String::as_str).chain(["/logout"])
        {
            let answer = visitor.send("POST", path, headers, form);
            assert_eq!(answer.status, 403, "{path} {headers} {form}: {answer:?}");
            assert!(answer.body.starts_with("<!DOCTYPE html>") && answer.body.contains(part), "{answer:?}");
        }
    }
    for headers in ["Origin: http://localhost:1\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        let answer = Visitor::new(&called).send("POST", "/login", headers, &format!("secret={SECRET}"));
        assert_eq!((answer.status, answer.header("set-cookie")), (403, None), "{answer:?}");
    }
    let json = "Content-Type: application/json\r\n";
    assert_eq!(visitor.send("POST", "/jobs/sessions/run", json, "{}").status, 415);
    let unknown = visitor.press("/jobs/sessions/nonsense");
    assert!(unknown.status == 404 && unknown.body.contains("there is no such button"), "{unknown:?}");
    assert_eq!(visitor.press("/jobs/nobody/run").status, 404);
    assert!(called.get("/api/jobs/sessions").json()["paused"].is_null());
    called.stop();
    assert_eq!((stage.sessions(), stage.runs()), ((2, 3), vec![]));
}

#[test]
fn who_may_only_read_has_no_buttons_and_cannot_press_them() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    stage.fill(3, 2);
    let mut called = Called::start(&stage, "", "");
    let reader = Visitor::with(&called, READ_SECRET);
    for path in ["/", "/jobs/sessions"] {
        let page = reader.page(path);
        assert!(page.contains("read only") && !page.contains("formaction"), "{page}");
    }
    for button in BUTTONS {
        let answer = reader.press(&format!("/jobs/sessions/{button}"));
        assert!(answer.status == 403 && answer.body.contains("http.read_secret, which only reads"), "{answer:?}");
    }
    called.stop();
    assert_eq!((stage.sessions(), stage.runs()), ((2, 3), vec![]));
}

#[test]
fn the_buttons_do_what_the_calls_of_the_api_do() {
    on_every_engine(|stage| {
        stage.fill(1200, 5);
        let mut called = Called::start(stage, SLOWLY, "");
        let visitor = Visitor::with(&called, SECRET);
        let press = |button: &str, place: &str| {
            let answer = visitor.press(&format!("/jobs/sessions/{button}"));
            assert_eq!((answer.status, answer.header("location")), (303, Some(place)), "{answer:?}");
        };
        let told = |page: &str| {
            let notice = page
                .split(r#"role="status">"#)
                .skip(1)
                .find_map(|rest| rest.split("</p>").next().filter(|text| !text.is_empty()));
            notice.map(str::to_owned)
        };
        press("dry-run", "/jobs/sessions#dry-run");
        let page = visitor.page("/jobs/sessions");
        assert!(
            page.contains("A run would delete <strong>1,200 rows</strong>") && page.contains("DELETE FROM"),
            "{page}"
        );

        press("pause", "/#job-sessions");
        let page = visitor.page("/");
        assert!(told(&page).is_some_and(|text| text.starts_with("Paused, in all processes")), "{page}");
        assert!(page.contains("none: paused") && page.contains("/jobs/sessions/resume"), "{page}");
        assert_eq!(told(&visitor.page("/")), None, "it is told once");
        press("run", "/#job-sessions");
        let page = visitor.page("/");
        assert!(told(&page).is_some_and(|text| text.starts_with("Not run: sessions is paused since")), "{page}");
        press("resume", "/#job-sessions");
        assert_eq!(told(&visitor.page("/")).as_deref(), Some("Resumed: it runs at its next instant."));

        // The run belongs to nobody: it goes on, and the page shows it.
        press("run", "/#job-sessions");
        let page = visitor.page("/");
        assert_eq!(told(&page).as_deref(), Some("The run has begun."));
        assert!(page.contains("<progress") && page.contains(r#"<noscript><meta http-equiv="refresh""#), "{page}");
        let live = visitor.page("/live");
        assert!(live.contains("id=\"progress-sessions\"") && live.len() < 2000, "{live}");
        press("run", "/#job-sessions");
        assert!(told(&visitor.page("/")).is_some_and(|text| text == "Not run: a run of sessions is active."));
        called.get_until("/api/jobs/sessions", |job| job.json()["lastRun"]["outcome"] == "completed");
        let page = visitor.page("/jobs/sessions");
        assert!(page.contains("1,200 rows in") && !page.contains("<progress"), "{page}");
        called.stop();
        assert_eq!(stage.assert_counts(1200), 1200);
    });
}
