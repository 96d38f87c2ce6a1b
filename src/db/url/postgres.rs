//! `PostgreSQL`: libpq's parameters, Prisma's, and those of the hosting services.

use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use url::Url;

use super::{
    ConnectOptions, DatabaseUrl, UrlError,
    params::{Ignored, Params},
    search_path::{first_schema, split_options},
    server::{Server, place},
    tls::{Mode, Tls},
};

/// A near miss of these could sweep another server, database or schema.
const DECISIVE: [&str; 8] = ["schema", "search_path", "currentSchema", "dbname", "host", "hostaddr", "port", "options"];

const IGNORED: [Ignored; 19] = [
    ("channel_binding", "this driver has none; sslmode=verify-full protects against the same attack"),
    ("target_session_attrs", "a sweep writes, so the URL must lead to the primary"),
    ("load_balance_hosts", "a sweep writes, so the URL must lead to the primary"),
    ("socket_timeout", "statement_timeout in a job's limits bounds its statements"),
    ("statement_timeout", "set statement_timeout in a job's limits"),
    ("lock_timeout", "set lock_timeout in a job's limits"),
    ("gssencmode", "Kerberos is not supported"),
    ("krbsrvname", "Kerberos is not supported"),
    ("sslnegotiation", "TLS is always negotiated the traditional way"),
    ("sslcrl", "revocation lists are not read"),
    ("sslsni", "the server's name is always sent"),
    ("keepalives", "the operating system's settings apply"),
    ("keepalives_idle", "the operating system's settings apply"),
    ("tcp_user_timeout", "the operating system's settings apply"),
    ("client_encoding", "the connection always uses UTF-8"),
    ("timezone", "the connection always uses UTC"),
    ("service", "service files are not read, so host and database must be in the URL"),
    ("passfile", "set PGPASSFILE in the environment"),
    ("fallback_application_name", "set application_name"),
];

pub(super) fn read(mut server: Server) -> Result<DatabaseUrl, UrlError> {
    server.take_libpq_params()?;
    let (schema, startup) = read_schema(&mut server.params)?;
    let max_connections = server.params.connection_limit()?;
    let connect_timeout = server.params.connect_timeout()?;
    let marked = read_pgbouncer(&mut server.params)?;
    let capacity = server.params.number("statement_cache_size")?;
    let options = build(&mut server, &startup)?;
    let pooled = marked.unwrap_or_else(|| is_pooler(options.get_host(), options.get_port()));
    let schema = match schema {
        None => environment_schema(&options, &mut server.params)?,
        given => given,
    };
    note_startup(&options, pooled, &mut server.params);
    let location = location(&options);
    let options = match (pooled, capacity) {
        // Behind a transaction pooler the next statement may meet another server, which has not prepared it.
        (true, _) => options.statement_cache_capacity(0),
        (false, Some(capacity)) => options.statement_cache_capacity(capacity),
        (false, None) => options,
    };
    Ok(DatabaseUrl {
        options: ConnectOptions::Postgres(options),
        location,
        schema,
        max_connections,
        connect_timeout,
        pooled,
        sqlite_path: None,
        notes: server.params.finish(&IGNORED, &DECISIVE)?,
    })
}

/// The schema, by whichever name, and what else was in `options`.
fn read_schema(params: &mut Params) -> Result<(Option<String>, String), UrlError> {
    // Prisma quotes its schema: case counts there, unlike in a search path.
    let schema = params.text(&["schema"])?;
    let names = ["search_path", "currentSchema", "schema_search_path", "options[search_path]"];
    let path = params.text(&names)?;
    let (in_options, startup) = split_options(&params.text(&["options"])?.unwrap_or_default());
    let mut found = schema;
    for path in [path, in_options].into_iter().flatten() {
        match (first_schema(&path)?, &found) {
            (Some(one), Some(other)) if one != *other => return Err(UrlError::Conflict("the schema")),
            (Some(one), _) => found = Some(one),
            (None, _) => {}
        }
    }
    Ok((found, startup))
}

