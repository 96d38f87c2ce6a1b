//! What the pages show, and how they are sent.

use super::visitor::Visitor;
use crate::http::called::{Called, SECRET};
use crate::http::daemon::said;
use crate::servers::Engine;
use crate::stage::{LIMIT, Stage};

/// A job whose table is not there.
const BROKEN: &str = "[jobs.broken]\nschedule = \"manual\"\npreset = \"authjs-prisma\"\ntable = \"Absent\"";

fn stage() -> Stage {
    Stage::fresh(Engine::Sqlite).expect("SQLite is built in")
}

#[test]
fn problems_come_first_and_all_is_well_without_any() {
    let stage = stage();
    stage.fill(10, 5);
    let mut called = Called::start(&stage, "", BROKEN);
    let visitor = Visitor::with(&called, SECRET);
    called.get_until("/api/jobs", |jobs| !jobs.json()["jobs"][1]["statistics"].is_null());
    called.post("/api/jobs/sessions/runs");
    let page = visitor.page("/");
    assert!(page.contains("All is well") && page.contains("2 jobs. Next: sessions "), "{page}");
    for part in [
        "<strong>5</strong> active, <strong>",
        "10 rows in",
        "<title>Rows deleted by sessions in its only run: last 10, most 10</title>",
        "only when asked for",
        "No run yet.",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(called.post("/api/jobs/broken/runs").status, 500);
    let page = visitor.page("/");
    let (problem, jobs) = (page.find("1 problem").expect("a problem"), page.find(r#"id="jobs""#).expect("jobs"));
    assert!(problem < jobs && page.contains("<title>1 problem · sweepd on "), "{page}");
    assert!(page.contains("The last run failed: ") && page.contains("Absent"), "{page}");
    let path = stage.directory().join("sweepd.toml");
    let text = std::fs::read_to_string(&path).expect("a configuration");
    std::fs::write(&path, text.replace("@yearly", "never & <b>ever</b>")).expect("it is written");
    called.daemon.signal("HUP");
    said(&called.daemon, "cannot be used, so the one from before", 1);
    let page = visitor.page("/");
    assert!(page.contains("2 problems") && page.contains("The configuration was edited and cannot be used"), "{page}");
    assert!(page.contains("&lt;b&gt;ever") && !page.contains("<b>ever"), "{page}");
    called.stop();
}

#[test]
fn nothing_that_a_database_says_becomes_markup() {
    let stage = stage();
    let mut called = Called::start(&stage, "", "");
    called.post("/api/jobs/sessions/runs");
    stage.database().execute(
        r#"UPDATE sweepd_run SET state = 'failed', error = '<script>alert(1)</script> & more', host = '"><img src=x>'"#,
    );
    stage.database().execute(
        "INSERT INTO sweepd_paused SELECT target, job, '</p><script>x</script>', '2026-01-02T03:04:05.000Z' FROM sweepd_run",
    );
    let visitor = Visitor::with(&called, SECRET);
    called.get_until("/api/jobs", |jobs| jobs.json()["jobs"][0]["lastRun"]["outcome"] == "failed");
    for path in ["/", "/jobs/sessions", "/live"] {
        let page = visitor.page(path);
        assert_eq!(page.matches("<script").count(), usize::from(path != "/live"), "{page}");
        assert!(!page.contains("<img") && !page.contains("style="), "{page}");
    }
    let page = visitor.page("/jobs/sessions");
    for part in
        ["&lt;script&gt;alert(1)&lt;/script&gt; &amp; more", "&quot;&gt;&lt;img src=x&gt;", "&lt;/p&gt;&lt;script"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    called.stop();
}

#[test]
fn a_browser_is_kept_to_what_is_ours() {
    let stage = stage();
    let mut called = Called::start(&stage, "", "");
    let visitor = Visitor::with(&called, SECRET);
    let page = visitor.get("/");
    for path in ["/", "/jobs/sessions", "/live", "/login", "/nothing/here"] {
        let answer = if path == "/login" { Visitor::new(&called).get(path) } else { visitor.get(path) };
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}: {answer:?}");
        }
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'; base-uri 'none'"), "{policy}");
    }
    let assets: Vec<_> = page.body.split("/assets/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(assets.len(), 3, "{assets:?}");
    for asset in assets {
        let answer = Visitor::new(&called).get(&format!("/assets/{asset}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"), "{answer:?}");
    }
    let head = visitor.send("HEAD", "/", "", "");
    assert_eq!((head.status, &*head.body), (200, ""));
    assert_eq!(head.header("content-length"), page.header("content-length"));
    called.stop();
}

#[test]
fn people_get_errors_as_pages_and_programs_as_json() {
    let stage = stage();
    let mut called = Called::start(&stage, "", "");
    let visitor = Visitor::with(&called, SECRET);
    let cases = [
        ("GET", "/nothing/here", 404, "Not Found"),
        ("GET", "/jobs/nobody", 404, "there is no enabled job &quot;nobody&quot;"),
        ("GET", "/assets/nothing", 404, "there is no such file"),
        ("GET", "/logout", 405, "Method Not Allowed"),
        ("PUT", "/", 405, "Method Not Allowed"),
        ("GET", "/jobs/%ff", 400, "Bad Request"),
    ];
    for (method, path, status, part) in cases {
        let answer = visitor.send(method, path, "", "");
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(answer.body.starts_with("<!DOCTYPE html>") && answer.body.contains(part), "{path}: {answer:?}");
    }
    assert_eq!(called.place.call("GET", "/nothing/here", None, "").error(), "Not Found");
    for path in ["/api/jobs", "/api/nothing", "/metrics"] {
        assert!(!visitor.get(path).error().is_empty(), "{path}");
    }
    called.stop();
}

#[test]
fn a_database_that_is_away_hides_nothing_that_was_known() {
    let stage = stage();
    stage.fill(7, 5);
    let mut called = Called::start(&stage, "", "");
    let visitor = Visitor::with(&called, SECRET);
    called.post("/api/jobs/sessions/runs");
    assert!(visitor.page("/").contains("7 rows in"));
    let path = stage.database().path();
    let away = path.with_extension("away");
    std::fs::rename(&path, &away).expect("it is moved away");
    let deadline = crate::process::Deadline::after(LIMIT);
    let page = loop {
        let page = visitor.page("/");
        if page.contains("Cannot read the ledger of sessions") {
            break page;
        }
        assert!(!deadline.has_passed(), "{page}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    assert!(page.contains("No database") && page.contains("7 rows in"), "{page}");
    assert_eq!(visitor.get("/jobs/sessions").status, 200);
    std::fs::rename(&away, &path).expect("it is back");
    called.stop();
}
