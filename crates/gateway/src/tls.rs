//! TLS: rustls over aws-lc-rs. Towards backoffices with the system's roots, loaded once, and whatever
//! `ca_file` adds; towards chargers with certificates that can be replaced at any time, and with OpenSSL in place of rustls
//! for those that know only suites which rustls does not speak.

mod certificate;
mod expiry;
mod fingerprint;
#[cfg(feature = "openssl")]
mod legacy;
mod listening;
mod threads;
mod turns;

use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::routing::BackofficeSettings;

pub use certificate::{CertificateError, OwnCertificate};
pub(crate) use expiry::watch;
pub use fingerprint::Fingerprint;
pub(crate) use listening::Listening;
pub use listening::{ListenerCertificates, SPEAKS_LEGACY_SUITES};
pub(crate) use threads::HandshakeThreads;

/// Makes aws-lc-rs the one provider of cryptography of this program. Harmless when done before.
pub(crate) fn install_provider() {
    // It fails only when a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// What verifies a backoffice's certificate, and shows ours. The error says why that cannot be done.
pub(crate) fn connector(settings: &BackofficeSettings) -> Result<TlsConnector, String> {
    let mut roots = system_roots().clone();
    if let Some(pem) = &settings.ca_certificates {
        let mut added = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate
                .map_err(|error| format!("ca_file is not readable as PEM: {error}; give a PEM file"))?;
            roots
                .add(certificate)
                .map_err(|error| format!("ca_file holds an unusable certificate: {error}"))?;
            added += 1;
        }
        if added == 0 {
            return Err("ca_file holds no certificate; give a PEM file with BEGIN CERTIFICATE".to_owned());
        }
    }
    if roots.is_empty() {
        return Err("no trusted root certificates; install ca-certificates or set ca_file".to_owned());
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let config = match &settings.client_certificate {
        None => builder.with_no_client_auth(),
        Some(own) => builder
            .with_client_auth_cert(own.chain(), own.key())
            .map_err(|error| format!("client_certificate cannot be used: {error}"))?,
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn system_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let loaded = rustls_native_certs::load_native_certs();
        for error in &loaded.errors {
            tracing::warn!(%error, "some of the system's root certificates cannot be read");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(loaded.certs);
        roots
    })
}
