//! The part of a URL before its parameters: user, password, host, port and database.

use url::Host;

use super::{UrlError, encoding::decode, params::Params};

/// A server's URL, taken apart and decoded.
pub(super) struct Server {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// A name, an address without brackets, or a socket's path.
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) database: Option<String>,
    pub(super) params: Params,
}

/// Reads what follows the scheme and its colon.
pub(super) fn read(rest: &str) -> Result<Server, UrlError> {
    let rest = rest.strip_prefix("//").ok_or(UrlError::NotAUrl)?;
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    refuse_unencoded(authority, tail)?;
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let (login, address) = authority.split_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
    let (host, port) = split_port(address)?;
    Ok(Server {
        user: given(decode(user)?),
        password: password.map(decode).transpose()?.and_then(given),
        host: read_host(host)?,
        port,
        database: read_database(path)?,
        params: Params::read(query)?,
    })
}

/// A password with a raw `/`, `?` or `#` ends the authority early and leaves its `@` behind it; then everything after
/// is misread, and part of the password would be looked up as a host. Two `@` are read differently by different ORMs.
fn refuse_unencoded(authority: &str, tail: &str) -> Result<(), UrlError> {
    if authority.matches('@').count() > 1 {
        return Err(UrlError::Encode('@'));
    }
    if tail.contains('@') {
        let cut = tail.chars().next().filter(|_| authority.contains(':') && !authority.contains('@'));
        return Err(UrlError::Encode(cut.unwrap_or('@')));
    }
    if tail.contains('#') { Err(UrlError::Encode('#')) } else { Ok(()) }
}

fn split_port(address: &str) -> Result<(&str, Option<u16>), UrlError> {
    if address.contains(',') {
        return Err(UrlError::SeveralHosts);
    }
    match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => Ok((host, read_port(port)?)),
        _ => Ok((address, None)),
    }
}

fn read_port(text: &str) -> Result<Option<u16>, UrlError> {
    match text.parse() {
        _ if text.is_empty() => Ok(None),
        Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(port)),
        _ => Err(UrlError::Port),
    }
}

fn read_host(text: &str) -> Result<Option<String>, UrlError> {
    let decoded = decode(text)?;
    if decoded.is_empty() || decoded.starts_with('/') {
        return Ok(given(decoded));
    }
    match Host::parse_opaque(text).map_err(|_| UrlError::Host)? {
        Host::Domain(_) if decoded.contains([' ', '/', ':', '@']) => Err(UrlError::Host),
        Host::Domain(_) => Ok(Some(decoded)),
        Host::Ipv4(address) => Ok(Some(address.to_string())),
        Host::Ipv6(address) => Ok(Some(address.to_string())),
    }
}

fn read_database(path: &str) -> Result<Option<String>, UrlError> {
    let name = path.strip_prefix('/').unwrap_or(path);
    let name = name.strip_suffix('/').unwrap_or(name);
    if name.contains('/') { Err(UrlError::Encode('/')) } else { Ok(given(decode(name)?)) }
}

fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

impl Server {
    /// Takes `host`, `port`, `dbname`, `user` and `password` from the parameters, where libpq allows them too.
    ///
    /// A `host` there replaces the URL's own, which Prisma requires and ignores; the others must not differ.
    pub(super) fn take_libpq_params(&mut self) -> Result<(), UrlError> {
        let host = self.params.text(&["host", "hostaddr"])?;
        if host.as_ref().is_some_and(|host| host.contains(',')) {
            return Err(UrlError::SeveralHosts);
        }
        self.host = host.or(self.host.take());
        let port = self.params.text(&["port"])?.map(|port| read_port(&port)).transpose()?.flatten();
        self.port = same("port", self.port, port)?;
        self.database = same("dbname", self.database.take(), self.params.text(&["dbname"])?)?;
        self.user = same("user", self.user.take(), self.params.text(&["user"])?)?;
        self.password = same("password", self.password.take(), self.params.text(&["password"])?)?;
        Ok(())
    }
}

fn same<T: PartialEq>(name: &'static str, url: Option<T>, parameter: Option<T>) -> Result<Option<T>, UrlError> {
    match (url, parameter) {
        (Some(one), Some(other)) if one != other => Err(UrlError::Conflict(name)),
        (one, other) => Ok(one.or(other)),
    }
}

