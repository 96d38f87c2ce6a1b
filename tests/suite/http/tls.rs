//! HTTPS, with certificates that are made here.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use sweepd::http::Settings;
use sweepd::http::tls::Tls;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto};

use super::client::{Connection, tcp};
use super::stand::{FULL, Stand, settings};
use crate::process::{find_program, skip};

/// A certificate for 127.0.0.1 and its key.
pub struct Certificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certificate {
    /// None, which it says, where there is no openssl.
    pub fn make(directory: &Path, name: &str) -> Option<Self> {
        if find_program("openssl", &[]).is_none() {
            skip("openssl is not installed");
            return None;
        }
        let (certificate, key) = (directory.join(format!("{name}.crt")), directory.join(format!("{name}.key")));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", &format!("/CN={name}"), "-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-out")
            .arg(&certificate)
            .arg("-keyout")
            .arg(&key)
            .output()
            .expect("openssl runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(Self { certificate, key })
    }

    pub fn pair(directory: &Path) -> Option<(Self, Self)> {
        Self::make(directory, "first").zip(Self::make(directory, "second"))
    }

    fn load(&self) -> Tls {
        Tls::load(&self.certificate, &self.key).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A connection to a server that has this certificate. An error at its first use where it has another one.
    pub fn connect(&self, address: SocketAddr) -> Connection {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.certificate).expect("a certificate")).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = address.ip().into();
        let client = ClientConnection::new(Arc::new(config), name).expect("a client");
        Connection::over(StreamOwned::new(client, tcp(address)))
    }
}

fn with(certificate: &Certificate) -> Settings {
    Settings { tls: Some(certificate.load()), ..settings() }
}

#[test]
fn it_serves_https_and_a_new_certificate_counts_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let Some((first, second)) = Certificate::pair(directory.path()) else { return };
    let stand = Stand::with(with(&first));
    let mut connection = first.connect(stand.address());
    assert_eq!(connection.call("GET", "/read", Some(FULL), "").body, "read");
    assert!(second.connect(stand.address()).try_send("GET").is_err(), "it is another certificate");

    stand.server.follow(&with(&second));
    assert_eq!(second.connect(stand.address()).call("GET", "/read", Some(FULL), "").body, "read");
    assert!(first.connect(stand.address()).try_send("GET").is_err(), "it is another certificate");
    assert_eq!(connection.call("GET", "/open", None, "").body, "open", "a connection goes on with its own");

    // Ten megabytes and then the answer, which is not lost by TLS either.
    let mut large = second.connect(stand.address());
    large.send(super::client::request("POST", "/write", Some(FULL), &"x".repeat(10 << 20)));
    assert_eq!(large.answer().status, 413);
}

#[test]
fn who_does_not_speak_tls_is_turned_away_and_the_server_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let Some(certificate) = Certificate::make(directory.path(), "a") else { return };
    let mut stand = Stand::with(with(&certificate));
    let mut plain = stand.place().connect();
    plain.send("GET /open HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(!plain.rest().starts_with(b"HTTP"));
    let _silent = stand.place().connect();
    assert_eq!(certificate.connect(stand.address()).call("GET", "/open", None, "").body, "open");
    stand.stop.cancel();
    stand.drained();
}

#[test]
fn a_key_that_does_not_belong_to_the_certificate_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let Some((one, other)) = Certificate::pair(directory.path()) else { return };
    let error = |certificate: &Path, key: &Path| Tls::load(certificate, key).unwrap_err().to_string();
    assert!(error(&one.certificate, &other.key).starts_with("cannot serve with this certificate and its key: "));
    assert!(error(&one.key, &one.key).starts_with("cannot read a certificate as PEM: "));
    assert!(error(&one.certificate, &one.certificate).starts_with("cannot read a private key as PEM: "));
    assert!(error(Path::new("/nowhere"), &one.key).contains("No such file"));
}
