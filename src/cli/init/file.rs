//! The configuration that `sweepd init` writes: a commented job for each store that was found.

use crate::cli::snippet::{comment, job, key, switched_off};
use crate::db::{Encoding, TableName};
use crate::detect::{Candidate, Finding, Sure, WriterZone};
use crate::report::rfc3339;

const SCHEDULE: &str = "daily at 02:00";
/// Until the right one is filled in: too long a lifetime keeps rows, too short a one would log people out.
const SAFE_LIFETIME: &str = "365d";

/// Where the URL is from.
pub(super) enum Origin {
    /// The command line, so it goes into the file.
    Given(String),
    /// A variable in the environment, where it stays.
    Variable(&'static str),
}

/// A configuration, and what is in it.
pub(super) struct Written {
    pub(super) text: String,
    pub(super) jobs: Vec<Job>,
}

/// A job of the configuration.
pub(super) struct Job {
    pub(super) name: String,
    pub(super) table: String,
    pub(super) store: &'static str,
    pub(super) sure: &'static str,
    pub(super) enabled: bool,
}

impl Job {
    pub(super) fn state(&self) -> &'static str {
        if self.enabled { "enabled" } else { "not enabled" }
    }
}

/// Writes it. `own` is the schema in which tables without one are looked for.
pub(super) fn write(found: &[Finding], own: &str, location: &str, origin: &Origin) -> Written {
    let mut text = head(location, origin);
    let mut jobs: Vec<Job> = Vec::new();
    let alone = found.iter().filter(|finding| finding.holds_sessions()).count() == 1;
    for finding in found {
        text.push('\n');
        if finding.candidates.len() > 1 {
            let why = "several stores have such a table, and read it differently. Enable the job of yours, and delete the others.";
            text.push_str(&comment(&format!("{}: {why}", finding.table), 0));
        }
        for candidate in &finding.candidates {
            let single = finding.single().is_some();
            let plain = if alone && single && finding.holds_sessions() { "sessions" } else { candidate.preset.name };
            let name = free(plain, &jobs);
            let enabled = single && candidate.is_ready();
            text.push_str(&of_candidate(candidate, &name, enabled, own));
            let (table, store) = (finding.table.to_string(), candidate.preset.name);
            jobs.push(Job { name, table, store, sure: candidate.sure().as_str(), enabled });
        }
    }
    Written { text, jobs }
}

fn head(location: &str, origin: &Origin) -> String {
    let text = format!(
        "Written by `sweepd init`, by what is in {location}. `sweepd check` tries it out, `sweepd clean --dry-run` says what would be deleted, and `sweepd config --default` explains every key."
    );
    let url = match origin {
        Origin::Variable(name) => {
            format!(
                "{}#url = \"postgresql://app:password@localhost:5432/app\"\n",
                comment(&format!("The URL is in the environment, in {name}, and not in this file."), 0)
            )
        }
        Origin::Given(url) => {
            format!("{}{}", comment("It may hold a password: keep this file to yourself.", 0), key("url", url, ""))
        }
    };
    format!("{}\n[database]\n{url}", comment(&text, 0))
}

/// The name of a job that no other has.
fn free(name: &str, jobs: &[Job]) -> String {
    let taken = |name: &str| jobs.iter().any(|job| job.name == name);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

fn of_candidate(candidate: &Candidate, name: &str, enabled: bool, own: &str) -> String {
    let notes: String = notes(candidate).iter().map(|note| comment(note, 2)).collect();
    let mut keys = String::new();
    if !enabled {
        keys += &switched_off(why_not(candidate));
    }
    keys += &key("schedule", SCHEDULE, "");
    keys += &key("preset", candidate.preset.name, "");
    keys += &place(candidate, own);
    if let Some(encoding) = candidate.encoding {
        keys += &key("encoding", encoding, "");
    }
    keys += &zone(&candidate.writer);
    if candidate.preset.lifetime.is_some() {
        keys += &key("lifetime", SAFE_LIFETIME, "FILL IN, then enable the job");
    }
    format!("{notes}{}", job(name, &keys))
}

fn why_not(candidate: &Candidate) -> &'static str {
    match candidate.sure() {
        _ if candidate.preset.cleans_itself => "because its service deletes expired rows by itself",
        Sure::Doubtful => "until what speaks against it is settled",
        Sure::Likely => "until you know that it is this store's table",
        Sure::Certain => "until what only you can know is filled in",
    }
}

/// The table, where it is not the preset's.
fn place(candidate: &Candidate, own: &str) -> String {
    let TableName { schema, name } = &candidate.layout.table;
    let mut keys = String::new();
    let expected = candidate.store.schema.unwrap_or(own);
    if let Some(schema) = schema.as_deref().filter(|schema| *schema != expected) {
        keys += &key("schema", schema, "");
    }
    if name != candidate.store.table {
        keys += &key("table", name, "");
    }
    keys
}

fn zone(writer: &WriterZone) -> String {
    match writer {
        WriterZone::Known => String::new(),
        WriterZone::Proven(zone, _) => key("writer_timezone", zone.name(), ""),
        WriterZone::Unknown(_) => key("writer_timezone", "UTC", "FILL IN, then enable the job"),
    }
}

/// What was found, what speaks for and against it, and what to know.
fn notes(candidate: &Candidate) -> Vec<String> {
    let Candidate { preset, store, .. } = candidate;
    let named = if candidate.named { "" } else { ", which is not the name that the library gives it" };
    let typed = if candidate.typed { "" } else { ", which is not the type that the library gives it" };
    let bare = if store.is_bare() { ", but its columns are those of many a table" } else { "" };
    let mut notes = vec![
        format!("{} is {}: {}{bare}.", candidate.layout.table, preset.title, candidate.sure().as_str()),
        format!("- table {}{named}", candidate.layout.table),
        format!("- column {:?} of type {}{typed}, read as {}", store.expires_at, candidate.kind, encodings(candidate)),
    ];
    notes.push(match candidate.values {
        Some((count, first, last)) => {
            format!("- {count} values were looked at, from {} to {}", rfc3339(first), rfc3339(last))
        }
        None => "- no value could be looked at".to_owned(),
    });
    if candidate.refusal.is_none() && candidate.index.is_none() && !store.encodings.contains(&"epoch-millis-text") {
        notes.push(format!(
            "- no index begins with {:?}, so every run reads the whole table: `sweepd migrate --index` creates one",
            store.expires_at
        ));
    }
    notes.extend(candidate.refusal.iter().map(|refusal| format!("- AGAINST IT: {refusal}")));
    if let WriterZone::Proven(zone, how) = &candidate.writer {
        notes.push(format!("- times without a zone are in {}: {how}", zone.name()));
    }
    notes.extend(candidate.open().iter().map(|(key, how)| format!("- TO FILL IN: {key}: {how}")));
    if let WriterZone::Unknown(Some(hint)) = &candidate.writer {
        notes.push(format!("- a hint: {hint}"));
    }
    if !candidate.same.is_empty() {
        notes.push(format!("- would be read in the same way by {}", candidate.same.join(", ")));
    }
    notes.extend(preset.caveat.iter().map(|caveat| format!("- {caveat}")));
    notes
}

fn encodings(candidate: &Candidate) -> String {
    let names: Vec<_> = candidate.layout.encodings.iter().map(Encoding::name).collect();
    let read_as = candidate.read_as.map_or_else(|| names.join(" or "), str::to_owned);
    let of = if candidate.preset.lifetime.is_some() { " of the last use" } else { "" };
    format!("{read_as}{of}")
}
