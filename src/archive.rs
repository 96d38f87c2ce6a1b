//! The archive: the rows that a batch deletes, written to a file and synced before the batch commits.
//!
//! So each row that is gone is in the archive, at least once: a batch that rolls back is there too. All of it blocks.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use zstd::stream::write::Encoder;
use zstd::zstd_safe::find_frame_compressed_size;

use self::files::Files;
use crate::report::RunId;

mod files;

/// What names of columns with secrets contain, and what they are.
const SECRET_PARTS: [&str; 10] =
    ["token", "secret", "password", "passwd", "sessionkey", "sessionid", "cookie", "jwt", "apikey", "csrf"];
const SECRET_NAMES: [&str; 6] = ["sid", "sess", "sessiondata", "payload", "data", "session"];

/// Where and how to archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The directory of the archive files; created if it is missing.
    pub directory: PathBuf,
    /// Whether the files are compressed.
    pub compress: Compress,
    /// What is written of secret columns.
    pub secrets: Secrets,
}

/// How the files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compress {
    /// A zstd frame with a checksum for each batch; `zstdcat` reads the file.
    Zstd,
    /// Plain JSON lines.
    None,
}

/// What is written of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// Its SHA-256, so that a known one can still be found.
    Hash,
    /// The secret itself.
    Keep,
}

/// Rows could not be archived, so they must not be deleted.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}: {reason}; {remedy}", path.display())]
pub struct ArchiveError {
    doing: &'static str,
    path: PathBuf,
    reason: io::Error,
    remedy: &'static str,
}

/// The archive of one run. It locks its file; another run at that time takes the next one.
#[derive(Debug)]
pub struct Archive {
    settings: Settings,
    job: String,
    run: RunId,
    /// In lower case.
    secret_columns: BTreeSet<String>,
    files: Files,
}

/// The first line of a frame.
#[derive(Serialize)]
struct Header<'a> {
    sweepd: u8,
    run: RunId,
    batch: u64,
    job: &'a str,
    table: &'a str,
    rows: usize,
}

impl Archive {
    /// Opens `{directory}/{job}.{YYYY-MM-DD}.jsonl.zst`, or the first of its successors (`.1.jsonl.zst`, ...) that has
    /// room. The job's name must be fit for a file's.
    ///
    /// # Errors
    /// When the directory cannot be created, or the file cannot be opened or written to.
    pub fn open(
        settings: Settings,
        job: &str,
        run: RunId,
        secret_columns: Vec<String>,
        today: NaiveDate,
    ) -> Result<Self, ArchiveError> {
        let files = Files::open(settings.directory.clone(), format!("{job}.{today}"), settings.compress)?;
        let secret_columns = secret_columns.into_iter().map(|name| name.to_lowercase()).collect();
        Ok(Self { settings, job: job.to_owned(), run, secret_columns, files })
    }

    /// Appends a frame with the rows that a batch is about to delete, and syncs it; nothing if there are none.
    ///
    /// # Errors
    /// When the frame cannot be written: the batch must not commit. What is written of it is taken back.
    pub fn write(&mut self, batch: u64, table: &str, rows: Vec<Map<String, Value>>) -> Result<(), ArchiveError> {
        if rows.is_empty() {
            return Ok(());
        }
        let frame = self.frame(batch, table, rows).map_err(|reason| self.files.unwritten(reason))?;
        self.files.append(&frame)
    }

    fn frame(&self, batch: u64, table: &str, mut rows: Vec<Map<String, Value>>) -> io::Result<Vec<u8>> {
        if self.settings.secrets == Secrets::Hash {
            for row in &mut rows {
                self.hide(row);
            }
        }
        let header = Header { sweepd: 1, run: self.run, batch, job: &self.job, table, rows: rows.len() };
        self.settings.compress.frame(|out| {
            line(out, &header)?;
            rows.iter().try_for_each(|row| line(out, row))
        })
    }

    fn hide(&self, row: &mut Map<String, Value>) {
        for (name, value) in row.iter_mut() {
            if !value.is_null() && self.secret_columns.contains(&name.to_lowercase()) {
                *value = Value::String(hash(value));
            }
        }
    }
}

