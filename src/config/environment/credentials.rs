//! Secrets that systemd hands to a service: files in a directory that only this service can read.

use std::path::Path;

use super::PREFIX;

/// The variable with the directory.
pub(super) const DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// How the names of copies end.
const COPIES: [&str; 4] = [".old", ".bak", ".orig", ".new"];

/// The variables that stand for the keys of the credentials, and the files. A credential may have no name of a key, and is
/// then somebody else's; an empty one stands in the unit for one that was not given.
pub(super) fn files(directory: &Path) -> Vec<(String, String)> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let filled = entries.flatten().filter(|entry| entry.metadata().is_ok_and(|file| file.is_file() && file.len() > 0));
    let named = filled.filter_map(|entry| {
        let (name, path) = (entry.file_name().into_string().ok()?, entry.path().into_os_string().into_string().ok()?);
        Some((variable(&name)?, path))
    });
    let mut files: Vec<_> = named.collect();
    // Where a key is there in both spellings, the one that a unit names by itself comes first.
    files.sort_by(|(_, one), (_, other)| one.cmp(other));
    files
}

/// `sweepd.http.secret` is `SWEEPD_HTTP__SECRET`; so is `sweepd_http.secret`, as systemd names the files of a directory.
fn variable(name: &str) -> Option<String> {
    let key = name.strip_prefix("sweepd.").or_else(|| name.strip_prefix("sweepd_"))?;
    // A copy from before a change is no credential.
    if key.ends_with('~') || COPIES.iter().any(|copy| key.ends_with(copy)) {
        return None;
    }
    let is_key = |part: &str| {
        let mut letters = part.bytes();
        letters.next().is_some_and(|first| first.is_ascii_alphanumeric())
            && letters.all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'_' | b'-'))
    };
    let is_path = key.contains('.') && key.split('.').all(is_key);
    is_path.then(|| format!("{PREFIX}{}", key.to_uppercase().replace('-', "_").replace('.', "__")))
}
