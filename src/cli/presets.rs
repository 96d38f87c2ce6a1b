//! `sweepd presets`: the session stores that sweepd knows.

use serde_json::{Value, json};

use super::snippet::{job, key};
use super::{Exit, Failure, output};
use crate::preset::{PRESETS, Preset, Store, Writer};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The preset to show in full [default: a list of all]
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.name {
        Some(name) => {
            let preset = Preset::find(name).ok_or_else(|| unknown(name))?;
            if args.json { output::json(&in_full(preset)) } else { show(preset) }
        }
        None if args.json => {
            output::json(&json!({ "presets": PRESETS.iter().map(in_full).collect::<Vec<_>>() }));
        }
        None => list(),
    }
    Ok(Exit::Done)
}

fn unknown(name: &str) -> Failure {
    let near = |preset: &&Preset| strsim::jaro_winkler(preset.name, name);
    let nearest = PRESETS.iter().max_by(|one, other| near(one).total_cmp(&near(other)));
    let meant = nearest.filter(|preset| near(preset) > 0.8);
    let meant = meant.map(|preset| format!("; did you mean {}?", preset.name)).unwrap_or_default();
    Failure::usage(format!("there is no preset {name:?}; `sweepd presets` lists them{meant}"))
}

fn list() {
    let rows = PRESETS.iter().map(|preset| {
        let engines: Vec<_> = preset.stores.iter().map(|store| store.engine.to_string()).collect();
        let (name, title) = (preset.name.to_owned(), preset.title.to_owned());
        vec![name, title, engines.join(", "), preset.verified.as_str().to_owned()]
    });
    output::table(&["preset", "store", "databases", "verified"], &[], rows.collect());
    output::line("");
    output::line(
        "conformance: the tests run the library itself; documented: by its sources and its documented schema.",
    );
    output::line("`sweepd presets NAME` shows one in full, `sweepd init` finds those in your database.");
}

fn show(preset: &Preset) {
    output::line(format!("{}: {}", preset.name, preset.title));
    output::line(format!("  verified  {}", preset.verified.as_str()));
    if let Some(caveat) = preset.caveat {
        output::line(format!("  to know   {caveat}"));
    }
    if let Some(how) = preset.lifetime {
        output::line(format!("  lifetime  has to be given: {how}"));
    }
    for store in preset.stores {
        output::line("");
        output::line(store.engine.to_string());
        for (what, text) in facts(preset, store) {
            output::line(format!("  {what:<9} {text}"));
        }
    }
    output::line("");
    output::line(snippet(preset).trim_end());
}

fn facts(preset: &Preset, store: &Store) -> Vec<(&'static str, String)> {
    let column = |column: Option<&str>| column.map_or_else(|| "none".to_owned(), |column| format!("{column:?}"));
    let index = match (store.indexed, store.encodings) {
        (true, _) => "the library creates one on the column",
        (false, ["epoch-millis-text"]) => "none helps, as the column holds numbers in text",
        (false, _) => "none on the column: `sweepd migrate --index` creates one",
    };
    let read_as = store.encodings.join(" or ");
    let mut facts = vec![
        ("table", place(store)),
        ("column", format!("{:?} of type {}, read as {read_as}", store.expires_at, store.kind)),
        ("mode", preset.mode().to_owned()),
        ("token", column(store.token)),
        ("user", column(store.user)),
        ("index", index.to_owned()),
    ];
    if let Writer::Ask(how) = store.writer {
        facts.push(("zone", format!("`writer_timezone` has to be given: {how}")));
    }
    facts
}

fn place(store: &Store) -> String {
    store.schema.map_or_else(|| store.table.to_owned(), |schema| format!("{schema}.{}", store.table))
}

/// A job for it, with what has to be filled in.
fn snippet(preset: &Preset) -> String {
    let mut keys = key("schedule", "daily at 02:00", "") + &key("preset", preset.name, "");
    let asking: Vec<_> = preset.stores.iter().filter(|store| matches!(store.writer, Writer::Ask(_))).collect();
    if !asking.is_empty() {
        let engines: Vec<_> = asking.iter().map(|store| store.engine.to_string()).collect();
        keys += &key("writer_timezone", "UTC", &format!("fill in ({})", engines.join(", ")));
    }
    if preset.lifetime.is_some() {
        keys += &key("lifetime", "365d", "fill in");
    }
    job(preset.name, &keys)
}

fn in_full(preset: &Preset) -> Value {
    let stores: Vec<_> = preset.stores.iter().map(|store| in_json(preset, store)).collect();
    json!({
        "name": preset.name, "title": preset.title, "holds": preset.holds.as_str(),
        "verified": preset.verified.as_str(), "caveat": preset.caveat,
        "lifetime": preset.lifetime, "stores": stores, "config": snippet(preset),
    })
}

fn in_json(preset: &Preset, store: &Store) -> Value {
    let zone = match store.writer {
        Writer::Utc => None,
        Writer::Ask(how) => Some(how),
    };
    json!({
        "database": store.engine.to_string(), "schema": store.schema, "table": store.table,
        "expiresAt": store.expires_at, "type": store.kind, "encodings": store.encodings, "mode": preset.mode(),
        "token": store.token, "user": store.user, "users": store.users, "indexed": store.indexed,
        "writerTimezone": zone,
    })
}
