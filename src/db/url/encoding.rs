//! Percent-encoding, strictly: a stray `%` is an error, because a password that is half encoded is a wrong password.

use super::UrlError;

/// Decodes `%XX`; everything else stands for itself, `+` too.
pub(super) fn decode(text: &str) -> Result<String, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let (value, tail) = hex_pair(tail).ok_or(UrlError::Encode('%'))?;
            bytes.push(value);
            rest = tail;
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| UrlError::NotUtf8)?;
    // The text was free of control characters; an encoded NUL would cut a name short in the server's protocol.
    if text.chars().any(char::is_control) { Err(UrlError::ControlCharacter) } else { Ok(text) }
}

fn hex_pair(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (pair, tail) = bytes.split_first_chunk::<2>()?;
    let high = char::from(pair[0]).to_digit(16)?;
    let low = char::from(pair[1]).to_digit(16)?;
    Some((u8::try_from(high * 16 + low).ok()?, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_pairs_and_nothing_else() {
        for (text, expected) in [
            ("", Ok("")),
            ("a+b c", Ok("a+b c")),
            ("p%40ss%2fword%25", Ok("p@ss/word%")),
            ("%C3%BC", Ok("\u{fc}")),
            ("100%", Err(UrlError::Encode('%'))),
            ("%4", Err(UrlError::Encode('%'))),
            ("%+4", Err(UrlError::Encode('%'))),
            ("%zz", Err(UrlError::Encode('%'))),
            ("%ff", Err(UrlError::NotUtf8)),
            ("a%00b", Err(UrlError::ControlCharacter)),
        ] {
            assert_eq!(decode(text), expected.map(str::to_owned), "{text}");
        }
    }
}