fn read_pgbouncer(params: &mut Params) -> Result<Option<bool>, UrlError> {
    match params.take(&["pgbouncer"])?.as_deref() {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(_) => Err(UrlError::Value { name: "pgbouncer", accepted: "true or false" }),
    }
}

/// Neon's and Supabase's transaction poolers, whose URLs don't always say `pgbouncer=true`.
fn is_pooler(host: &str, port: u16) -> bool {
    let first_label = host.split('.').next().unwrap_or_default();
    first_label.ends_with("-pooler") || (host.ends_with(".pooler.supabase.com") && port == 6543)
}

/// Goes through a URL of our own making, since only there the driver looks into the password file for the right host.
fn build(server: &mut Server, startup: &str) -> Result<PgConnectOptions, UrlError> {
    let tls = Tls::take(&mut server.params)?;
    let application = server.params.text(&["application_name"])?;
    let user = server.user.take();
    let user = user.unwrap_or_else(|| PgConnectOptions::new_without_pgpass().get_username().to_owned());
    // Not left to PGDATABASE and PGPORT: one URL must not mean different databases in different shells.
    let database = server.database.take().unwrap_or_else(|| user.clone());
    let port = server.port.unwrap_or(5432).to_string();
    let mut given = vec![("user", user.as_str()), ("dbname", &database), ("port", &port)];
    given.push(("application_name", application.as_deref().unwrap_or("sweepd")));
    given.extend(server.host.as_deref().map(|host| ("host", host)));
    given.extend(server.password.as_deref().map(|password| ("password", password)));
    given.extend(Some(startup).filter(|startup| !startup.is_empty()).map(|startup| ("options", startup)));
    given.extend(tls_pairs(&tls, server.host.as_deref()));
    let mut url = Url::parse("postgres:///").map_err(|_| UrlError::Unusable)?;
    url.query_pairs_mut().extend_pairs(given);
    let options = PgConnectOptions::from_url(&url).map_err(|_| UrlError::Unusable)?;
    // PgBouncer refuses startup parameters that it doesn't know, and nothing here reads a float.
    Ok(options.extra_float_digits(None).disable_statement_logging())
}

fn tls_pairs<'a>(tls: &'a Tls, host: Option<&str>) -> Vec<(&'static str, &'a str)> {
    // As in libpq, whatever was asked for: a server has no TLS on its socket, and the driver would fail.
    if host.is_some_and(|host| host.starts_with('/')) {
        return vec![("sslmode", "disable")];
    }
    let mode = tls.mode.map(|mode| match mode {
        Mode::Disable => "disable",
        Mode::Prefer => "prefer",
        Mode::Require => "require",
        Mode::VerifyCa => "verify-ca",
        Mode::VerifyFull => "verify-full",
    });
    let mut pairs: Vec<_> = mode.map(|mode| ("sslmode", mode)).into_iter().collect();
    pairs.extend(tls.authority.as_deref().map(|file| ("sslrootcert", file)));
    if let Some((certificate, key)) = &tls.client {
        pairs.extend([("sslcert", certificate.as_str()), ("sslkey", key)]);
    }
    pairs
}

/// The driver sends `PGOPTIONS` too, so an application that is started alike has its search path.
fn environment_schema(options: &PgConnectOptions, params: &mut Params) -> Result<Option<String>, UrlError> {
    let (path, _) = split_options(options.get_options().unwrap_or_default());
    let Some(path) = path else { return Ok(None) };
    params.note("PGOPTIONS in the environment sets search_path, which is honoured: better to write ?schema=name");
    first_schema(&path)
}

fn note_startup(options: &PgConnectOptions, pooled: bool, params: &mut Params) {
    if pooled && options.get_options().is_some_and(|options| !options.is_empty()) {
        params.note("parameter options (or PGOPTIONS) may be refused by the pooler: use the direct database URL if so");
    }
}

fn location(options: &PgConnectOptions) -> String {
    let socket = options.get_socket().map(|path| path.display().to_string());
    let host = socket.unwrap_or_else(|| options.get_host().to_owned());
    let database = options.get_database().unwrap_or_default();
    format!("PostgreSQL {}", place(database, &host, options.get_port()))
}
