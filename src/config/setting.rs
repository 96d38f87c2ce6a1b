//! The types of values: strict in a file, parsed from text in the environment.

use std::path::PathBuf;
use std::time::Duration;

use config::ValueKind;

/// A type that a key can have.
pub(super) trait Setting: Sized {
    /// What is accepted, for people.
    const ACCEPTS: &'static str;

    /// Whether a wrong value is not repeated in an error, because it may be secret.
    const HIDDEN: bool = false;

    /// The value as a file has it; none when its type is another.
    fn from_file(kind: &ValueKind) -> Option<Self>;

    /// The value from text in the environment.
    fn from_text(text: &str) -> Option<Self>;

    /// The value as TOML.
    fn to_toml(&self) -> String;
}

impl Setting for String {
    const ACCEPTS: &'static str = "text in quotes";

    fn from_file(kind: &ValueKind) -> Option<Self> {
        if let ValueKind::String(text) = kind { Some(text.clone()) } else { None }
    }

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn to_toml(&self) -> String {
        toml::Value::from(self.as_str()).to_string()
    }
}

impl Setting for PathBuf {
    const ACCEPTS: &'static str = "a path in quotes";

    fn from_file(kind: &ValueKind) -> Option<Self> {
        String::from_file(kind).and_then(|text| Self::from_text(&text))
    }

    fn from_text(text: &str) -> Option<Self> {
        (!text.trim().is_empty()).then(|| Self::from(text))
    }

    fn to_toml(&self) -> String {
        toml::Value::from(self.to_string_lossy().as_ref()).to_string()
    }
}

impl Setting for bool {
    const ACCEPTS: &'static str = "true or false";

    fn from_file(kind: &ValueKind) -> Option<Self> {
        if let ValueKind::Boolean(value) = kind { Some(*value) } else { None }
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

macro_rules! whole_number {
    ($($type:ty),*) => {$(
        impl Setting for $type {
            const ACCEPTS: &'static str = "a whole number";

            fn from_file(kind: &ValueKind) -> Option<Self> {
                if let ValueKind::I128(value) = kind { Self::try_from(*value).ok() } else { None }
            }

            fn from_text(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn to_toml(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

whole_number!(u32, u64, usize);

impl Setting for f64 {
    const ACCEPTS: &'static str = "a number";

    fn from_file(kind: &ValueKind) -> Option<Self> {
        match kind {
            ValueKind::Float(value) => Some(*value),
            ValueKind::I128(value) => value.to_string().parse().ok(),
            _ => None,
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl Setting for Vec<String> {
    const ACCEPTS: &'static str = r#"a list of texts such as ["USER", "ADMIN"]"#;

    fn from_file(kind: &ValueKind) -> Option<Self> {
        let ValueKind::Array(items) = kind else { return None };
        items.iter().map(|item| String::from_file(&item.kind)).collect()
    }

    /// Parted by commas.
    fn from_text(text: &str) -> Option<Self> {
        Some(text.split(',').map(|item| item.trim().to_owned()).collect())
    }

    fn to_toml(&self) -> String {
        toml::Value::from(self.clone()).to_string()
    }
}

impl Setting for Duration {
    const ACCEPTS: &'static str = r#"a duration such as "10ms", "5m" or "30d""#;

    fn from_file(kind: &ValueKind) -> Option<Self> {
        String::from_file(kind).and_then(|text| Self::from_text(&text))
    }

    fn from_text(text: &str) -> Option<Self> {
        humantime::parse_duration(text).ok()
    }

    fn to_toml(&self) -> String {
        const UNITS: [(u128, &str); 5] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
        let millis = self.as_millis();
        let fits =
            |unit: u128| millis > 0 && millis.is_multiple_of(unit) && self.subsec_nanos().is_multiple_of(1_000_000);
        match UNITS.into_iter().find(|(unit, _)| fits(*unit)) {
            Some((unit, name)) => format!("\"{}{name}\"", millis / unit),
            None => format!("\"{}\"", humantime::format_duration(*self)),
        }
    }
}

/// Text, a number, or true or false; as text.
pub(super) struct Scalar(pub(super) String);

impl Setting for Scalar {
    const ACCEPTS: &'static str = "text, a number, true or false";

    fn from_file(kind: &ValueKind) -> Option<Self> {
        let scalar =
            matches!(kind, ValueKind::String(_) | ValueKind::I128(_) | ValueKind::Float(_) | ValueKind::Boolean(_));
        scalar.then(|| Self(kind.to_string()))
    }

    fn from_text(text: &str) -> Option<Self> {
        Some(Self(text.to_owned()))
    }

    fn to_toml(&self) -> String {
        self.0.to_toml()
    }
}

/// What a value of a file is, for people.
pub(super) fn describe(kind: &ValueKind) -> String {
    match kind {
        ValueKind::String(text) => super::error::quoted(text),
        ValueKind::Boolean(_) | ValueKind::Float(_) => kind.to_string(),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::Nil => "a date".to_owned(),
        _ => format!("the number {kind}"),
    }
}
