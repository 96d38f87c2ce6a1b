use super::*;

fn read(text: &str) -> DatabaseUrl {
    DatabaseUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> UrlError {
    DatabaseUrl::parse(text).err().unwrap_or_else(|| panic!("{text} was accepted"))
}

fn postgres(text: &str) -> PgConnectOptions {
    match read(text).options {
        ConnectOptions::Postgres(options) => options,
        other => panic!("{text}: {other:?}"),
    }
}

fn mysql(text: &str) -> MySqlConnectOptions {
    match read(text).options {
        ConnectOptions::MySql(options) => options,
        other => panic!("{text}: {other:?}"),
    }
}

fn sqlite(text: &str) -> SqliteConnectOptions {
    match read(text).options {
        ConnectOptions::Sqlite(options) => options,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn locations() {
    for (text, expected) in [
        ("postgresql://u:p@db.example.com/app", "PostgreSQL database \"app\" at db.example.com:5432"),
        ("postgres://u@db.example.com:6000", "PostgreSQL database \"u\" at db.example.com:6000"),
        ("POSTGRES://u@db.example.com/a%20b", "PostgreSQL database \"a b\" at db.example.com:5432"),
        ("postgresql+asyncpg://u@db.example.com/app", "PostgreSQL database \"app\" at db.example.com:5432"),
        ("postgres://u@localhost/app?host=/run/pg", "PostgreSQL database \"app\" at /run/pg"),
        ("postgres://u@%2Frun%2Fpg/app", "PostgreSQL database \"app\" at /run/pg"),
        ("postgres:///app?host=db.example.com&user=u", "PostgreSQL database \"app\" at db.example.com:5432"),
        ("postgres://u@[::1]/app", "PostgreSQL database \"app\" at [::1]:5432"),
        ("mysql://u:p@db.example.com/app", "MySQL database \"app\" at db.example.com:3306"),
        ("mariadb://u@db.example.com:3307/app", "MySQL database \"app\" at db.example.com:3307"),
        ("mysql+pymysql://u@/app", "MySQL database \"app\" at localhost:3306"),
        ("mysql://u@localhost/app?socket=(/run/my.sock)", "MySQL database \"app\" at /run/my.sock"),
        ("mysql://u@%2Frun%2Fmy.sock/app", "MySQL database \"app\" at /run/my.sock"),
        ("file:./dev.db", "SQLite file ./dev.db"),
        ("file:dev.db?connection_limit=1", "SQLite file dev.db"),
        ("file:///srv/app.db", "SQLite file /srv/app.db"),
        ("file://localhost/srv/app.db", "SQLite file /srv/app.db"),
        ("sqlite:dev.db", "SQLite file dev.db"),
        ("sqlite://dev.db", "SQLite file dev.db"),
        ("sqlite:///srv/a%20b%3F.db", "SQLite file /srv/a b?.db"),
        ("sqlite+aiosqlite:///dev.db", "SQLite file dev.db"),
        ("sqlite+aiosqlite:////srv/app.db", "SQLite file /srv/app.db"),
        ("  \"file:./dev.db\"\n", "SQLite file ./dev.db"),
        ("'file:./dev.db'", "SQLite file ./dev.db"),
    ] {
        let url = read(text);
        assert_eq!(url.location(), expected, "{text}");
        assert_eq!(url.to_string(), expected);
        assert_eq!(format!("{url:?}"), format!("DatabaseUrl({expected})"));
        assert_eq!(format!("{:?}", url.options()), format!("ConnectOptions({})", url.engine()));
    }
}

#[test]
fn what_is_no_database_url() {
    for (text, expected) in [
        ("", UrlError::Empty),
        ("  \n", UrlError::Empty),
        ("\"\"", UrlError::Empty),
        ("\"", UrlError::Quotes),
        ("\"file:./dev.db", UrlError::Quotes),
        ("file:./dev.db'", UrlError::Quotes),
        ("\"file:./dev.db'", UrlError::Quotes),
        ("${DATABASE_URL}", UrlError::Placeholder),
        ("$DATABASE_URL", UrlError::Placeholder),
        ("env(\"DATABASE_URL\")", UrlError::Placeholder),
        ("postgres://u:${DB_PASSWORD}@db.example.com/app", UrlError::Placeholder),
        ("postgres://u:[YOUR-PASSWORD]@db.example.com/app", UrlError::PasswordPlaceholder),
        ("DATABASE_URL=postgres://u@db.example.com/app", UrlError::WholeLine),
        ("export DATABASE_URL=\"file:./dev.db\" ", UrlError::WholeLine),
        ("postgres://u@db.example.com/\tapp", UrlError::ControlCharacter),
        ("dev.db", UrlError::NotAUrl),
        ("postgres", UrlError::NotAUrl),
        ("postgres:db.example.com", UrlError::NotAUrl),
        ("u:secret@db.example.com/app", UrlError::NotAUrl),
        ("http://db.example.com", UrlError::UnsupportedScheme("http")),
        ("mongodb+srv://u@db.example.com/app", UrlError::UnsupportedScheme("mongodb")),
        ("sqlserver://db.example.com", UrlError::UnsupportedScheme("sqlserver")),
        ("jdbc:postgresql://db.example.com/app", UrlError::UnsupportedScheme("jdbc")),
        ("zebra://db.example.com", UrlError::UnknownScheme),
        ("prisma://accelerate.example.com/?api_key=secret", UrlError::PrismaAccelerate),
        ("prisma+postgres://accelerate.example.com/?api_key=secret", UrlError::PrismaAccelerate),
        ("mysql://u@db.example.com", UrlError::MissingDatabase),
        ("mysql://u@db.example.com/", UrlError::MissingDatabase),
        ("mysql://db.example.com/app", UrlError::MissingUser),
        (":memory:", UrlError::Memory),
        ("sqlite::memory:", UrlError::Memory),
        ("sqlite://:memory:", UrlError::Memory),
        ("file::memory:?cache=shared", UrlError::Memory),
        ("sqlite://app.db?mode=memory", UrlError::Memory),
        ("sqlite:%3Amemory:", UrlError::Memory),
        ("sqlite:", UrlError::MissingFile),
        ("sqlite://", UrlError::MissingFile),
        ("file:/srv/", UrlError::MissingFile),
        ("file:file:app.db?mode=rwc", UrlError::MissingFile),
        ("file://app.db", UrlError::FileHost),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
}

#[test]
fn the_schema() {
    for (query, expected) in [
        ("", None),
        ("schema=app", Some("app")),
        ("schema=App", Some("App")),
        ("search_path=App", Some("app")),
        ("currentSchema=app,public", Some("app")),
        ("options=-csearch_path%3Dapp", Some("app")),
        ("options=-c%20search_path%3Dapp&schema=app", Some("app")),
        ("options[search_path]=app", Some("app")),
        ("search_path=%22$user%22,public", None),
    ] {
        let url = read(&format!("postgres://u@db.example.com/app?{query}"));
        assert_eq!(url.schema(), expected, "{query}");
        assert_eq!(url.notes(), [""; 0], "{query}");
    }
    for query in ["schema=", "schema=a&schema=b", "schema=a&search_path=b", "shema=a", "search_pth=a", "option=-cx"] {
        refused(&format!("postgres://u@db.example.com/app?{query}"));
    }
}

#[test]
fn postgres_options() {
    let options = postgres("postgres://u%40x:p%2Fw@db.example.com:1/app?sslmode=require&application_name=a%26b");
    assert_eq!((options.get_username(), options.get_database()), ("u@x", Some("app")));
    assert_eq!(options.get_application_name(), Some("a&b"));
    let shown = format!("{options:?}");
    assert!(shown.contains("password: Some(\"p/w\")"), "{shown}");
    assert!(shown.contains("extra_float_digits: None") && shown.contains("ssl_mode: Require"), "{shown}");
    assert!(shown.contains("statements_level: Off") && shown.contains("slow_statements_level: Off"), "{shown}");

    let shown = format!("{:?}", postgres("postgres://u@db.example.com/app?sslmode=require&sslcert=/ca.pem"));
    assert!(shown.contains("VerifyCa") && shown.contains("ssl_root_cert: Some(File(\"/ca.pem\"))"), "{shown}");
    let shown = format!("{:?}", postgres("postgres://u@h/app?host=/run/pg&sslmode=require"));
    assert!(shown.contains("ssl_mode: Disable"), "{shown}");
    let options = postgres("postgres://u@db.example.com/app?options=-c%20geqo%3Doff%20-csearch_path%3Dapp");
    assert!(options.get_options().is_some_and(|options| options.ends_with("-c geqo=off")));
    assert_eq!(options.get_application_name(), Some("sweepd"));
}

#[test]
fn poolers() {
    for (text, expected) in [
        ("postgres://u@db.example.com/app", false),
        ("postgres://u@db.example.com/app?pgbouncer=true", true),
        ("postgres://u@db-pooler.example.com/app", true),
        ("postgres://u@db-pooler.example.com/app?pgbouncer=false", false),
        ("postgres://u@eu.pooler.supabase.com:6543/postgres", true),
        ("postgres://u@eu.pooler.supabase.com:5432/postgres", false),
        ("mysql://u@db.example.com/app", false),
    ] {
        assert_eq!(read(text).pooled(), expected, "{text}");
    }
    let shown = format!("{:?}", postgres("postgres://u@h/app?pgbouncer=true&statement_cache_size=9"));
    assert!(shown.contains("statement_cache_capacity: 0"), "{shown}");
    let shown = format!("{:?}", postgres("postgres://u@h/app?statement_cache_size=9"));
    assert!(shown.contains("statement_cache_capacity: 9"), "{shown}");
    refused("postgres://u@h/app?pgbouncer=maybe");
    let notes = read("postgres://u@h/app?pgbouncer=true&options=-cjit%3Doff").notes;
    assert!(notes[0].contains("refused by the pooler"), "{notes:?}");
}

#[test]
fn mysql_options() {
    let text = "mysql://u:p%40@db.example.com/app?ssl-mode=VERIFY_IDENTITY&sslcert=/ca.pem&charset=latin1&timezone=x";
    let url = read(text);
    assert_eq!(url.notes().len(), 2, "{:?}", url.notes());
    let shown = format!("{:?}", mysql(text));
    for part in [
        "VerifyIdentity",
        "ssl_ca: Some(File(\"/ca.pem\"))",
        "timezone: Some(\"+00:00\")",
        "pipes_as_concat: false",
        "no_engine_substitution: false",
        "charset: \"utf8mb4\"",
        "password: Some(\"p@\")",
        "statements_level: Off",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let client = format!("{:?}", mysql("mysql://u@h/app?ssl-cert=/c.pem&ssl-key=/k.pem&statement_cache_size=7"));
    assert!(client.contains("ssl_client_key: Some(File(\"/k.pem\"))") && client.contains("capacity: 7"), "{client}");
    for (query, expected) in [
        ("", "Preferred"),
        ("sslmode=disable", "Disabled"),
        ("sslmode=prefer", "Preferred"),
        ("sslmode=require", "Required"),
        ("sslmode=verify-ca", "VerifyCa"),
        ("sslaccept=strict", "VerifyIdentity"),
    ] {
        let shown = format!("{:?}", mysql(&format!("mysql://u@h/app?{query}")).get_ssl_mode());
        assert_eq!(shown, expected, "{query}");
    }
    refused("mysql://u@h/app?sockt=/run/my.sock");
}

#[test]
fn sqlite_options() {
    for (text, parts) in [
        ("file:dev.db", ["read_only: false", "create_if_missing: false", "busy_timeout: 5s"]),
        ("file:dev.db?mode=ro", ["read_only: true", "create_if_missing: false", "busy_timeout: 5s"]),
        ("file:dev.db?mode=rwc", ["read_only: false", "create_if_missing: false", "busy_timeout: 5s"]),
        ("file:dev.db?socket_timeout=7", ["busy_timeout: 7s", "\"foreign_keys\": Some(\"ON\")", "in_memory: false"]),
        ("file:dev.db?busy_timeout=250", ["busy_timeout: 250ms", "\"journal_mode\": None", "statements_level: Off"]),
    ] {
        let shown = format!("{:?}", sqlite(text));
        for part in parts {
            assert!(shown.contains(part), "{text}: {part}: {shown}");
        }
    }
    assert_eq!(read("file:./dev.db").sqlite_path(), Some(Path::new("./dev.db")));
    assert_eq!(read("mysql://u@h/app").sqlite_path(), None);
    refused("file:dev.db?mode=x");
    refused("file:dev.db?socket_timeout=1&busy_timeout=1");
    let created = read("file:dev.db").create_if_missing();
    let ConnectOptions::Sqlite(options) = created.options() else { panic!("{created:?}") };
    assert!(format!("{options:?}").contains("create_if_missing: true"));
    assert_eq!(read("mysql://u@h/app").create_if_missing().engine(), Engine::MySql);
}

#[test]
fn limits_and_notes() {
    let url = read("postgres://u@h/app?connection_limit=3&connect_timeout=9&sslmod=x&channel_binding=require");
    assert_eq!((url.max_connections(), url.connect_timeout()), (Some(3), Some(Duration::from_secs(9))));
    assert_eq!(url.notes()[0], "unknown parameter sslmod is ignored: did you mean sslmode?");
    assert!(url.notes()[1].starts_with("parameter channel_binding is ignored: "), "{:?}", url.notes());
    assert_eq!(read("file:dev.db?connection_limit=1").max_connections(), Some(1));
}

/// What Prisma, Neon, Supabase, Heroku, Django and their like write.
#[test]
fn urls_as_people_have_them() {
    for text in [
        "postgresql://johndoe:randompassword@localhost:5432/mydb?schema=public",
        "postgres://u:p@ep-cool-1-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require",
        "postgres://postgres.ref:p@aws-0-eu.pooler.supabase.com:6543/postgres?pgbouncer=true&connection_limit=1",
        "postgres://u:p@db.example.com:5432/app?ssl=true&sslmode=require",
        "postgresql://u:p@localhost/app?host=/cloudsql/project:region:instance",
        "postgresql://u:p@db.example.com/app?sslmode=no-verify",
        "postgres://2f98:sk_QZ3@db.prisma.io:5432/?sslmode=require",
        "mysql://u:pscale_pw_1@aws.connect.psdb.cloud/app?sslaccept=strict",
        "mysql://u:p@db.example.com:3306/app?ssl={\"rejectUnauthorized\":true}",
        "mysql://app:!ChangeMe!@127.0.0.1:3306/app?serverVersion=8.0.32&charset=utf8mb4",
        "file:./prisma/dev.db",
        "file:../data/app.sqlite3?connection_limit=1&socket_timeout=10",
    ] {
        let url = read(text);
        assert!(url.notes().iter().all(|note| !note.starts_with("unknown")), "{text}: {:?}", url.notes());
    }
}

/// Every mark of punctuation at every place of a password, raw and encoded, in every kind of URL.
#[test]
fn no_message_shows_a_password() {
    let marks = "@:/%#?&=+ \\\"'$!{}[]()<>^|`~,;*.-_\t\n\u{e9}\u{1f511}";
    let passwords = marks.chars().flat_map(|mark| {
        ["Xq7", "1234"].into_iter().flat_map(move |stem| {
            [
                format!("{mark}{stem}Zk9"),
                format!("{stem}{mark}Zk9"),
                format!("{stem}Zk9{mark}"),
                format!("{stem}{mark}{mark}Zk9"),
            ]
        })
    });
    for password in passwords {
        for text in [
            format!("postgres://joe:{password}@db.example.com:5432/app?schema=app"),
            format!("postgresql://{password}@db.example.com/app"),
            format!("postgres://db.example.com/app?user=joe&password={password}"),
            format!("postgres://db.example.com/app?user=joe&password=a&{password}=b"),
            format!("postgres://db.example.com/app?sslmode={password}"),
            format!("postgres://db.example.com/app?shema={password}&sslpassword={password}"),
            format!("postgres://db.example.com/app?connection_limit={password}&unknown={password}"),
            format!("mysql://joe:{password}@db.example.com/app?socket_timeout={password}&tls={password}"),
            format!("mysql://joe:{password}@db.example.com"),
            format!("file:./dev.db?key={password}&mode={password}"),
            format!("mongodb://joe:{password}@db.example.com/app"),
            format!("joe:{password}@db.example.com/app"),
            format!("DATABASE_URL=postgres://joe:{password}@db.example.com/app"),
        ] {
            let said = everything_said(&text);
            for secret in ["Zk9", "Xq7", "1234"] {
                assert!(!said.contains(secret), "{text:?}: {said}");
            }
        }
    }
}

fn everything_said(text: &str) -> String {
    match DatabaseUrl::parse(text) {
        Ok(url) => format!("{url} {url:?} {:?} {:?} {:?}", url.location(), url.notes(), url.options()),
        Err(error) => format!("{error} {error:?}"),
    }
}

#[test]
fn a_password_that_breaks_the_url_is_told_how_to_be_written() {
    for password in ["p@ss", "p/ss", "p?ss", "p#ss", "p%ss", "12/34", "12#34"] {
        let error = refused(&format!("postgres://joe:{password}@db.example.com/app"));
        assert!(error.to_string().contains("write @ as %40"), "{password}: {error}");
    }
}

#[test]
fn errors_are_plain_sentences() {
    for error in [
        UrlError::Empty,
        UrlError::Placeholder,
        UrlError::UnsupportedScheme("http"),
        UrlError::Value { name: "sslmode", accepted: "x" },
        UrlError::Misspelt { name: "shema".into(), meant: "schema" },
    ] {
        let text = error.to_string();
        assert!(!text.ends_with('.') && !text.contains("  ") && !text.contains("{EXAMPLE}"), "{text}");
    }
}
