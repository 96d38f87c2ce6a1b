//! A client that sends bytes as they are, and reads what comes back.

#![allow(dead_code, reason = "a toolbox: not every tool is needed at all times")]

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

/// No answer of a test takes longer.
const LIMIT: Duration = Duration::from_secs(20);

/// Where a server listens.
#[derive(Debug, Clone)]
pub enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// One connection.
pub struct Connection(BufReader<Box<dyn Stream>>);

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Place {
    pub fn connect(&self) -> Connection {
        match self {
            Self::Tcp(address) => Connection::over(tcp(*address)),
            Self::Unix(path) => {
                let stream = UnixStream::connect(path).expect("a connection");
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                Connection::over(stream)
            }
        }
    }

    /// One call on a connection of its own.
    pub fn call(&self, method: &str, path: &str, secret: Option<&str>, body: &str) -> Answer {
        self.connect().call(method, path, secret, body)
    }

    pub fn get(&self, path: &str, secret: &str) -> Answer {
        self.call("GET", path, Some(secret), "")
    }
}

pub fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// The bytes of a call; no header for the body where there is none.
pub fn request(method: &str, path: &str, secret: Option<&str>, body: &str) -> String {
    let secret = secret.map(|secret| format!("Authorization: Bearer {secret}\r\n")).unwrap_or_default();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{secret}{length}\r\n{body}")
}

impl Connection {
    pub fn over(stream: impl Stream + 'static) -> Self {
        Self(BufReader::new(Box::new(stream)))
    }

    pub fn call(&mut self, method: &str, path: &str, secret: Option<&str>, body: &str) -> Answer {
        self.send(request(method, path, secret, body));
        self.answer()
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("it is sent");
    }

    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let stream = self.0.get_mut();
        stream.write_all(bytes.as_ref())?;
        stream.flush()
    }

    pub fn answer(&mut self) -> Answer {
        self.try_answer().expect("an answer")
    }

    /// The answer to HEAD, which has no body.
    pub fn head(&mut self) -> Answer {
        self.try_head().expect("an answer")
    }

    pub fn try_answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.try_head()?;
        let mut body = vec![0; answer.header("content-length").map_or(0, |length| length.parse().expect("a length"))];
        self.0.read_exact(&mut body)?;
        answer.body = String::from_utf8(body).expect("text");
        Ok(answer)
    }

    fn try_head(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, head));
            }
        }
        let mut answer = Answer { status: 0, head, body: String::new() };
        answer.status = answer.head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Ok(answer)
    }

    /// All until the server closes the connection, which it has to do.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                panic!("the server did not close the connection")
            }
            _ => rest,
        }
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// That it is an error of our shape, and what it says.
    pub fn error(&self) -> String {
        let json = self.json();
        assert_eq!(json["success"], false, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        json["error"].as_str().expect("text").to_owned()
    }
}