/// `app at db.example.com:5432`, as messages show it.
pub(super) fn place(database: &str, host: &str, port: u16) -> String {
    if host.starts_with('/') {
        format!("database \"{database}\" at {host}")
    } else if host.contains(':') {
        format!("database \"{database}\" at [{host}]:{port}")
    } else {
        format!("database \"{database}\" at {host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, Option<u16>, Option<&'a str>);

    #[test]
    fn takes_urls_apart() {
        let cases: [(&str, Parts<'_>); 10] = [
            ("//", (None, None, None, None, None)),
            ("///app", (None, None, None, None, Some("app"))),
            ("//db.example.com", (None, None, Some("db.example.com"), None, None)),
            ("//u@my_db:/app/", (Some("u"), None, Some("my_db"), None, Some("app"))),
            ("//u:@db:65535/app", (Some("u"), None, Some("db"), Some(65535), Some("app"))),
            ("//u:p:q@db/app", (Some("u"), Some("p:q"), Some("db"), None, Some("app"))),
            ("//a%40b:p%40%2F%3A%23@db:1/a%2Fb", (Some("a@b"), Some("p@/:#"), Some("db"), Some(1), Some("a/b"))),
            ("//[::1]:5433/app", (None, None, Some("::1"), Some(5433), Some("app"))),
            ("//u@[2001:db8::1]", (Some("u"), None, Some("2001:db8::1"), None, None)),
            ("//u@%2Frun%2Fpg/app", (Some("u"), None, Some("/run/pg"), None, Some("app"))),
        ];
        for (text, expected) in cases {
            let server = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let user = (server.user.as_deref(), server.password.as_deref());
            let found = (user.0, user.1, server.host.as_deref(), server.port, server.database.as_deref());
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_ambiguous() {
        for (text, expected) in [
            ("u@db/app", UrlError::NotAUrl),
            ("//u:p@ss@db/app", UrlError::Encode('@')),
            ("//u:p/ss@db/app", UrlError::Encode('/')),
            ("//u:12/34@db/app", UrlError::Encode('/')),
            ("//u:12?34@db/app", UrlError::Encode('?')),
            ("//u:12#34@db/app", UrlError::Encode('#')),
            ("//u:p@ss/word@db/app", UrlError::Encode('@')),
            ("//u:100%@db/app", UrlError::Encode('%')),
            ("//db/app#x", UrlError::Encode('#')),
            ("//db/app/extra", UrlError::Encode('/')),
            ("//db/app?application_name=a@b", UrlError::Encode('@')),
            ("//db:0/app", UrlError::Port),
            ("//db:65536/app", UrlError::Port),
            ("//db:+1/app", UrlError::Port),
            ("//db:five/app", UrlError::Port),
            ("//one:5432,two:5432/app", UrlError::SeveralHosts),
            ("//d b/app", UrlError::Host),
            ("//d%20b/app", UrlError::Host),
            ("//[::g]/app", UrlError::Host),
            ("//u@<host>/app", UrlError::Host),
        ] {
            assert_eq!(read(text).err(), Some(expected), "{text}");
        }
    }

    #[test]
    fn parameters_may_repeat_the_url_but_not_contradict_it() {
        let take = |text| read(text).and_then(|mut server| server.take_libpq_params().map(|()| server));
        let server = take("//localhost/app?host=/run/pg&port=5433&user=u&password=p&dbname=app");
        let server = server.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((server.host.as_deref(), server.port), (Some("/run/pg"), Some(5433)));
        for (text, expected) in [
            ("//db/app?dbname=other", UrlError::Conflict("dbname")),
            ("//db:1/app?port=2", UrlError::Conflict("port")),
            ("//u@db/app?user=v", UrlError::Conflict("user")),
            ("//u:p@db/app?password=q", UrlError::Conflict("password")),
            ("//db/app?host=a,b", UrlError::SeveralHosts),
            ("//db/app?port=x", UrlError::Port),
        ] {
            assert_eq!(take(text).err(), Some(expected), "{text}");
        }
    }
}
