//! Which sessions a job sweeps: a preset, columns by hand, or a preset with some of its columns overridden.

use std::time::Duration;

use super::jobs::{CENTURY, ZONES};
use super::reader::Section;
use super::setting::Setting as _;
use crate::db::{Encoding, Engine, Mode, TableName};
use crate::preset::{Layout, PRESETS, Preset, PresetError};
use crate::zone::Zone;

/// The keys that say which rows a job sweeps.
pub(super) const KEYS: [&str; 10] =
    ["preset", "schema", "table", "expires_at", "encoding", "mode", "lifetime", "token", "user", "writer_timezone"];

/// The keys as they were written.
struct Written {
    preset: Option<&'static Preset>,
    schema: Option<String>,
    table: Option<String>,
    expires_at: Option<String>,
    encoding: Option<&'static str>,
    mode: Option<&'static str>,
    lifetime: Option<Duration>,
    token: Option<String>,
    user: Option<String>,
    writer: Option<Zone>,
}

/// The layout; none when something was wrong, which is reported, or while the engine is not known.
pub(super) fn read(section: &mut Section<'_>, engine: Option<Engine>) -> Option<Layout> {
    let written = written(section);
    if written.preset.is_none() {
        require(section);
    }
    let base = written.preset.and_then(|preset| from_preset(section, preset, &written, engine));
    let base = base.as_ref();
    // These go on without the preset where it is wrong itself: more can be said at once.
    let encodings = encodings(section, &written, base);
    let mode = mode(section, &written, base);
    if written.preset.is_some() && base.is_none() {
        return None;
    }
    let layout = Layout {
        table: table(&written, base)?,
        expires_at: written.expires_at.or_else(|| base.map(|base| base.expires_at.clone()))?,
        encodings: encodings?,
        mode: mode?,
        token: written.token.or_else(|| base.and_then(|base| base.token.clone())),
        user: written.user.or_else(|| base.and_then(|base| base.user.clone())),
        users: base.and_then(|base| base.users.clone()),
    };
    show(section, &layout, written.preset);
    odd(section, &layout);
    Some(layout)
}

fn written(section: &mut Section<'_>) -> Written {
    let presets: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
    Written {
        preset: section.word("preset", &presets).and_then(Preset::find),
        schema: section.identifier("schema"),
        table: section.identifier("table"),
        expires_at: section.identifier("expires_at"),
        encoding: section.word("encoding", &Encoding::NAMES),
        mode: section.word("mode", &["expires", "last-seen"]),
        lifetime: section.optional_within("lifetime", Duration::from_secs(1)..=CENTURY),
        token: section.identifier("token"),
        user: section.identifier("user"),
        writer: section.parsed("writer_timezone", ZONES, Zone::parse),
    }
}

/// What a layout by hand cannot do without.
fn require(section: &mut Section<'_>) {
    const NEEDED: [&str; 3] = ["table", "expires_at", "encoding"];
    if section.has("preset") {
        return;
    }
    if !NEEDED.into_iter().any(|key| section.has(key)) {
        let presets = PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ");
        section.missing("preset", format!("; accepted: {presets}; or give table, expires_at and encoding"));
        return;
    }
    for key in NEEDED.into_iter().filter(|key| !section.has(key)).collect::<Vec<_>>() {
        let accepted = match key {
            "encoding" => format!("accepted: {}", Encoding::NAMES.join(", ")),
            "table" => "the name of the table with the sessions".to_owned(),
            _ => "the name of the column with the expiry, or the last use".to_owned(),
        };
        section.missing(key, format!(", and there is no preset; {accepted}"));
    }
}

fn from_preset(
    section: &mut Section<'_>,
    preset: &Preset,
    written: &Written,
    engine: Option<Engine>,
) -> Option<Layout> {
    // The preset need not know whose times these are when the column is said to hold instants.
    let instants = written.encoding.is_some_and(|name| !Encoding::needs_zone(name)) || section.has("writer_timezone");
    let writer = written.writer.clone().or_else(|| instants.then(Zone::utc));
    // Nor for how long a session lives after its last use, when the column is said to hold the end.
    let no_use = (written.mode == Some("expires")).then_some(Duration::ZERO);
    match preset.layout(engine?, writer.as_ref(), written.lifetime.or(no_use)) {
        Ok(layout) => Some(layout),
        Err(PresetError::Lifetime(..)) if section.has("lifetime") => None,
        Err(error) => {
            section.problem("preset", error);
            None
        }
    }
}

