//! The schema that a search path names, and the startup options with the search path taken out.

use super::UrlError;

/// Where an application's unqualified table names lead first. None: the server's default.
///
/// Unquoted names fold to lower case, as the server does it.
pub(super) fn first_schema(path: &str) -> Result<Option<String>, UrlError> {
    let mut entries = path.split(',').map(str::trim);
    let first = entries.next().unwrap_or_default();
    let unquoted = first.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    match unquoted.map_or_else(|| first.to_lowercase(), |name| name.replace("\"\"", "\"")).as_str() {
        "" => Err(UrlError::Value { name: "search_path", accepted: "given a schema" }),
        "$user" if entries.eq(["public"]) => Ok(None),
        "$user" => Err(UrlError::SearchPath),
        name => Ok(Some(name.to_owned())),
    }
}

/// Startup `options`, as `-c name=value`, `-cname=value` or `--name=value`: the search path among them, and the rest.
pub(super) fn split_options(options: &str) -> (Option<String>, String) {
    let mut path = None;
    let mut rest = Vec::new();
    let mut words = words(options).into_iter().peekable();
    while let Some(mut word) = words.next() {
        if word == "-c"
            && let Some(setting) = words.next()
        {
            word = format!("-c {setting}");
        }
        match search_path(&word) {
            Some(value) => path = Some(value),
            None => rest.push(word),
        }
    }
    (path, rest.join(" "))
}

fn search_path(word: &str) -> Option<String> {
    let setting = word.strip_prefix("-c").or_else(|| word.strip_prefix("--"))?;
    let (name, value) = setting.split_once('=')?;
    let same = name.trim().replace('-', "_").eq_ignore_ascii_case("search_path");
    same.then(|| unescape(value))
}

/// Splits at white space that no backslash escapes, as the server does; the backslashes stay.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        if c.is_ascii_whitespace() && !escaped {
            words.push(String::new());
        } else if let Some(word) = words.last_mut() {
            word.push(c);
        }
        escaped = c == '\\' && !escaped;
    }
    words.retain(|word| !word.is_empty());
    words
}

fn unescape(text: &str) -> String {
    let mut escaped = false;
    text.chars()
        .filter(|c| {
            escaped = *c == '\\' && !escaped;
            !escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_counts() {
        for (path, expected) in [
            ("app", Some("app")),
            ("App, public", Some("app")),
            ("\"App\",public", Some("App")),
            ("\"a\"\"b\"", Some("a\"b")),
            ("\"$user\", public", None),
            ("$user,public", None),
        ] {
            assert_eq!(first_schema(path), Ok(expected.map(str::to_owned)), "{path}");
        }
        for path in ["", " , app", "\"\"", "\"$user\"", "\"$user\", app", "\"$user\", public, app"] {
            assert!(first_schema(path).is_err(), "{path}");
        }
    }

    #[test]
    fn options_keep_what_is_not_the_search_path() {
        for (options, path, rest) in [
            ("", None, ""),
            ("-csearch_path=app", Some("app"), ""),
            ("-c search_path=app", Some("app"), ""),
            ("--search-path=app", Some("app"), ""),
            (r"-c search_path=app,\ public", Some("app, public"), ""),
            (r"-c search_path=a\\b", Some(r"a\b"), ""),
            ("-c geqo=off -c search_path=app --jit=off", Some("app"), "-c geqo=off --jit=off"),
            (r"-c a=b\ c -c search_path=app", Some("app"), r"-c a=b\ c"),
            ("endpoint=ep-cool-1", None, "endpoint=ep-cool-1"),
            ("-c", None, "-c"),
        ] {
            assert_eq!(split_options(options), (path.map(str::to_owned), rest.to_owned()), "{options}");
        }
    }
}
