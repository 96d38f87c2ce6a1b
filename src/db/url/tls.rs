//! TLS parameters, which `PostgreSQL`'s and `MySQL`'s tools spell alike and mean differently.

use std::path::Path;

use super::{UrlError, params::Params};

/// How far a connection is protected; each level includes the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// What the URL says about the server's certificate, apart from the mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    Unsaid,
    Never,
    Strict,
}

/// What a URL asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tls {
    /// None: not said.
    pub(super) mode: Option<Mode>,
    /// The certificate authority's file.
    pub(super) authority: Option<String>,
    /// The client's certificate and key.
    pub(super) client: Option<(String, String)>,
}

const MODES: &str = "disable, prefer, require, verify-ca or verify-full";

impl Tls {
    pub(super) fn take(params: &mut Params) -> Result<Self, UrlError> {
        let asked = params.take(&["sslmode", "ssl-mode", "ssl_mode", "sslMode"])?;
        let asked = asked.map(|value| read_mode(&value)).transpose()?;
        let switch = params.take(&["ssl"])?.map(|value| read_switch(&value)).transpose()?;
        let accept = params.take(&["sslaccept"])?.map(|value| read_accept(&value)).transpose()?;
        let (mode, check) = combine(asked, switch, accept)?;
        let root = params.text(&["sslrootcert", "ssl-root-cert", "sslca", "ssl-ca", "ssl_ca"])?;
        // libpq's word for the system's own authorities, with which it insists on the host's name.
        let system = root.as_deref() == Some("system");
        let (authority, client) = certificates(params, root.filter(|_| !system))?;
        let check = if system && check == Check::Unsaid { Check::Strict } else { check };
        Ok(Self { mode: resolve(mode, check, authority.is_some())?, authority, client })
    }
}

/// `sslcert` is the *server's* authority in Prisma (quaint gives it to `add_root_certificate`, and its documentation
/// says "path to the server certificate"), but the *client's* certificate in libpq, where it needs a key. Prisma has
/// no `sslkey`. So: with `sslkey` it is the client's, alone it is the authority.
#[expect(clippy::type_complexity, reason = "two halves of one answer, used once")]
fn certificates(
    params: &mut Params,
    root: Option<String>,
) -> Result<(Option<String>, Option<(String, String)>), UrlError> {
    let certificate = params.text(&["sslcert", "ssl-cert", "ssl_cert"])?;
    let key = params.text(&["sslkey", "ssl-key", "ssl_key"])?;
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok((root, Some((certificate, key)))),
        (Some(certificate), None) if root.is_none() => {
            if Path::new(&certificate).is_relative() {
                params.note("parameter sslcert is read relative to the working directory, not to schema.prisma");
            }
            Ok((Some(certificate), None))
        }
        (None, None) => Ok((root, None)),
        _ => Err(UrlError::CertificatePair),
    }
}

fn read_mode(value: &str) -> Result<(Mode, Check), UrlError> {
    match value.to_ascii_lowercase().replace('_', "-").as_str() {
        "disable" | "disabled" => Ok((Mode::Disable, Check::Unsaid)),
        // The driver treats "allow" as "disable" and then fails where TLS is required; trying TLS first serves both.
        "allow" | "prefer" | "preferred" => Ok((Mode::Prefer, Check::Unsaid)),
        "require" | "required" => Ok((Mode::Require, Check::Unsaid)),
        // node-postgres and MariaDB's connectors.
        "no-verify" | "trust" => Ok((Mode::Require, Check::Never)),
        "verify-ca" => Ok((Mode::VerifyCa, Check::Unsaid)),
        "verify-full" | "verify-identity" => Ok((Mode::VerifyFull, Check::Unsaid)),
        _ => Err(UrlError::Value { name: "sslmode", accepted: MODES }),
    }
}

/// `ssl=true` verifies in the drivers that have it (node-postgres, mysql2, `MariaDB`'s), which take an object too.
fn read_switch(value: &str) -> Result<(Mode, Check), UrlError> {
    let compact: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    match compact.as_str() {
        "true" | "1" | r#"{"rejectUnauthorized":true}"# => Ok((Mode::Require, Check::Strict)),
        r#"{"rejectUnauthorized":false}"# => Ok((Mode::Require, Check::Never)),
        "false" | "0" => Ok((Mode::Disable, Check::Unsaid)),
        mode => read_mode(mode).map_err(|_| UrlError::Value { name: "ssl", accepted: "true or false" }),
    }
}

fn read_accept(value: &str) -> Result<Check, UrlError> {
    match value {
        "strict" => Ok(Check::Strict),
        "accept_invalid_certs" => Ok(Check::Never),
        _ => Err(UrlError::Value { name: "sslaccept", accepted: "strict or accept_invalid_certs" }),
    }
}

type Asked = Option<(Mode, Check)>;

