//! The messages that `docs/troubleshooting.md` explains are those that sweepd says.

use std::fs;
use std::path::Path;

use super::blocks;

/// All of the source, with what parts a sentence there taken out: the ends of lines in a text, and quotes that are escaped.
fn source() -> String {
    let mut text = String::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
    let mut joined = String::new();
    for line in text.lines() {
        if let Some(begun) = line.strip_suffix('\\') {
            joined.push_str(begun);
        } else {
            joined.push_str(line.trim_start());
            joined.push('\n');
        }
    }
    let words: Vec<_> = joined.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ").replace("\\\"", "\"")
}

fn read(directory: &Path, text: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, text);
        } else {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// Headings in backquotes are messages; `...` stands for what differs each time. Those of other programs stand in quotes.
#[test]
fn messages_exist() {
    let (source, page) = (source(), blocks::page("docs/troubleshooting.md"));
    let quoted = page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    let messages: Vec<_> = quoted.collect();
    assert!(messages.len() >= 20, "{}", messages.len());
    for message in messages {
        for part in message.split("...").map(str::trim).filter(|part| !part.is_empty()) {
            assert!(source.contains(part), "sweepd does not say {part:?}");
        }
    }
}
