//! `docs/configuration.md` is generated: which keys there are, what they accept and their defaults from the code that
//! reads them, their meaning from `config/sweepd.toml`. `UPDATE_DOCS=1 cargo test --test suite -- reference` writes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use sweepd::config::{Config, DEFAULT_FILE, Environment};

const PAGE: &str = "docs/configuration.md";
/// Above the tables, by hand.
const HEAD: &str = include_str!("configuration-head.md");

/// A key of the sample file.
#[derive(Debug, Clone)]
struct Key {
    table: String,
    name: String,
    /// The default, or a sample.
    value: String,
    comment: String,
}

/// One name for all jobs and databases; the keys of the second ones stand with the first.
fn general(table: &str) -> String {
    let table = table.replace("jobs.sessions", "jobs.NAME").replace("jobs.carts", "jobs.NAME");
    table.replace("databases.shop", "databases.NAME").replace("alerts.ops", "alerts.NAME")
}

/// The keys of the sample file, and what is said of each table.
fn sample() -> (Vec<Key>, BTreeMap<String, String>) {
    let (mut keys, mut tables) = (Vec::<Key>::new(), BTreeMap::new());
    let (mut table, mut comment) = (String::new(), Vec::new());
    for line in DEFAULT_FILE.lines() {
        let sample = line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with(' '));
        let code = sample.or((!line.is_empty() && !line.starts_with('#')).then_some(line));
        match code {
            None if line.is_empty() => comment.clear(),
            None => comment.push(line.trim_start_matches('#').trim()),
            Some(code) if code.starts_with('[') => {
                table = general(code.trim_matches(['[', ']']));
                let said = comment.join(" ");
                tables.entry(table.clone()).or_insert(said);
                comment.clear();
            }
            Some(code) => {
                let (name, value) = code.split_once(" = ").expect("a key and a value");
                let key = Key {
                    table: table.clone(),
                    name: name.to_owned(),
                    value: value.to_owned(),
                    comment: comment.join(" "),
                };
                comment.clear();
                if !keys.iter().any(|known| known.table == key.table && known.name == key.name) {
                    keys.push(key);
                }
            }
        }
    }
    (keys, tables)
}

/// What a key accepts, and its default, by the code that reads it.
struct Read {
    accepts: String,
    default: Option<String>,
}

/// All keys that are read. The configuration has a job and a database of each kind, and no more than it must.
fn read() -> BTreeMap<String, Read> {
    let text = "[databases.shop]\nurl = \"sqlite:a.db\"\n[jobs.sessions]\nschedule = \"manual\"\npreset = \"authjs-prisma\"\n\
                [jobs.sessions.archive]\ndirectory = \"archive\"\n[audit.values]\nactor = \"sweepd\"\n\
                [http]\nsecret = \"0123456789abcdef\"\n[alerts.ops]\nurl = \"https://example.com/\"";
    let environment: Environment = [("DATABASE_URL", "postgresql://app@localhost/app")].into_iter().collect();
    let config = Config::from_text(Path::new("sweepd.toml"), text, &environment);
    let config = config.unwrap_or_else(|error| panic!("{error}"));
    let keys = config.keys().into_iter();
    keys.map(|(path, accepts, default)| {
        (general(&path), Read { accepts: accepts.to_owned(), default: default.map(str::to_owned) })
    })
    .collect()
}

fn render() -> String {
    let (keys, said) = sample();
    let mut read = read();
    let mut page = format!("{HEAD}\n");
    let mut tables: Vec<&str> = Vec::new();
    for key in &keys {
        if !tables.contains(&key.table.as_str()) {
            tables.push(&key.table);
        }
    }
    for table in tables {
        let _ = write!(page, "\n## [{table}]\n\n");
        if let Some(said) = said.get(table).filter(|said| !said.is_empty()) {
            let _ = write!(page, "{said}\n\n");
        }
        page.push_str("| key | value | default | what it does |\n|---|---|---|---|\n");
        let mut before = "";
        for key in keys.iter().filter(|key| key.table == table) {
            let path = format!("{table}.{}", key.name);
            let read = read.remove(&path).unwrap_or_else(|| panic!("nobody reads {path}"));
            let _ = writeln!(page, "{}", row(key, &read, before));
            before = &key.name;
        }
    }
    assert!(read.is_empty(), "config/sweepd.toml lacks {:?}", read.keys());
    page
}

fn row(key: &Key, read: &Read, before: &str) -> String {
    let accepts = match (key.name.as_str(), read.accepts.as_str()) {
        ("preset", _) => "a name that `sweepd presets` lists".to_owned(),
        ("events", _) => "a list of some of those in the default".to_owned(),
        // All numbers there are.
        (_, accepts) if accepts.len() > 250 => accepts.split(", from").next().unwrap_or_default().to_owned(),
        // What the head of the page says once.
        (_, accepts) => accepts
            .replace(" such as \"10ms\", \"5m\" or \"30d\"", "")
            .replace(" of 1 to 64 characters without control characters", ""),
    };
    let default = match (key.name.as_str(), &read.default) {
        ("schedule" | "directory", None) if key.table.starts_with("jobs") => "must be given".to_owned(),
        ("url", None) if key.table == "alerts.NAME" => "this, or `url_file`, must be given".to_owned(),
        ("preset", None) => "this, or `table`, `expires_at` and `encoding`, must be given".to_owned(),
        ("batch_target", _) => "`\"1ms\"` on PostgreSQL, `\"10ms\"` elsewhere".to_owned(),
        (_, Some(default)) => format!("`{default}`"),
        (_, None) => format!("none; for instance `{}`", key.value),
    };
    let meaning = match key.comment.as_str() {
        "" if key.table == "databases.NAME" => "As in `[database]`.".to_owned(),
        "" => format!("See `{before}`."),
        comment => comment.to_owned(),
    };
    let cell = |text: &str| text.replace('|', "\\|");
    format!("| `{}` | {} | {} | {} |", key.name, cell(&accepts), cell(&default), cell(&meaning))
}

#[test]
fn the_reference_of_the_configuration_is_that_of_the_code() {
    let (wanted, path) = (render(), Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = || wanted.lines().zip(found.lines()).find(|(wanted, found)| wanted != found);
    assert!(wanted == found, "{PAGE} is out of date; UPDATE_DOCS=1 cargo test writes it: {:?}", differs());
}
