//! Pieces of a configuration file, as text for people.

/// No line of a comment is longer.
const WIDTH: usize = 110;

/// A text as a comment, in lines of bearable length; those after the first are indented by `indent`.
pub fn comment(text: &str, indent: usize) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split_whitespace() {
        let line = lines.last_mut().filter(|line| line.len() == 1 || line.len() + word.len() < WIDTH);
        match line {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(format!("#{}{word}", " ".repeat(indent + 1))),
        }
    }
    lines.join("\n") + "\n"
}

/// `key = "value"`, with a comment behind it.
pub fn key(name: &str, value: &str, note: &str) -> String {
    let value = toml::Value::from(value);
    let note = if note.is_empty() { String::new() } else { format!("   # {note}") };
    format!("{name} = {value}{note}\n")
}

/// `enabled = false`, and until when.
pub fn switched_off(until: &str) -> String {
    format!("enabled = false   # {until}\n")
}

/// A job with the keys that were written already.
pub fn job(name: &str, keys: &str) -> String {
    format!("[jobs.{name}]\n{keys}")
}
