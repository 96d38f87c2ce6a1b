//! Certificates.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig, crypto};

/// A certificate and its key, ready to serve with.
#[derive(Clone)]
pub struct Tls(pub(super) Arc<ServerConfig>);

/// The certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// What is in the file of the certificate.
    #[error("cannot read a certificate as PEM: {0}")]
    Certificate(pem::Error),
    /// What is in the file of the key.
    #[error("cannot read a private key as PEM: {0}")]
    Key(pem::Error),
    /// One does not go with the other, or with this program.
    #[error("cannot serve with this certificate and its key: {0}")]
    Both(#[from] rustls::Error),
}

impl Tls {
    /// Reads a chain of certificates, the server's own first, and the key, both as PEM.
    ///
    /// # Errors
    /// When one of them cannot be read, or they do not belong together.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = chain(certificate).map_err(TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(TlsError::Key)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
    if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}
