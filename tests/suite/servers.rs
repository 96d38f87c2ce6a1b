//! Real databases for tests: throwaway servers, a fresh database for each test, and plain helpers to look inside.

#![allow(dead_code, reason = "a toolbox: not every tool is needed at all times")]

pub mod server;
mod session;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use server::{APP_USER, Server};
pub use session::Session;
use tempfile::TempDir;

/// The kinds of database that sweepd supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    MySql,
    Sqlite,
}

impl Engine {
    /// The engines that run as a server, which can be stopped, killed and locked out of.
    pub const SERVERS: [Self; 2] = [Self::Postgres, Self::MySql];

    pub const fn all() -> [Self; 3] {
        [Self::Postgres, Self::MySql, Self::Sqlite]
    }

    /// The server that all tests of this process share, started when the first of them asks for it.
    fn shared(self) -> Option<&'static Arc<Server>> {
        static POSTGRES: OnceLock<Option<Arc<Server>>> = OnceLock::new();
        static MYSQL: OnceLock<Option<Arc<Server>>> = OnceLock::new();
        let cell = match self {
            Self::Postgres => &POSTGRES,
            Self::MySql => &MYSQL,
            Self::Sqlite => unreachable!("SQLite is a file, not a server"),
        };
        cell.get_or_init(|| Server::start(self, "").map(Arc::new)).as_ref()
    }
}

/// An empty database of its own name. It is dropped with this value.
pub struct TestDatabase {
    engine: Engine,
    name: String,
    url: String,
    sweeper: OnceLock<String>,
    home: Home,
}

enum Home {
    Server(Arc<Server>),
    Directory(TempDir),
}

impl TestDatabase {
    /// A fresh database, or `None`, with a printed reason, where the server is not installed. With `CI` set that is
    /// a failure instead.
    pub fn fresh(engine: Engine) -> Option<Self> {
        match engine {
            Engine::Sqlite => Some(Self::file()),
            Engine::Postgres | Engine::MySql => engine.shared().map(|server| Self::on(server, None)),
        }
    }

    fn file() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("app.db");
        std::fs::File::create(&path).expect("an empty SQLite file");
        Self {
            engine: Engine::Sqlite,
            name: "app.db".to_owned(),
            url: format!("sqlite://{}", path.display()),
            sweeper: OnceLock::new(),
            home: Home::Directory(directory),
        }
    }

    /// Empty, or a copy of the named database.
    fn on(server: &Arc<Server>, template: Option<&str>) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(1);
        let name = format!("app_{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        let admin = Session::open(server.engine, &server.admin_url(None));
        match server.engine {
            Engine::Postgres => {
                let template = template.map(|name| format!("TEMPLATE {name} STRATEGY file_copy")).unwrap_or_default();
                admin.execute(&format!("CREATE DATABASE {name} OWNER {APP_USER} {template}"));
            }
            _ => admin.execute(&format!("CREATE DATABASE {name}; GRANT ALL ON {name}.* TO {APP_USER}@'127.0.0.1'")),
        }
        Self {
            engine: server.engine,
            url: server.url(APP_USER, &server.password, Some(&name)),
            sweeper: OnceLock::new(),
            name,
            home: Home::Server(Arc::clone(server)),
        }
    }

    /// A copy of this PostgreSQL database, file by file. Nobody may be connected to it.
    pub fn copy(&self) -> Self {
        let Home::Server(server) = &self.home else { panic!("only a server copies databases") };
        Self::on(server, Some(&self.name))
    }

    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// Unique on its server: also a good prefix for roles, which are shared by all databases of a server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What an application has in `DATABASE_URL`. The user owns the database but is no superuser.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where sweepd connects to: as the application, unless it has a role of its own.
    pub fn sweepd_url(&self) -> &str {
        self.sweeper.get().unwrap_or(&self.url)
    }

    /// Lets sweepd connect as another user from here on.
    pub fn set_sweepd_url(&self, url: String) {
        self.sweeper.set(url).expect("one role for sweepd");
    }

    /// The same database as another user, for tests about privileges and wrong passwords.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        self.server().url(user, password, Some(&self.name))
    }

    /// The file that the database is.
    pub fn path(&self) -> PathBuf {
        match &self.home {
            Home::Directory(directory) => directory.path().join(&self.name),
            Home::Server(_) => panic!("{:?} has no database file", self.engine),
        }
    }

    /// The directory of the server's private Unix socket.
    pub fn socket_directory(&self) -> &Path {
        &self.server().directory
    }

    pub fn port(&self) -> u16 {
        self.server().port
    }

    /// The password of [`APP_USER`].
    pub fn password(&self) -> &str {
        &self.server().password
    }

    /// A connection as the application's user, for instance one that holds a lock or a snapshot.
    pub fn session(&self) -> Session {
        Session::open(self.engine, &self.url)
    }

    /// A connection as superuser.
    pub fn admin(&self) -> Session {
        match &self.home {
            Home::Server(server) => Session::open(self.engine, &server.admin_url(Some(&self.name))),
            Home::Directory(_) => self.session(),
        }
    }

    /// Runs one or several statements.
    pub fn execute(&self, sql: &str) {
        self.session().execute(sql);
    }

    /// The one integer that a query gives.
    pub fn count(&self, sql: &str) -> i64 {
        self.session().count(sql)
    }

    /// The first column of every row, which the query must give as text.
    pub fn texts(&self, sql: &str) -> Vec<Option<String>> {
        self.session().texts(sql)
    }

    fn server(&self) -> &Server {
        match &self.home {
            Home::Server(server) => server,
            Home::Directory(_) => panic!("SQLite is a file, not a server"),
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Home::Server(server) = &self.home else {
            return;
        };
        let force = match self.engine {
            Engine::Postgres => " WITH (FORCE)",
            _ => "",
        };
        // A server that a test has stopped takes its databases with it.
        if let Ok(admin) = Session::try_open(self.engine, &server.admin_url(None)) {
            let _ = admin.try_execute(&format!("DROP DATABASE {}{force}", self.name));
        }
    }
}

