//! `sweepd sessions` and `sweepd users`, as a person calls them.

use std::io::Write as _;
use std::process::Stdio;

use super::{App, on_every_engine};
use crate::process::sweepd;
use crate::stage::NEVER;

/// What a call gave: its exit code, and both outputs.
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl App {
    fn say(&self, arguments: &[&str], input: &str) -> Said {
        let config = self.stage.configure(NEVER, "", "[users]\nroles = [\"USER\", \"ADMIN\"]");
        let mut command = sweepd();
        command.arg("--config").arg(config).args(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        child.stdin.take().unwrap().write_all(input.as_bytes()).expect("it reads its input");
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Calls a command that must end with `code`, and returns what it prints.
    fn expect(&self, code: i32, arguments: &[&str], input: &str) -> String {
        let said = self.say(arguments, input);
        let all = format!("{}{}", said.stdout, said.stderr);
        assert_eq!(said.code, code, "{:?} {arguments:?}: {all}", self.engine);
        assert!(!all.contains("live-"), "a token is shown: {arguments:?}: {all}");
        all
    }
}

#[test]
pub fn sessions_are_listed_touched_and_revoked() {
    on_every_engine(&async |app| {
        app.stage.fill(1, 5);
        let listed = app.expect(0, &["sessions", "list", "ada"], "");
        assert_eq!(listed.matches("sha256:").count(), 5, "{listed}");
        let json: serde_json::Value =
            serde_json::from_str(&app.expect(0, &["sessions", "list", "ada", "--json"], "")).unwrap();
        assert_eq!(json["sessions"].as_array().unwrap().len(), 5, "{json}");
        assert_eq!(app.expect(0, &["sessions", "list", "nobody"], ""), "The user has no live session.\n");

        app.expect(0, &["sessions", "touch", "live-0"], "");
        assert_eq!(
            app.expect(0, &["sessions", "touch", "--json"], "live-0\r\n"),
            "{\"active\":true,\"success\":true}\n"
        );
        app.expect(1, &["sessions", "touch", "expired-0"], "");
        app.expect(0, &["sessions", "revoke"], "live-0\n");
        let gone = app.expect(1, &["sessions", "revoke", "--json"], "live-0");
        assert_eq!(gone, "{\"error\":\"there is no such session\",\"success\":false}\n");
        app.expect(2, &["sessions", "revoke"], "");

        let said = app.expect(0, &["sessions", "revoke-user", "ada", "--except", "-", "--json"], "live-1\n");
        // The expired one goes too.
        assert_eq!(said, "{\"revokedCount\":4,\"success\":true}\n");
        assert_eq!(
            app.expect(0, &["sessions", "revoke-user", "ada", "--except", "live-1"], ""),
            "0 sessions revoked.\n"
        );
        assert_eq!(app.tokens(), ["live-1"]);
        let audit = app.audit();
        assert_eq!(audit.len(), 2, "{audit:?}");
        assert!(audit.iter().all(|row| row["by"] == "cli"), "{audit:?}");
    });
}

#[test]
pub fn users_get_roles_and_profiles() {
    on_every_engine(&async |app| {
        assert_eq!(app.expect(0, &["users", "set-role", "ada", "ADMIN"], ""), "Changed: role.\n");
        assert_eq!(app.expect(0, &["users", "set-role", "ada", "ADMIN"], ""), "Nothing to change: it is so already.\n");
        let refused = app.expect(2, &["users", "set-role", "ada", "ROOT"], "");
        assert_eq!(refused, "error: this role is not accepted; accepted: USER, ADMIN\n");
        app.expect(1, &["users", "set-role", "nobody", "ADMIN"], "");
        let profile = ["users", "set-profile", "ada", "--name", "", "--email", "a@example.com", "--json"];
        let said = app.expect(0, &profile, "");
        assert_eq!(said, "{\"changed\":[\"name\",\"email\"],\"success\":true}\n");
        app.expect(1, &["users", "set-profile", "ada", "--email", "bob@example.com"], "");
        app.expect(2, &["users", "set-profile", "ada", "--email", "bob"], "");
        app.expect(2, &["users", "set-profile", "ada"], "");
        app.expect(2, &["users", "set-role", "ada", "USER", "--job", "absent"], "");
    });
}

#[test]
fn what_is_changed_without_an_audit_row_is_logged_each_time() {
    on_every_engine(&async |app| {
        app.stage.fill(0, 2);
        app.database().execute(&format!("DROP TABLE {}", app.name("AuditLog")));
        for token in ["live-0", "live-1"] {
            let said = app.expect(0, &["sessions", "revoke"], token);
            for part in ["changed without an audit row", "SESSION_REVOKED", "ada", "sha256:", "count"] {
                assert!(said.contains(part), "{:?} {part}: {said}", app.engine);
            }
        }
        let said = app.expect(0, &["users", "set-profile", "ada", "--email", "a@example.com"], "");
        assert!(said.contains("USER_PROFILE_UPDATED") && !said.contains("example.com"), "{said}");
    });
}

#[test]
fn check_names_the_index_that_a_users_sessions_want() {
    on_every_engine(&async |app| {
        let hint = "no index begins with \"userId\"";
        let said = app.say(&["check"], "").stdout;
        assert!(said.contains(hint) && said.contains("CREATE INDEX"), "{:?} {said}", app.engine);
        let (session, user) = (app.name("Session"), app.name("userId"));
        app.database().execute(&format!("CREATE INDEX users_sessions ON {session} ({user})"));
        let said = app.say(&["check"], "").stdout;
        assert!(!said.contains(hint), "{:?} {said}", app.engine);
    });
}
