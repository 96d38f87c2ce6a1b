//! The parameters after the question mark: taken one by one; what is left over is explained.

use std::{str::FromStr, time::Duration};

use super::{UrlError, encoding::decode};

/// A parameter that other software honours, and why it does nothing here.
pub(super) type Ignored = (&'static str, &'static str);

/// Parameters that have no meaning for any engine here.
const IGNORED: [Ignored; 5] = [
    ("pool_timeout", "connect_timeout limits the wait for a connection"),
    ("max_connection_lifetime", "sweepd closes idle connections after each run"),
    ("max_idle_connection_lifetime", "sweepd closes idle connections after each run"),
    ("sslidentity", "PKCS #12 files can't be read, give a PEM certificate and key as sslcert and sslkey"),
    ("sslpassword", "encrypted keys can't be read, give an unencrypted key as sslkey"),
];

/// The parameters that were not taken yet.
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    /// Whether there is a secret, of which a raw & would make a piece look like a name.
    secret: bool,
    notes: Vec<String>,
}

impl Params {
    /// Reads a query string, without its question mark.
    pub(super) fn read(query: &str) -> Result<Self, UrlError> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect::<Result<Vec<_>, _>>()?;
        let secret = pairs.iter().any(|(name, _)| is_secret(name));
        Ok(Self { pairs, known: Vec::new(), secret, notes: Vec::new() })
    }

    /// Takes the parameter that goes by any of these names; the first is the one for messages.
    pub(super) fn take(&mut self, names: &[&'static str]) -> Result<Option<String>, UrlError> {
        self.known.extend(names);
        let (found, rest) = self.pairs.drain(..).partition(|(name, _)| names.contains(&name.as_str()));
        self.pairs = rest;
        one_value(names[0], found)
    }

    /// Takes a parameter that means nothing when it is empty.
    pub(super) fn text(&mut self, names: &[&'static str]) -> Result<Option<String>, UrlError> {
        match self.take(names)? {
            Some(value) if value.is_empty() => Err(UrlError::Value { name: names[0], accepted: "given a value" }),
            value => Ok(value),
        }
    }

    /// Takes a whole number.
    pub(super) fn number<T: FromStr>(&mut self, name: &'static str) -> Result<Option<T>, UrlError> {
        let accepted = "a whole number";
        self.take(&[name])?.map(|value| value.parse().map_err(|_| UrlError::Value { name, accepted })).transpose()
    }

    /// Takes `connection_limit`.
    pub(super) fn connection_limit(&mut self) -> Result<Option<u32>, UrlError> {
        match self.number("connection_limit")? {
            Some(0) => Err(UrlError::Value { name: "connection_limit", accepted: "at least 1" }),
            limit => Ok(limit),
        }
    }

    /// Takes `connect_timeout`.
    pub(super) fn connect_timeout(&mut self) -> Result<Option<Duration>, UrlError> {
        let seconds = self.number("connect_timeout")?;
        if seconds == Some(0) {
            self.note(
                "parameter connect_timeout=0 is ignored: a daemon must not wait for ever, so the default applies",
            );
        }
        Ok(seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs))
    }

    /// Adds a sentence for the user.
    pub(super) fn note(&mut self, sentence: impl Into<String>) {
        self.notes.push(sentence.into());
    }

    /// Explains what nobody took. A near miss of a `decisive` name is an error: to ignore it would change which
    /// tables are swept.
    pub(super) fn finish(mut self, ignored: &[Ignored], decisive: &[&'static str]) -> Result<Vec<String>, UrlError> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            let sentence = self.explain(&name, ignored, decisive)?;
            if !self.notes.contains(&sentence) {
                self.notes.push(sentence);
            }
        }
        Ok(self.notes)
    }

    fn explain(&self, name: &str, ignored: &[Ignored], decisive: &[&'static str]) -> Result<String, UrlError> {
        let mut all = ignored.iter().chain(&IGNORED);
        if let Some((name, reason)) = all.find(|(known, _)| *known == name) {
            return Ok(format!("parameter {name} is ignored: {reason}"));
        }
        if let Some(meant) = decisive.iter().find(|known| near(name, known) || speaks_of(name, known)) {
            return Err(UrlError::Misspelt { name: self.shown(name), meant });
        }
        let names = self.known.iter().chain(ignored.iter().map(|(name, _)| name));
        Ok(match names.copied().find(|known| near(name, known)) {
            Some(meant) => format!("unknown parameter {} is ignored: did you mean {meant}?", self.shown(name)),
            None => format!("unknown parameter {} is ignored", self.shown(name)),
        })
    }

    /// A name as it may be shown: what doesn't look like a name could be a piece of a password.
    fn shown(&self, name: &str) -> String {
        let plausible = |c: char| c.is_ascii_alphanumeric() || "_-.[]".contains(c);
        if self.secret || name.is_empty() || name.len() > 40 || !name.chars().all(plausible) {
            return "with an unusual name".to_owned();
        }
        name.to_owned()
    }
}

fn pair(text: &str) -> Result<(String, String), UrlError> {
    let (name, value) = text.split_once('=').ok_or(UrlError::NoValue)?;
    // A form has + for a space, libpq has it for itself: in a secret, a wrong guess is a failed login.
    if value.contains('+') && ["user", "password"].contains(&name) {
        return Err(UrlError::Value { name: "user or password", accepted: "written with + as %2B" });
    }
    Ok((decode(name)?, decode(&value.replace('+', " "))?))
}

fn one_value(name: &'static str, found: Vec<(String, String)>) -> Result<Option<String>, UrlError> {
    let mut values = found.into_iter().map(|(_, value)| value);
    let first = values.next();
    if values.any(|value| Some(&value) != first.as_ref()) {
        return Err(UrlError::Conflict(name));
    }
    Ok(first)
}

/// Whether one may be a slip for the other: two edits, or one in a short name.
fn near(name: &str, known: &str) -> bool {
    let allowed = if known.len() <= 5 { 1 } else { 2 };
    strsim::osa_distance(&plain(name), &plain(known)) <= allowed
}

/// Whether a longer name contains a decisive one: `schema_name`, `dbSchema`.
fn speaks_of(name: &str, known: &str) -> bool {
    known.len() >= 6 && plain(name).contains(&plain(known))
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_' && *c != '-').map(|c| c.to_ascii_lowercase()).collect()
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "key" || ["pass", "pwd", "secret", "token", "api"].iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(query: &str) -> Result<Vec<String>, UrlError> {
        let mut params = Params::read(query)?;
        params.take(&["schema"])?;
        params.take(&["sslmode", "ssl-mode"])?;
        params.finish(&[("gssencmode", "no Kerberos here")], &["schema", "host"])
    }

    #[test]
    fn takes_one_value_by_any_spelling() {
        let take = |query: &str| Params::read(query).and_then(|mut params| params.take(&["sslmode", "ssl-mode"]));
        assert_eq!(take(""), Ok(None));
        assert_eq!(take("&&a=b&ssl-mode=require&"), Ok(Some("require".into())));
        assert_eq!(take("sslmode=require&ssl-mode=require"), Ok(Some("require".into())));
        assert_eq!(take("sslmode=require&ssl-mode=disable"), Err(UrlError::Conflict("sslmode")));
        assert_eq!(take("sslmode=a%3Db+c"), Ok(Some("a=b c".into())));
    }

    #[test]
    fn a_secret_with_a_plus_is_ambiguous() {
        assert!(matches!(Params::read("password=a+b"), Err(UrlError::Value { .. })));
        assert!(Params::read("password=a%2Bb").is_ok());
    }

    #[test]
    fn half_a_secret_is_not_a_name() {
        assert_eq!(Params::read("password=abc&def").err(), Some(UrlError::NoValue));
        let expected = "unknown parameter with an unusual name is ignored";
        assert_eq!(finish("sslpassword=abc&def=g").map(|notes| notes.contains(&expected.to_owned())), Ok(true));
    }

    #[test]
    fn a_slip_in_a_decisive_name_is_an_error() {
        for name in ["shema", "schem", "Schema", "scheme", "schemas", "schema_name", "dbSchema", "hots", "Host"] {
            let result = finish(&format!("{name}=secret"));
            assert!(matches!(result, Err(UrlError::Misspelt { .. })), "{name}: {result:?}");
        }
        assert_eq!(finish("schema=app&connection=x").map(|notes| notes.len()), Ok(1));
    }

    #[test]
    fn notes_name_but_never_quote() {
        for (query, expected) in [
            ("sslmod=secret", "unknown parameter sslmod is ignored: did you mean sslmode?"),
            ("gssencmode=secret", "parameter gssencmode is ignored: no Kerberos here"),
            ("gssencmod=secret", "unknown parameter gssencmod is ignored: did you mean gssencmode?"),
            (
                "pool_timeout=secret",
                "parameter pool_timeout is ignored: connect_timeout limits the wait for a connection",
            ),
            ("zebra=secret", "unknown parameter zebra is ignored"),
            ("zebra=secret&zebra=other", "unknown parameter zebra is ignored"),
            ("%20odd%20secret=1", "unknown parameter with an unusual name is ignored"),
        ] {
            assert_eq!(finish(query), Ok(vec![expected.to_owned()]), "{query}");
        }
    }

    #[test]
    fn numbers_have_limits() {
        let limit = |query: &str| Params::read(query).and_then(|mut params| params.connection_limit());
        assert_eq!(limit("connection_limit=1"), Ok(Some(1)));
        for bad in ["0", "-1", "", "many", "4294967296"] {
            assert!(limit(&format!("connection_limit={bad}")).is_err(), "{bad}");
        }
        let timeout = |query: &str| Params::read(query).and_then(|mut params| params.connect_timeout());
        assert_eq!(timeout("connect_timeout=7"), Ok(Some(Duration::from_secs(7))));
        assert_eq!(timeout("connect_timeout=0"), Ok(None));
    }
}
