//! `[http]`: off, unless one of its keys is written.

use std::path::{Path, PathBuf};

use super::environment::{CRON_SECRET, Environment};
use super::error::may_be_secret;
use super::reader::Section;
use super::setting::Setting as _;
use super::text_or_file::Keys;
use crate::http::Settings;
use crate::http::ask::Place;
use crate::http::auth::{Secret, Secrets};
use crate::http::listen::Endpoint;
use crate::http::tls::{Tls, TlsError};

const SECRET: Keys = keys("secret", "secret_file");
const PREVIOUS_SECRET: Keys = keys("previous_secret", "previous_secret_file");
const READ_SECRET: Keys = keys("read_secret", "read_secret_file");

const fn keys(text: &'static str, file: &'static str) -> Keys {
    Keys { text, file, what: "a secret" }
}

pub(super) fn read(root: &mut Section<'_>, environment: &Environment) -> Option<Settings> {
    let mut section = root.table("http");
    // Nothing else turns it on: CRON_SECRET may be there for the application alone.
    let is_on = section.has_any();
    let listen = listen(&mut section, is_on);
    let socket = section.optional("socket");
    if cfg!(not(unix)) && section.has("socket") {
        section.problem("socket", "needs a system with unix sockets, which this is not; take listen");
    }
    let secrets = secrets(&mut section, environment.get(CRON_SECRET).filter(|_| is_on));
    let tls = tls(&mut section, listen.is_some());
    let vercel_cron: bool = section.optional("vercel_cron").unwrap_or_default();
    let max = section.optional_within("max_connections", 1..=10_000).unwrap_or(Settings::MAX_CONNECTIONS);
    if is_on {
        section.derive("vercel_cron", Some(vercel_cron.to_toml()), "default");
        section.derive("max_connections", Some(max.to_toml()), "default");
        warn_of_plain_text(&mut section, listen.as_ref(), tls.as_ref());
    }
    section.finish();
    let max_connections = usize::try_from(max).unwrap_or(usize::MAX);
    secrets.map(|secrets| Settings { listen, socket, secrets, tls, vercel_cron, max_connections }).filter(|_| is_on)
}

/// Where a daemon can be asked, whatever else is right or wrong. The socket comes first: nobody from outside can take
/// its connections.
pub(super) fn place(root: &mut Section<'_>) -> Option<Place> {
    let mut section = root.table("http");
    let is_on = section.has_any();
    let address = listen(&mut section, is_on).map(|listen| Place::Address(listen, section.has("tls_certificate")));
    section.optional("socket").map(Place::Socket).or(address)
}

/// Where only a socket is given, nothing else is listened on.
fn listen(section: &mut Section<'_>, is_on: bool) -> Option<Endpoint> {
    let given = section.parsed("listen", "an address and a port", str::parse);
    if given.is_some() || !is_on || section.has("listen") || section.has("socket") {
        return given;
    }
    section.derive("listen", Some(Settings::LISTEN.to_owned().to_toml()), "default");
    Settings::LISTEN.parse().ok()
}

fn secrets(section: &mut Section<'_>, fallback: Option<&str>) -> Option<Secrets> {
    let full = secret(section, SECRET, fallback);
    let previous = secret(section, PREVIOUS_SECRET, None);
    let read = secret(section, READ_SECRET, None);
    if section.has_any() && fallback.is_none() && !SECRET.given(section) {
        let hint = "; HTTP does not start without one: give it, secret_file, or CRON_SECRET in the environment, and let \
                    `openssl rand -hex 32` make it";
        section.missing("secret", hint);
    }
    if read.is_some() && (read == full || read == previous) {
        section.problem("read_secret", "allows everything, as secret and previous_secret do; take another one");
    }
    Some(Secrets { full: full?, previous, read })
}

fn secret(section: &mut Section<'_>, keys: Keys, fallback: Option<&str>) -> Option<Secret> {
    let written = keys.read(section, fallback.map(|text| (CRON_SECRET, text)))?;
    let secret = Secret::new(written.text.trim()).map_err(|error| written.problem(section, error)).ok()?;
    let note = if written.key == keys.file { "from " } else { "" };
    written.show(section, keys, note);
    Some(secret)
}

/// Read at each load, so that a reload takes a new certificate.
fn tls(section: &mut Section<'_>, listens: bool) -> Option<Tls> {
    let certificate: Option<PathBuf> = section.optional("tls_certificate");
    let key: Option<PathBuf> = section.optional("tls_key");
    if certificate.is_some() && !listens && !section.has("listen") {
        section.problem("tls_certificate", "is for listen, which is not given; the socket is never encrypted");
    }
    match (&certificate, &key) {
        (Some(certificate), Some(key)) => load(section, certificate, key),
        (Some(_), None) if !section.has("tls_key") => {
            section.missing("tls_key", "; tls_certificate cannot be used without it");
            None
        }
        (None, Some(_)) if !section.has("tls_certificate") => {
            section.missing("tls_certificate", "; tls_key cannot be used without it");
            None
        }
        _ => None,
    }
}

fn load(section: &mut Section<'_>, certificate: &Path, key: &Path) -> Option<Tls> {
    let error = match Tls::load(certificate, key) {
        Ok(tls) => return Some(tls),
        Err(error) => error,
    };
    let (wrong, path) = match error {
        TlsError::Key(_) => ("tls_key", key),
        TlsError::Certificate(_) | TlsError::Both(_) => ("tls_certificate", certificate),
    };
    let path = path.to_string_lossy();
    let hidden = section.in_environment(wrong) || may_be_secret(&path);
    let shown = if hidden { String::new() } else { format!("{path}: ") };
    section.problem(wrong, format!("{shown}{error}"));
    None
}

fn warn_of_plain_text(section: &mut Section<'_>, listen: Option<&Endpoint>, tls: Option<&Tls>) {
    if listen.is_some_and(|listen| !listen.is_loopback()) && tls.is_none() {
        section.warn("listen", "others can reach this address, and without tls_certificate read the secret on its way");
    }
}
