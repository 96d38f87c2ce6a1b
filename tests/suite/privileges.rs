//! Who may do what: one plain sentence when it is not enough, and the GRANTs that are.

use crate::oneshot::{Shell, authjs, quoted};
use crate::servers::Engine;

const PASSWORD: &str = "s3cret-word";

/// A user who may hardly do more than log in. `name` is for `PostgreSQL`, where it matters.
fn create(shell: &Shell, engine: Engine, name: &str) {
    shell.database.admin().execute(&match engine {
        Engine::Postgres => {
            format!("SET password_encryption = 'scram-sha-256'; CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        }
        // Without any privilege there, nobody may use a database at all.
        _ => format!(
            "CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON {}.* TO {name}@'%'",
            shell.database.name()
        ),
    });
}

/// Roles belong to the server, which other tests share.
fn drop_user(shell: &Shell, engine: Engine, name: &str) {
    shell.database.admin().execute(&match engine {
        Engine::Postgres => format!("DROP OWNED BY {name}; DROP ROLE {name}"),
        _ => format!("DROP USER {name}@'%'"),
    });
}

fn audit_log(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => r#"CREATE TABLE "AuditLog" (id text PRIMARY KEY, action text NOT NULL, details jsonb)"#,
        _ => "CREATE TABLE AuditLog (id varchar(191) PRIMARY KEY, action varchar(191) NOT NULL, details json)",
    }
}

#[test]
fn a_wrong_password_is_one_plain_sentence() {
    for engine in Engine::SERVERS {
        let Some(shell) = Shell::fresh(engine) else { continue };
        let wrong = shell.database.url_as("nobody_here", PASSWORD);
        let said = shell.connect_as(wrong).expect(1, &["clean"]);
        assert_eq!(said.stderr.matches("cannot log in to").count(), 1, "{}", said.stderr);
        assert!(!format!("{}{}", said.stdout, said.stderr).contains(PASSWORD));
    }
}

#[test]
fn a_server_that_is_not_there_is_said_at_once() {
    for engine in Engine::SERVERS {
        let Some(shell) = Shell::fresh(engine) else { continue };
        let scheme = if engine == Engine::MySql { "mysql" } else { "postgresql" };
        // Nothing listens on port 1, and the default timeout is longer than the pool waits for it.
        let said = shell.connect_as(format!("{scheme}://app@127.0.0.1:1/app")).expect(1, &["clean"]);
        assert!(said.stderr.contains("Connection refused"), "{}", said.stderr);
    }
}

/// On `PostgreSQL` the role is called like sweepd's schema, which its search path then begins with.
#[test]
fn the_grants_that_check_prints_are_enough() {
    for engine in Engine::SERVERS {
        let Some(shell) = Shell::with(engine, &authjs(engine, "Session")) else { continue };
        shell.database.execute(audit_log(engine));
        let (users, verified) = (quoted(engine, "User"), quoted(engine, "emailVerified"));
        shell.database.execute(&format!(
            "CREATE TABLE {users} (id varchar(191) PRIMARY KEY, name text, email varchar(191), role varchar(20), secret text, {verified} date);
             INSERT INTO {users} VALUES ('u', NULL, NULL, 'USER', 'x', NULL)"
        ));
        shell.expect(0, &["migrate"]);
        create(&shell, engine, "sweepd");
        let url = shell.database.url_as("sweepd", PASSWORD);
        let shell = shell.connect_as(url);
        shell.expect(1, &["clean"]);

        let findings = shell.json(1, &["check"])["findings"].clone();
        let sql = findings.as_array().unwrap().iter().filter_map(|finding| finding["sql"].as_str());
        let grants: Vec<_> = sql.flat_map(str::lines).filter(|line| line.starts_with("GRANT")).collect();
        shell.database.admin().execute(&grants.join("\n"));

        shell.expect(0, &["check"]);
        // And for session management.
        shell.expect(0, &["sessions", "touch", "soon"]);
        assert_eq!(shell.json(0, &["users", "set-role", "u", "ADMIN"])["changed"][0], "role");
        shell.expect(0, &["users", "set-profile", "u", "--name", "U", "--email", "u@example.com"]);
        shell.expect(0, &["sessions", "revoke", "far"]);
        assert_eq!(shell.json(0, &["clean"])["deletedCount"], 2, "{grants:?}");
        assert_eq!(shell.database.count("SELECT count(*) FROM \"AuditLog\"".replace('"', quote(engine)).as_str()), 4);
        drop_user(&shell, engine, "sweepd");
    }
}

fn quote(engine: Engine) -> &'static str {
    if engine == Engine::MySql { "`" } else { "\"" }
}

#[test]
fn check_says_that_the_own_tables_cannot_be_created() {
    for engine in Engine::SERVERS {
        let Some(shell) = Shell::with(engine, &authjs(engine, "Session")) else { continue };
        let user = format!("{}_reader", shell.database.name());
        create(&shell, engine, &user);
        let url = shell.database.url_as(&user, PASSWORD);
        let shell = shell.connect_as(url);
        let found = shell.json(1, &["check"]).to_string();
        assert!(found.contains("this user may not create them"), "{found}");
        assert!(found.contains("CREATE TABLE"), "{found}");
        drop_user(&shell, engine, &user);
    }
}

#[test]
fn check_names_children_that_make_a_delete_slow_or_go_with_it() {
    crate::oneshot::on_every_engine(
        |engine| {
            let (child, parent, token) =
                (quoted(engine, "Device"), quoted(engine, "Session"), quoted(engine, "sessionToken"));
            format!(
                "{}; CREATE TABLE {child} (id varchar(10) PRIMARY KEY, session varchar(191), FOREIGN KEY (session) REFERENCES {parent} ({token}) ON DELETE CASCADE)",
                authjs(engine, "Session")
            )
        },
        |shell, engine| {
            shell.job("preset = \"authjs-prisma\"\narchive = { directory = \"archive\" }");
            let found = shell.json(0, &["check"]);
            let messages: Vec<_> =
                found["findings"].as_array().unwrap().iter().map(|found| found["message"].as_str().unwrap()).collect();
            assert!(
                messages.iter().any(|found| found.contains("Device") && found.contains("not archived")),
                "{messages:?}"
            );
            // InnoDB has made an index of its own.
            let slow = messages.iter().any(|found| found.contains("which no index begins with"));
            assert_eq!(slow, engine != Engine::MySql, "{messages:?}");
            shell.expect(0, &["clean"]);
        },
    );
}
