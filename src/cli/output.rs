//! What all subcommands print the same way.

use std::io::{self, Write as _};
use std::time::Duration;

use comfy_table::{CellAlignment, Table, TableStyle};
use serde::Serialize;

use crate::report::Report;

/// Prints a line on standard output. A reader that went away (`| head`) is no error.
pub fn line(text: impl AsRef<str>) {
    let _ = writeln!(io::stdout(), "{}", text.as_ref());
}

/// Prints text that was made by others, as it is. A reader that went away is no error here either.
///
/// # Errors
/// When it cannot be written, say to a full disk.
pub fn bytes(text: &[u8]) -> io::Result<()> {
    match io::stdout().write_all(text).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints a line on standard error, for who sits at a terminal.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints a value as one line of JSON.
pub fn json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => line(text),
        Err(error) => failure(&error.to_string(), true),
    }
}

/// Prints an error, once: as JSON on standard output, or in words on standard error.
pub fn failure(message: &str, as_json: bool) {
    if as_json {
        line(serde_json::json!({ "success": false, "error": message }).to_string());
    } else {
        let _ = writeln!(io::stderr(), "error: {message}");
    }
}

/// Prints errors in words, one a line.
pub fn failures(messages: &[String]) {
    for message in messages {
        failure(message, false);
    }
}

/// Several errors as one.
pub fn joined(errors: &[String]) -> Option<String> {
    (!errors.is_empty()).then(|| errors.join("; "))
}

/// A plain table; the columns in `numbers` are aligned to the right.
pub fn table(header: &[&str], numbers: &[usize], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for column in numbers {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in table.lines() {
        line(row.trim_end());
    }
}

/// A report as cells: job, deleted, batches, time, rows/s, outcome.
pub fn report_row(report: &Report) -> Vec<String> {
    let outcome = report.outcome.map_or("running", |outcome| outcome.as_str());
    let outcome = match report.stopped_by {
        Some(reason) => format!("{outcome} ({reason})"),
        None => outcome.to_owned(),
    };
    vec![
        report.job.clone(),
        report.deleted_count.to_string(),
        report.batches.to_string(),
        duration(Duration::from_millis(report.duration_ms)),
        format!("{:.0}", report.rows_per_second()),
        outcome,
    ]
}

/// A duration as people read it.
pub fn duration(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        _ => humantime::format_duration(Duration::from_secs(time.as_secs())).to_string(),
    }
}

/// `1 row`, `2 rows`.
pub fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}