/// A server of one test alone, which may be stopped, killed and started again.
pub struct PrivateServer(Arc<Server>);

impl PrivateServer {
    /// Missing servers are treated as in [`TestDatabase::fresh`].
    pub fn start(engine: Engine) -> Option<Self> {
        Self::start_with(engine, "")
    }

    /// The same with more options for the server, parted by spaces.
    pub fn start_with(engine: Engine, tuning: &str) -> Option<Self> {
        Server::start(engine, tuning).map(|server| Self(Arc::new(server)))
    }

    /// A server that repeats what this one does: a standby of PostgreSQL, or a replica of MariaDB, both of which were
    /// started with what they need for it.
    pub fn replica(&self, tuning: &str) -> Option<Self> {
        if self.0.engine == Engine::Postgres {
            return Some(Self(Arc::new(self.0.start_standby(tuning))));
        }
        let replica = Self::start_with(self.0.engine, tuning)?;
        replica.admin().execute(&format!(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = 'admin', MASTER_PASSWORD = '{}'; START SLAVE",
            self.0.port, self.0.admin_password
        ));
        Some(replica)
    }

    /// A connection as superuser.
    pub fn admin(&self) -> Session {
        Session::open(self.0.engine, &self.0.admin_url(None))
    }

    /// What an application that looks at a database on this server has in `DATABASE_URL`.
    pub fn url(&self, database: &str) -> String {
        self.0.url(APP_USER, &self.0.password, Some(database))
    }

    /// A fresh database on this server.
    pub fn fresh(&self) -> TestDatabase {
        TestDatabase::on(&self.0, None)
    }

    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// SIGKILL: the crash of a server. Returns when it is gone.
    pub fn kill(&self) {
        self.0.end("KILL");
    }

    /// An orderly stop, as a service manager would do. Returns when the server is gone.
    pub fn stop(&self) {
        self.0.end(match self.0.engine {
            Engine::Postgres => "INT",
            _ => "TERM",
        });
    }

    /// Starts the stopped server again, on the same port and data. Returns when it answers.
    pub fn restart(&self) {
        self.0.restart();
    }
}
