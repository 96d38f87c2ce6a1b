//! What can be wrong with a database URL.

/// Why a database URL was refused. No message contains a value from the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Nothing was given.
    #[error("the database URL is empty: give the URL that the application uses, such as {EXAMPLE}")]
    Empty,
    /// A variable that nobody filled in.
    #[error(
        "the database URL looks like a variable that was not filled in: give the URL itself \
         (in a password, write $ as %24 and {{ as %7B)"
    )]
    Placeholder,
    /// The sample password of a provider's dashboard.
    #[error("the database URL still has [YOUR-PASSWORD] in it: replace that, brackets included, with the password")]
    PasswordPlaceholder,
    /// `DATABASE_URL=...`.
    #[error("the database URL looks like a whole line of a .env file: give only what follows the = sign")]
    WholeLine,
    /// A quote at one end only.
    #[error("the database URL has a quote at one end only: remove it")]
    Quotes,
    /// A line break, tab or the like.
    #[error("the database URL has a line break, a tab or another control character in it: remove it")]
    ControlCharacter,
    /// Not a URL at all.
    #[error("the database URL is not a URL: write {EXAMPLE}, mysql://..., or file:./app.db for a SQLite file")]
    NotAUrl,
    /// A known scheme of another system.
    #[error("{0} URLs are not supported: {SUPPORTED}")]
    UnsupportedScheme(&'static str),
    /// Some other scheme.
    #[error("the database URL has an unknown scheme: {SUPPORTED}")]
    UnknownScheme,
    /// `prisma://` and `prisma+postgres://`.
    #[error(
        "prisma:// URLs lead to Prisma's own proxy, not to a database: use the direct database URL, \
         which begins with postgres:// (often in DIRECT_URL)"
    )]
    PrismaAccelerate,
    /// A database in memory.
    #[error("a SQLite database in memory belongs to one process, there is nothing to sweep: give the path of a file")]
    Memory,
    /// `SQLite` without a path.
    #[error("the database URL names no file: write the path after the scheme, as in file:./app.db")]
    MissingFile,
    /// `file://name/...`.
    #[error(
        "after file:// a host follows, not a path: write file:./app.db, or file:///srv/app.db for an absolute path"
    )]
    FileHost,
    /// A reserved character where it can't stand for itself.
    #[error(
        "the database URL has a {0} that is not percent-encoded: in the user name, password, database and parameters \
         write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25"
    )]
    Encode(char),
    /// Percent-encoded bytes that are not UTF-8.
    #[error("the database URL has percent-encoded bytes that are not UTF-8: encode the text as UTF-8")]
    NotUtf8,
    /// A host that can't be one.
    #[error("the database URL's host is not a valid name or address: check what follows the @ sign")]
    Host,
    /// A port that can't be one.
    #[error(
        "the database URL's port is not a number from 1 to 65535: check it, and that a : in the user name \
         is written as %3A"
    )]
    Port,
    /// More than one host.
    #[error("the database URL names several hosts: give the primary's only")]
    SeveralHosts,
    /// `MySQL` without a database.
    #[error("the database URL names no database: add it after the host, as in mysql://user@db.example.com/app")]
    MissingDatabase,
    /// `MySQL` without a user.
    #[error("the database URL names no user: add it before the host, as in mysql://user@db.example.com/app")]
    MissingUser,
    /// A parameter without the form that it must have.
    #[error("the database URL's parameter {name} must be {accepted}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What it accepts.
        accepted: &'static str,
    },
    /// A parameter without a value, or half a value.
    #[error("the database URL has a parameter without a value: write name=value, and a & inside a value as %26")]
    NoValue,
    /// A parameter that is given twice and differs.
    #[error("the database URL gives {0} twice with different values: keep one")]
    Conflict(&'static str),
    /// Two parameters that exclude each other.
    #[error("the database URL's parameters {0} and {1} contradict each other: keep one")]
    Contradiction(&'static str, &'static str),
    /// A near miss of a parameter that decides which tables are swept.
    #[error("the database URL has an unknown parameter {name}: did you mean {meant}? remove it if not")]
    Misspelt {
        /// As written.
        name: String,
        /// The parameter that it resembles.
        meant: &'static str,
    },
    /// A client certificate without its key, or the reverse.
    #[error("the database URL needs sslcert and sslkey together: give both, or neither")]
    CertificatePair,
    /// A search path that begins with the user's name.
    #[error("the database URL's search_path begins with \"$user\": say which schema is meant with ?schema=name")]
    SearchPath,
    /// The driver refused the options.
    #[error("the database URL can't be used: check its host, database and parameters")]
    Unusable,
}

const EXAMPLE: &str = "postgresql://user:password@db.example.com:5432/app";

const SUPPORTED: &str =
    "use a postgresql://, mysql://, mariadb:// or sqlite:// URL, or file:./app.db for a SQLite file";