/// `sslmode` says more than `ssl`, and `sslaccept` more about certificates than either.
fn combine(mode: Asked, switch: Asked, accept: Option<Check>) -> Result<(Option<Mode>, Check), UrlError> {
    if let (Some((mode, _)), Some((switch, _))) = (mode, switch)
        && (mode == Mode::Disable) != (switch == Mode::Disable)
    {
        return Err(UrlError::Contradiction("sslmode", "ssl"));
    }
    let chosen = mode.or(switch);
    let said = chosen.map_or(Check::Unsaid, |(_, check)| check);
    Ok((chosen.map(|(mode, _)| mode), accept.unwrap_or(said)))
}

/// Prisma accepts any certificate unless told otherwise, even with an authority at hand; libpq verifies as soon as it
/// has one (`require` then means `verify-ca`), and so does this: who names an authority wants it checked.
fn resolve(mode: Option<Mode>, check: Check, authority: bool) -> Result<Option<Mode>, UrlError> {
    match (mode, check) {
        (Some(Mode::Disable), Check::Strict) | (Some(Mode::VerifyCa | Mode::VerifyFull), Check::Never) => {
            Err(UrlError::Contradiction("sslmode", "sslaccept"))
        }
        (_, Check::Strict) => Ok(Some(Mode::VerifyFull)),
        (Some(Mode::Require) | None, Check::Unsaid) if authority => Ok(Some(Mode::VerifyCa)),
        (mode, _) => Ok(mode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(query: &str) -> Result<Tls, UrlError> {
        Tls::take(&mut Params::read(query)?)
    }

    #[test]
    fn modes() {
        for (query, expected) in [
            ("", None),
            ("sslmode=disable", Some(Mode::Disable)),
            ("sslmode=allow", Some(Mode::Prefer)),
            ("sslmode=prefer", Some(Mode::Prefer)),
            ("sslmode=require", Some(Mode::Require)),
            ("sslmode=verify-ca", Some(Mode::VerifyCa)),
            ("sslmode=verify-full", Some(Mode::VerifyFull)),
            ("sslmode=no-verify", Some(Mode::Require)),
            ("ssl-mode=VERIFY_IDENTITY", Some(Mode::VerifyFull)),
            ("ssl_mode=REQUIRED", Some(Mode::Require)),
            ("sslMode=trust", Some(Mode::Require)),
            ("ssl=true", Some(Mode::VerifyFull)),
            ("ssl=false", Some(Mode::Disable)),
            ("ssl=require", Some(Mode::Require)),
            ("ssl={\"rejectUnauthorized\": true}", Some(Mode::VerifyFull)),
            ("ssl=%7B%22rejectUnauthorized%22%3Afalse%7D", Some(Mode::Require)),
            ("ssl=true&sslmode=require", Some(Mode::Require)),
            ("ssl=true&sslaccept=accept_invalid_certs", Some(Mode::Require)),
            ("sslaccept=strict", Some(Mode::VerifyFull)),
            ("sslaccept=accept_invalid_certs", None),
            ("sslmode=require&sslaccept=accept_invalid_certs", Some(Mode::Require)),
            ("sslmode=prefer&sslaccept=strict", Some(Mode::VerifyFull)),
            ("sslrootcert=system", Some(Mode::VerifyFull)),
            ("sslrootcert=/ca.pem", Some(Mode::VerifyCa)),
            ("sslmode=require&sslrootcert=/ca.pem", Some(Mode::VerifyCa)),
            ("sslmode=prefer&sslrootcert=/ca.pem", Some(Mode::Prefer)),
            ("sslmode=no-verify&sslrootcert=/ca.pem", Some(Mode::Require)),
            ("sslmode=verify-full&sslrootcert=/ca.pem", Some(Mode::VerifyFull)),
        ] {
            assert_eq!(take(query).map(|tls| tls.mode), Ok(expected), "{query}");
        }
    }

    #[test]
    fn contradictions_and_unknown_values() {
        for query in [
            "sslmode=on",
            "sslmode=",
            "ssl=maybe",
            "sslaccept=yes",
            "sslmode=disable&sslaccept=strict",
            "sslmode=verify-full&sslaccept=accept_invalid_certs",
            "sslmode=disable&ssl=true",
            "sslmode=require&ssl=false",
            "sslmode=require&ssl-mode=disable",
            "sslkey=/k.pem",
            "sslrootcert=/ca.pem&sslcert=/c.pem",
            "sslcert=",
        ] {
            assert!(take(query).is_err(), "{query}");
        }
    }

    #[test]
    fn whose_certificate_it_is() {
        let prisma = take("sslmode=require&sslcert=/ca.pem");
        let authority = Some("/ca.pem".to_owned());
        assert_eq!(prisma, Ok(Tls { mode: Some(Mode::VerifyCa), authority, client: None }));
        let libpq = take("sslmode=require&sslcert=/c.pem&sslkey=/k.pem");
        let client = Some(("/c.pem".to_owned(), "/k.pem".to_owned()));
        assert_eq!(libpq, Ok(Tls { mode: Some(Mode::Require), authority: None, client }));
    }
}
