//! Which session stores are in a database, and how sure that is. Reads only.
//!
//! A store is known by its shape: the names and types of its columns first, then the name of its table, then the values.

mod shape;
mod zone;

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::db::catalog_sql::{self, Outline};
use crate::db::sweep_sql::Target;
use crate::db::{Database, DbError, Encoding, Engine, TableName, Trouble};
use crate::preset::{Holds, Layout, PRESETS, Preset, Store, Writer};
use crate::sweep::{self, guard};
use crate::zone::Zone;

pub use zone::WriterZone;

/// How many values are looked at to show what they are.
const SAMPLE: u32 = 1000;
/// A lifetime for a look at the values, which do not depend on it.
const ANY_LIFETIME: Duration = Duration::from_hours(1);

/// A table that looks like a known store.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The table with its schema.
    pub table: TableName,
    /// What it may be: the only candidate, or several that would read it differently.
    pub candidates: Vec<Candidate>,
}

/// What a table may be.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The store.
    pub preset: &'static Preset,
    /// The same on this database.
    pub store: &'static Store,
    /// Whether the table is where the library creates it.
    pub named: bool,
    /// The type of the expiry.
    pub kind: String,
    /// Whether it is that which the library gives it.
    pub typed: bool,
    /// How sweepd would read it; the zone and the lifetime may still have to be filled in.
    pub layout: Layout,
    /// The encoding in `layout`, where it is not the preset's.
    pub encoding: Option<&'static str>,
    /// Which of the encodings in `layout` the values have.
    pub read_as: Option<&'static str>,
    /// In which zone its times are.
    pub writer: WriterZone,
    /// Why sweepd would not sweep it like this.
    pub refusal: Option<String>,
    /// The number of values that were looked at, and the lowest and the highest of them.
    pub values: Option<(usize, DateTime<Utc>, DateTime<Utc>)>,
    /// The index on the expiry.
    pub index: Option<String>,
    /// Other presets that would read the table in the same way.
    pub same: Vec<&'static str>,
}

/// How sure it is that a table is a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sure {
    /// Its name, its columns, their types and the values all say so.
    Certain,
    /// The name or the type of the expiry is another, or its columns are those of many a table.
    Likely,
    /// Something speaks against it.
    Doubtful,
}

impl Sure {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Doubtful => "doubtful",
        }
    }
}

impl Finding {
    /// What it is, where there is one answer.
    #[must_use]
    pub fn single(&self) -> Option<&Candidate> {
        if let [candidate] = self.candidates.as_slice() { Some(candidate) } else { None }
    }

    /// Whether its rows are sessions, and not what a library keeps beside them.
    #[must_use]
    pub fn holds_sessions(&self) -> bool {
        self.candidates.iter().any(|candidate| candidate.preset.holds == Holds::Sessions)
    }

    /// Whether sweepd would not sweep it, whatever it is.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.candidates.iter().all(|candidate| candidate.refusal.is_some())
    }

    /// Whether its service deletes expired rows by itself.
    #[must_use]
    pub fn cleans_itself(&self) -> bool {
        self.candidates.iter().all(|candidate| candidate.preset.cleans_itself)
    }

    /// Whether the table is where the library creates it.
    #[must_use]
    pub fn named(&self) -> bool {
        self.candidates.iter().any(|candidate| candidate.named)
    }
}

impl Candidate {
    /// How sure it is.
    #[must_use]
    pub fn sure(&self) -> Sure {
        match (&self.refusal, self.named && self.typed && !self.store.is_bare()) {
            (Some(_), _) => Sure::Doubtful,
            (None, true) => Sure::Certain,
            (None, false) => Sure::Likely,
        }
    }

    /// What the configuration has to say that nobody but the application knows: the key, and how to find out.
    #[must_use]
    pub fn open(&self) -> Vec<(&'static str, &'static str)> {
        let zone = match (&self.writer, self.store.writer) {
            (WriterZone::Unknown(_), Writer::Ask(how)) => Some(("writer_timezone", how)),
            _ => None,
        };
        zone.into_iter().chain(self.preset.lifetime.map(|how| ("lifetime", how))).collect()
    }

    /// Whether a job can sweep it without another word.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.sure() == Sure::Certain && self.open().is_empty() && !self.preset.cleans_itself
    }
}

