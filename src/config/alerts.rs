//! `[alerts.NAME]`, and where the runs of jobs are announced.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::error::may_be_secret;
use super::reader::Section;
use super::setting::Setting as _;
use super::text_or_file::Keys;
use crate::alert::{Channel, Event, Format, Settings};
use crate::webhook::{Address, Client, Key};

const URL: Keys = Keys { text: "url", file: "url_file", what: "a URL" };
const SECRET: Keys = Keys { text: "secret", file: "secret_file", what: "a secret" };
const PING_URL: Keys = Keys { text: "ping_url", file: "ping_url_file", what: "a URL" };
const FORMATS: &[(&str, Format)] = &[("json", Format::Json), ("slack", Format::Slack), ("discord", Format::Discord)];
const DAY: Duration = Duration::from_hours(24);

pub(super) fn read(root: &mut Section<'_>, pings: BTreeMap<String, Address>) -> Settings {
    let mut section = root.table("alerts");
    let mut channels = Vec::new();
    for name in section.checked_names() {
        let mut section = section.table(&name);
        channels.extend(channel(&mut section, &name));
        section.finish();
    }
    section.finish();
    let pinging = if pings.is_empty() { None } else { Client::new(None).ok() };
    Settings { channels, pings, pinging }
}

fn channel(section: &mut Section<'_>, name: &str) -> Option<Channel> {
    let address = address(section, URL);
    if !URL.given(section) {
        section.missing("url", "; give it, or url_file: alerts are posted there");
    }
    let format = section.choice("format", FORMATS, Format::Json);
    let key = key(section);
    let events = events(section);
    let remind_after = section.within("remind_after", DAY, Duration::from_mins(1)..=365 * DAY);
    let timeout = section.within("timeout", Duration::from_secs(10), Duration::from_secs(1)..=Duration::from_mins(2));
    let client = client(section)?;
    let name = name.to_owned();
    Some(Channel { name, address: address?, format, key, events, remind_after, timeout, client })
}

/// The URL that is pinged when runs of a job begin and end.
pub(super) fn ping(section: &mut Section<'_>) -> Option<Address> {
    address(section, PING_URL)
}

/// Who knows such a URL may post there, so only its host is shown.
fn address(section: &mut Section<'_>, keys: Keys) -> Option<Address> {
    let written = keys.read(section, None)?;
    let address = Address::parse(&written.text).map_err(|error| written.problem(section, error)).ok()?;
    if address.is_plain() {
        section.warn(keys.text, "is http and not https, so others on the way can read it, and the secret in it");
    }
    written.show(section, keys, &format!("{address}, from "));
    Some(address)
}

fn key(section: &mut Section<'_>) -> Option<Key> {
    let written = SECRET.read(section, None)?;
    let key = Key::parse(&written.text).map_err(|error| written.problem(section, error)).ok()?;
    written.show(section, SECRET, "from ");
    Some(key)
}

fn events(section: &mut Section<'_>) -> Vec<Event> {
    let words: Option<Vec<String>> = section.take("events");
    let all = Event::ALL.map(|event| event.as_str().to_owned());
    let accepted = all.join(", ");
    let mut events = Vec::new();
    for word in words.as_ref().unwrap_or(&all.to_vec()) {
        match Event::from_word(word) {
            Some(event) => events.push(event),
            None => section.problem("events", format!("accepted: {accepted}")),
        }
    }
    if events.is_empty() && words.as_ref().is_some_and(Vec::is_empty) {
        section.problem("events", format!("is empty, so nothing would ever be told; accepted: {accepted}"));
    }
    section.record("events", Some(events.iter().map(|event| event.as_str().to_owned()).collect::<Vec<_>>().to_toml()));
    events
}

/// Read at each load, so that a reload takes a new certificate.
fn client(section: &mut Section<'_>) -> Option<Client> {
    let path: Option<PathBuf> = section.optional("ca_file");
    match Client::new(path.as_deref()) {
        Ok(client) => Some(client),
        Err(error) => {
            let path = path.unwrap_or_default().to_string_lossy().into_owned();
            let hidden = section.in_environment("ca_file") || may_be_secret(&path);
            let shown = if hidden { String::new() } else { format!("{path}: ") };
            section.problem("ca_file", format!("{shown}{error}"));
            None
        }
    }
}
