//! `MySQL` and `MariaDB`.

use sqlx::{
    ConnectOptions as _,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};

use super::{
    ConnectOptions, DatabaseUrl, UrlError,
    params::Ignored,
    server::{Server, place},
    tls::{Mode, Tls},
};

/// A near miss could sweep another server.
const DECISIVE: [&str; 1] = ["socket"];

const UTF8: &str = "the connection always uses utf8mb4";
const UTC: &str = "the connection always uses UTC";
const UNNEEDED: &str = "nothing needs it here";

const IGNORED: [Ignored; 24] = [
    ("charset", UTF8),
    ("characterEncoding", UTF8),
    ("useUnicode", UTF8),
    ("collation", UTF8),
    ("timezone", UTC),
    ("time_zone", UTC),
    ("time-zone", UTC),
    ("serverTimezone", UTC),
    ("connectionTimeZone", UTC),
    ("loc", UTC),
    ("schema", "in MySQL a schema is a database, and the one in the URL's path is used"),
    ("database", "the database in the URL's path is used"),
    ("socket_timeout", "statement_timeout in a job's limits bounds its statements"),
    ("prefer_socket", "write socket=/path to use a socket"),
    ("useSSL", "write sslmode=require or sslmode=disable"),
    ("tls", "write sslmode=require or sslmode=disable"),
    ("serverVersion", "the server is asked for its version"),
    ("multipleStatements", UNNEEDED),
    ("allowMultiQueries", UNNEEDED),
    ("allowPublicKeyRetrieval", UNNEEDED),
    ("autoReconnect", UNNEEDED),
    ("parseTime", UNNEEDED),
    ("dateStrings", UNNEEDED),
    ("zeroDateTimeBehavior", UNNEEDED),
];

pub(super) fn read(mut server: Server) -> Result<DatabaseUrl, UrlError> {
    let socket = server.params.text(&["socket"])?;
    // Prisma writes socket=(/path); a host may be an encoded path too.
    let socket = socket.map(|path| path.replace(['(', ')'], ""));
    let socket = socket.or_else(|| server.host.take_if(|host| host.starts_with('/')));
    let max_connections = server.params.connection_limit()?;
    let connect_timeout = server.params.connect_timeout()?;
    let capacity = server.params.number("statement_cache_size")?;
    let tls = Tls::take(&mut server.params)?;
    let mut options = with_tls(base(&server, socket.as_deref())?, &tls);
    if let Some(capacity) = capacity {
        options = options.statement_cache_capacity(capacity);
    }
    Ok(DatabaseUrl {
        location: location(&options),
        options: ConnectOptions::MySql(options),
        schema: None,
        max_connections,
        connect_timeout,
        pooled: false,
        sqlite_path: None,
        notes: server.params.finish(&IGNORED, &DECISIVE)?,
    })
}

fn base(server: &Server, socket: Option<&str>) -> Result<MySqlConnectOptions, UrlError> {
    // The driver would log in as root.
    let user = server.user.as_deref().ok_or(UrlError::MissingUser)?;
    let database = server.database.as_deref().ok_or(UrlError::MissingDatabase)?;
    let mut options = MySqlConnectOptions::new()
        .host(server.host.as_deref().unwrap_or("localhost"))
        .port(server.port.unwrap_or(3306))
        .username(user)
        .database(database)
        // Both off, the driver leaves sql_mode alone: it would set it from a subquery, which Vitess and ProxySQL
        // refuse. What remains is SET time_zone and SET NAMES.
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .disable_statement_logging();
    if let Some(password) = &server.password {
        options = options.password(password);
    }
    Ok(match socket {
        Some(path) => options.socket(path),
        None => options,
    })
}

fn with_tls(mut options: MySqlConnectOptions, tls: &Tls) -> MySqlConnectOptions {
    if let Some(file) = &tls.authority {
        options = options.ssl_ca(file);
    }
    if let Some((certificate, key)) = &tls.client {
        options = options.ssl_client_cert(certificate).ssl_client_key(key);
    }
    match tls.mode {
        None => options,
        Some(Mode::Disable) => options.ssl_mode(MySqlSslMode::Disabled),
        Some(Mode::Prefer) => options.ssl_mode(MySqlSslMode::Preferred),
        Some(Mode::Require) => options.ssl_mode(MySqlSslMode::Required),
        Some(Mode::VerifyCa) => options.ssl_mode(MySqlSslMode::VerifyCa),
        Some(Mode::VerifyFull) => options.ssl_mode(MySqlSslMode::VerifyIdentity),
    }
}

fn location(options: &MySqlConnectOptions) -> String {
    let socket = options.get_socket().map(|path| path.display().to_string());
    let host = socket.unwrap_or_else(|| options.get_host().to_owned());
    format!("MySQL {}", place(options.get_database().unwrap_or_default(), &host, options.get_port()))
}