fn table(written: &Written, base: Option<&Layout>) -> Option<TableName> {
    let base = base.map(|base| base.table.clone());
    let name = written.table.clone().or_else(|| base.as_ref().map(|table| table.name.clone()))?;
    let schema = written.schema.clone().or_else(|| base.and_then(|table| table.schema));
    Some(TableName { schema, name })
}

fn encodings(section: &mut Section<'_>, written: &Written, base: Option<&Layout>) -> Option<Vec<Encoding>> {
    let Some(name) = written.encoding else {
        return base.map(|base| base.encodings.clone());
    };
    // The preset knows the zone of its own encodings.
    let known = base.and_then(|base| base.encodings.iter().find(|encoding| encoding.name() == name));
    if let Some(known) = known {
        return Some(vec![known.clone()]);
    }
    let zone = match &written.writer {
        Some(zone) => zone.clone(),
        None if !Encoding::needs_zone(name) => Zone::utc(),
        None => {
            zone_missing(section, name, written.preset.is_some() && base.is_none());
            return None;
        }
    };
    Encoding::from_name(name, zone).map(|encoding| vec![encoding])
}

/// A preset that could not be laid out may have known the zone.
fn zone_missing(section: &mut Section<'_>, encoding: &str, preset_unknown: bool) {
    if !section.has("writer_timezone") && !preset_unknown {
        let hint = format!(": {encoding:?} stores times without a zone; say which zone they are in, {ZONES}");
        section.missing("writer_timezone", hint);
    }
}

fn mode(section: &mut Section<'_>, written: &Written, base: Option<&Layout>) -> Option<Mode> {
    let base = base.map(|base| base.mode);
    let last_seen = match written.mode {
        Some(name) => name == "last-seen",
        None if section.has("mode") => return None,
        None => matches!(base, Some(Mode::LastSeen(_))),
    };
    match (last_seen, written.lifetime, base) {
        (true, Some(lifetime), _) | (true, None, Some(Mode::LastSeen(lifetime))) => Some(Mode::LastSeen(lifetime)),
        (true, None, _) => {
            if !section.has("lifetime") {
                section.missing("lifetime", ": mode \"last-seen\" needs it; a duration such as \"30d\"");
            }
            None
        }
        (false, Some(_), _) => {
            section.problem("lifetime", "means nothing unless mode is \"last-seen\"; remove one or set the other");
            None
        }
        (false, None, _) => Some(Mode::Expires),
    }
}

/// What the preset stands for, for `sweepd config`.
fn show(section: &mut Section<'_>, layout: &Layout, preset: Option<&Preset>) {
    let origin = preset.map_or_else(|| "default".to_owned(), |preset| format!("preset {}", preset.name));
    let text = |text: &str| Some(text.to_owned().to_toml());
    if let Some(schema) = &layout.table.schema {
        section.derive("schema", text(schema), &origin);
    }
    section.derive("table", text(&layout.table.name), &origin);
    section.derive("expires_at", text(&layout.expires_at), &origin);
    if let [encoding] = layout.encodings.as_slice() {
        section.derive("encoding", text(encoding.name()), &origin);
    }
    section.derive("mode", text(layout.mode.name()), &origin);
    for (key, column) in [("token", &layout.token), ("user", &layout.user)] {
        if let Some(column) = column {
            section.derive(key, text(column), &origin);
        }
    }
}

/// What is allowed, and probably not meant.
fn odd(section: &mut Section<'_>, layout: &Layout) {
    let used = layout.encodings.iter().any(|encoding| Encoding::needs_zone(encoding.name()));
    if section.has("writer_timezone") && !used {
        section.warn("writer_timezone", "has no effect: the encoding says the instant by itself");
    }
    section.warn_dotted(&layout.table);
}
