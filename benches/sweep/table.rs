//! Tables as Markdown, which are readable on a terminal too.

use std::fmt::{self, Display, Formatter};

/// A table under a title.
pub struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(title: impl Into<String>, head: &[&str]) -> Self {
        Self { title: title.into(), rows: vec![head.iter().map(|&name| name.to_owned()).collect()] }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(3);
        (0..self.rows[0].len()).map(width).collect()
    }
}

impl Display for Table {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        writeln!(out, "\n### {}\n", self.title)?;
        for (number, row) in self.rows.iter().enumerate() {
            write_row(out, row, &widths)?;
            if number == 0 {
                write_rule(out, &widths)?;
            }
        }
        Ok(())
    }
}

/// The first column is text, the others are numbers.
fn write_row(out: &mut Formatter<'_>, cells: &[String], widths: &[usize]) -> fmt::Result {
    for (column, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        if column == 0 {
            write!(out, "| {cell:<width$} ")?;
        } else {
            write!(out, "| {cell:>width$} ")?;
        }
    }
    writeln!(out, "|")
}

fn write_rule(out: &mut Formatter<'_>, widths: &[usize]) -> fmt::Result {
    for (column, &width) in widths.iter().enumerate() {
        if column == 0 {
            write!(out, "|{:-<1$}", "", width + 2)?;
        } else {
            write!(out, "|{:-<1$}:", "", width + 1)?;
        }
    }
    writeln!(out, "|")
}

/// A number with its digits in groups, or a dash where there is none.
pub fn number(value: Option<f64>, decimals: usize) -> String {
    let Some(value) = value else { return "–".to_owned() };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// A ratio.
pub fn times(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}×"))
}
