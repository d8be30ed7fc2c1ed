//! The TLS client: the system's roots, plus configured ones.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// Why there is no TLS client.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file with extra roots cannot be used.
    #[error("{setting} {path}: {error}; it must be a PEM file with at least one certificate")]
    CaFile {
        /// The setting that names the file.
        setting: &'static str,
        path: String,
        /// What is wrong with it.
        error: String,
    },
    /// No roots at all.
    #[error(
        "no root certificates: the system has none{errors}; install ca-certificates or set {setting}"
    )]
    NoRoots {
        /// The system's errors.
        errors: String,
        /// The setting that would name a file.
        setting: &'static str,
    },
}

/// The TLS client for Deepgram, which trusts the system's roots and those in `ca_file`.
pub fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, TlsError> {
    Ok(TlsConnector::from(Arc::new(client("upstream.ca_file", ca_file)?)))
}

/// A TLS client that trusts the system's roots and those in `ca_file`, which `setting` names.
///
/// # Errors
/// If the file cannot be used, or there are no roots.
pub fn client(setting: &'static str, ca_file: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    if let Some(path) = ca_file {
        add_file(&mut roots, setting, path)?;
    }
    if roots.is_empty() {
        let errors: String = native.errors.iter().map(|error| format!(" ({error})")).collect();
        return Err(TlsError::NoRoots { errors, setting });
    }
    let provider = Arc::new(crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring serves both TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn add_file(roots: &mut RootCertStore, setting: &'static str, path: &Path) -> Result<(), TlsError> {
    let wrong =
        |error: String| TlsError::CaFile { setting, path: path.display().to_string(), error };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|it| wrong(it.to_string()))?;
    let before = roots.len();
    for certificate in certificates {
        let certificate = certificate.map_err(|it| wrong(it.to_string()))?;
        roots.add(certificate).map_err(|it| wrong(it.to_string()))?;
    }
    if roots.len() == before {
        return Err(wrong("no certificates in it".to_owned()));
    }
    Ok(())
}
