//! A configuration file as it is written: strict TOML, and the line of every key.

use std::collections::BTreeMap;
use std::ops::Range;

use config::{Map, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::error::{Place, Problem};
use super::key::KeyPath;

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) values: Map<String, Value>,
    pub(super) lines: BTreeMap<KeyPath, usize>,
}

/// Parses the text of a file.
///
/// # Errors
/// All that is not TOML, each with its line, and the line itself unless it may hold a secret.
pub(super) fn parse(text: &str) -> Result<Document, Vec<Problem>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(without_echoes(text, &errors).map(|error| syntax_error(text, error)).collect());
    }
    let mut lines = BTreeMap::new();
    let values = convert_table(text, &KeyPath::default(), table.get_ref(), &mut lines);
    Ok(Document { values, lines })
}

fn convert_table(
    text: &str,
    path: &KeyPath,
    table: &DeTable<'_>,
    lines: &mut BTreeMap<KeyPath, usize>,
) -> Map<String, Value> {
    let mut values = Map::new();
    for (key, value) in table {
        let path = path.child(key.get_ref());
        let kind = convert(text, &path, value, lines);
        lines.insert(path, position(text, key.span()).0);
        values.insert(key.get_ref().to_string(), Value::new(None, kind));
    }
    values
}

fn convert(
    text: &str,
    path: &KeyPath,
    value: &Spanned<DeValue<'_>>,
    lines: &mut BTreeMap<KeyPath, usize>,
) -> ValueKind {
    match value.get_ref() {
        DeValue::String(string) => ValueKind::String(string.to_string()),
        DeValue::Integer(integer) => ValueKind::I128(convert_integer(integer)),
        DeValue::Float(float) => ValueKind::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => ValueKind::Boolean(*boolean),
        // No key takes a date, and `config` has no kind for one: its "nil", which TOML lacks, stands in.
        DeValue::Datetime(_) => ValueKind::Nil,
        DeValue::Array(items) => {
            let item = |item| Value::new(None, convert(text, path, item, lines));
            ValueKind::Array(items.iter().map(item).collect())
        }
        DeValue::Table(table) => ValueKind::Table(convert_table(text, path, table, lines)),
    }
}

/// A number too large for any key stays too large.
fn convert_integer(integer: &DeInteger<'_>) -> i128 {
    i128::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i128::MAX)
}

/// Where a table is given twice, the parser complains about each of its keys too.
fn without_echoes<'a>(text: &str, errors: &'a [toml::de::Error]) -> impl Iterator<Item = &'a toml::de::Error> {
    const DUPLICATE: &str = "duplicate key";
    let line_of = |error: &toml::de::Error| error.span().map_or(0, |span| position(text, span).0);
    let header =
        |line: usize| text.lines().nth(line.saturating_sub(1)).is_some_and(|line| line.trim_start().starts_with('['));
    let twice: Vec<usize> =
        errors.iter().filter(|error| error.message() == DUPLICATE).map(line_of).filter(|line| header(*line)).collect();
    let echoes = |error: &toml::de::Error| {
        let line = line_of(error);
        let table = (1..line).rev().find(|line| header(*line));
        error.message() == DUPLICATE && !header(line) && table.is_some_and(|table| twice.contains(&table))
    };
    let kept: Vec<_> = errors.iter().filter(|error| !echoes(error)).collect();
    kept.into_iter()
}

fn syntax_error(text: &str, error: &toml::de::Error) -> Problem {
    let Some(span) = error.span() else {
        return Problem::new(Place::File, "", error.message());
    };
    let width = text.get(span.clone()).and_then(|at| at.lines().next()).map_or(0, |at| at.chars().count());
    let (line, column) = position(text, span);
    let source = text.lines().nth(line - 1).unwrap_or_default();
    let advice = if error.message() == "duplicate key" { "; a name can be used only once" } else { "" };
    let gutter = " ".repeat(line.to_string().len());
    let caret = format!("{}{}", " ".repeat(column - 1), "^".repeat(width.max(1)));
    let message =
        format!("{}{advice}\n{gutter} |\n{line} | {}\n{gutter} | {caret}", error.message(), without_secret(source));
    Problem::new(Place::Line(line, Some(column)), "", message)
}

/// The line and the column where a span begins, both from 1.
fn position(text: &str, span: Range<usize>) -> (usize, usize) {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count();
    (before.matches('\n').count() + 1, column + 1)
}

/// A line that may hold a password keeps its shape only, so that the caret below it still points somewhere. One that
/// begins neither a table nor a key may be the middle of any value.
fn without_secret(line: &str) -> String {
    const SIGNS: [&str; 7] = ["://", "@", "url", "pass", "pwd", "secret", "token"];
    let lower = line.to_lowercase();
    let key = line.split_once('=').map_or("", |(key, _)| key);
    let bare = |c: char| c.is_ascii_alphanumeric() || "_-. \t".contains(c);
    let begins = line.trim_start().starts_with('[') || (!key.trim().is_empty() && key.chars().all(bare));
    if begins && !SIGNS.into_iter().any(|sign| lower.contains(sign)) {
        return line.to_owned();
    }
    let shown = if begins { key.len() } else { 0 };
    let mask = |(at, c): (usize, char)| if at < shown || " \t\"'=".contains(c) { c } else { '*' };
    line.char_indices().map(mask).collect()
}