/// Looks for every known store.
///
/// # Errors
/// Those of the database.
pub async fn stores(database: &Database) -> Result<Vec<Finding>, DbError> {
    let engine = database.engine();
    let known: Vec<_> = PRESETS.iter().filter_map(|preset| Some((preset, preset.store(engine)?))).collect();
    let mut schemas: Vec<&str> = known.iter().filter_map(|(_, store)| store.schema).collect();
    schemas.push(database.schema());
    let mut columns: Vec<&str> = known.iter().map(|(_, store)| store.expires_at).collect();
    for names in [&mut schemas, &mut columns] {
        names.sort_unstable();
        names.dedup();
    }
    let mut findings = Vec::new();
    for outline in catalog_sql::outlines(database, &schemas, &columns).await? {
        let fits = shape::best(&outline, &known, database.schema());
        let mut candidates = Vec::new();
        for (preset, store, named) in fits {
            candidates.push(look(database, &outline, preset, store, named).await?);
        }
        if !candidates.is_empty() {
            findings.push(Finding { table: outline.table, candidates: judge(candidates) });
        }
    }
    Ok(findings)
}

/// What is refused gives way to what fits in every way, and those that read the table in the same way are one.
fn judge(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let some_fit = candidates.iter().any(|candidate| candidate.refusal.is_none() && candidate.typed);
    let mut judged: Vec<Candidate> = Vec::new();
    for candidate in candidates.into_iter().filter(|candidate| !some_fit || candidate.refusal.is_none()) {
        let reads = |other: &&mut Candidate| {
            Layout { users: None, ..other.layout.clone() } == Layout { users: None, ..candidate.layout.clone() }
                && other.open() == candidate.open()
        };
        match judged.iter_mut().find(reads) {
            Some(other) => other.same.push(candidate.preset.name),
            None => judged.push(candidate),
        }
    }
    judged
}

async fn look(
    database: &Database,
    outline: &Outline,
    preset: &'static Preset,
    store: &'static Store,
    named: bool,
) -> Result<Candidate, DbError> {
    let kind = outline.kind(store.expires_at).unwrap_or_default().to_owned();
    let writer = zone::of_writer(database, store, &outline.table).await?;
    let encoding = instant_after_all(database.engine(), store, &kind);
    let zone = if let WriterZone::Proven(zone, _) = &writer { zone.clone() } else { Zone::utc() };
    let mut candidate = Candidate {
        preset,
        store,
        named,
        typed: shape::is_of_type(&kind, store.kind) && shape::has_its_token(outline, store),
        layout: layout(preset, store, &outline.table, encoding, &zone),
        kind,
        encoding,
        read_as: None,
        writer: if encoding.is_some() { WriterZone::Known } else { writer },
        refusal: None,
        values: None,
        index: None,
        same: Vec::new(),
    };
    match guard::layout(database, &candidate.layout).await {
        Ok(target) => {
            candidate.values = values(database, &target).await?;
            candidate.read_as = candidate.values.map(|_| target.expiry.encoding.name());
            let index = target.table.index_on(store.expires_at).map(|index| index.name.clone());
            candidate.index = index.filter(|_| target.is_indexed());
        }
        Err(sweep::Error::Database(error)) if error.trouble != Trouble::Privilege => return Err(error),
        Err(error) => candidate.refusal = Some(error.to_string()),
    }
    Ok(candidate)
}

/// A column that holds instants by itself needs no preset to say so: some people give Prisma's that type.
fn instant_after_all(engine: Engine, store: &Store, kind: &str) -> Option<&'static str> {
    let instants = engine == Engine::Postgres && shape::is_of_type(kind, "timestamp with time zone");
    let name = Encoding::Timestamptz.name();
    (instants && !store.encodings.contains(&name)).then_some(name)
}

fn layout(preset: &Preset, store: &Store, table: &TableName, encoding: Option<&str>, zone: &Zone) -> Layout {
    let names = encoding.map_or_else(|| store.encodings.to_vec(), |encoding| vec![encoding]);
    let mut layout = store.layout(zone, preset.lifetime.map(|_| ANY_LIFETIME));
    layout.encodings = names.into_iter().filter_map(|name| Encoding::from_name(name, zone.clone())).collect();
    layout.table = table.clone();
    layout
}

async fn values(
    database: &Database,
    target: &Target,
) -> Result<Option<(usize, DateTime<Utc>, DateTime<Utc>)>, DbError> {
    let rows = database.read(target.sample(SAMPLE)).await?;
    let millis = database.decode(|| rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>())?;
    let read: Vec<_> = millis.into_iter().flatten().filter_map(|millis| target.expiry.read(millis)).collect();
    Ok(read.iter().min().zip(read.iter().max()).map(|(first, last)| (read.len(), *first, *last)))
}