impl Compress {
    fn frame(self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Vec<u8>> {
        let mut frame = Vec::new();
        if self == Self::None {
            return write(&mut frame).map(|()| frame);
        }
        let mut encoder = Encoder::new(frame, zstd::DEFAULT_COMPRESSION_LEVEL)?;
        encoder.include_checksum(true)?;
        write(&mut encoder)?;
        encoder.finish()
    }

    /// How many of the bytes are whole frames, or whole lines.
    fn whole(self, bytes: &[u8]) -> usize {
        if self == Self::None {
            return bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        }
        let mut whole = 0;
        while let Some(Ok(frame)) = bytes.get(whole..).map(find_frame_compressed_size) {
            whole += frame;
        }
        whole
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Zstd => "jsonl.zst",
            Self::None => "jsonl",
        }
    }
}

/// The columns with secrets, by their names, and the column of the session's token.
#[must_use]
pub fn secret_columns(columns: &[String], token: Option<&str>) -> Vec<String> {
    let secret = |column: &String| {
        let name = column.to_lowercase().replace(['_', '-'], "");
        SECRET_NAMES.contains(&name.as_str()) || SECRET_PARTS.iter().any(|part| name.contains(part))
    };
    let is_token = |column: &String| token.is_some_and(|token| token.to_lowercase() == column.to_lowercase());
    let others = columns.iter().filter(|column| secret(column) && !is_token(column)).cloned();
    token.map(str::to_owned).into_iter().chain(others).collect()
}

fn hash(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let halves = Sha256::digest(text).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let hex = halves.filter_map(|half| char::from_digit(half.into(), 16));
    "sha256:".chars().chain(hex).collect()
}

fn line(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::path::Path;

    use serde_json::json;

    use super::*;

    type Tested<T = ()> = Result<T, Box<dyn Error>>;

    const RUN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn archive(directory: &Path, compress: Compress, secrets: Secrets) -> Tested<Archive> {
        let settings = Settings { directory: directory.to_owned(), compress, secrets };
        let today = "2026-11-24".parse()?;
        Ok(Archive::open(settings, "nightly", RUN.parse()?, vec!["Session_Token".to_owned()], today)?)
    }

    fn rows(token: Value) -> Vec<Map<String, Value>> {
        vec![Map::from_iter([("id".to_owned(), json!(1)), ("session_token".to_owned(), token)])]
    }

    fn parsed(text: &[u8]) -> Tested<Vec<Value>> {
        Ok(std::str::from_utf8(text)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    }

    #[test]
    fn frames_of_several_runs_are_read_as_one_file() -> Tested {
        let directory = tempfile::tempdir()?;
        for batch in 1..=2 {
            let mut archive = archive(directory.path(), Compress::Zstd, Secrets::Hash)?;
            archive.write(batch, "Session", rows(json!("abc")))?;
            archive.write(batch, "Session", Vec::new())?;
        }
        let hash = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let header =
            |batch| json!({"sweepd": 1, "run": RUN, "batch": batch, "job": "nightly", "table": "Session", "rows": 1});
        let row = json!({"id": 1, "session_token": hash});
        let file = std::fs::read(directory.path().join("nightly.2026-11-24.jsonl.zst"))?;
        assert_eq!(parsed(&zstd::decode_all(&*file)?)?, [header(1), row.clone(), header(2), row]);
        Ok(())
    }

    #[test]
    fn secrets_are_hashed_unless_they_are_kept() -> Tested {
        assert_eq!(hash(&json!({"a": 1})), hash(&json!(r#"{"a":1}"#)));
        let directory = tempfile::tempdir()?;
        for (secrets, token) in [(Secrets::Keep, json!("abc")), (Secrets::Hash, Value::Null)] {
            archive(directory.path(), Compress::None, secrets)?.write(1, "Session", rows(token))?;
        }
        let lines = parsed(&std::fs::read(directory.path().join("nightly.2026-11-24.jsonl"))?)?;
        assert_eq!((&lines[1]["session_token"], &lines[3]["session_token"]), (&json!("abc"), &Value::Null));
        Ok(())
    }

    #[test]
    fn columns_with_secrets_are_known_by_name() {
        let columns = ["id", "SID", "key", "Refresh-Token", "sessionKey", "session_data", "metadata", "user_id"];
        let found = secret_columns(&columns.map(str::to_owned), Some("Key"));
        assert_eq!(found, ["Key", "SID", "Refresh-Token", "sessionKey", "session_data"]);
    }
}
