//! A certificate of our own: the chain that is shown, the key that proves it, and how long it holds.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::parse_x509_certificate;

/// A certificate of our own with its key. `Debug` shows nothing of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCertificate(Arc<Parts>);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    name: String,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    expires_unix_s: i64,
}

/// Why files are no certificate with its key. The texts follow the file's name.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// No `BEGIN CERTIFICATE` in it.
    #[error("holds no certificate; it must be a PEM file with \"-----BEGIN CERTIFICATE-----\"")]
    NoCertificate,
    /// Something in it is not a certificate.
    #[error("holds a certificate that cannot be read")]
    BadCertificate,
    /// No private key in it.
    #[error(
        "holds no private key; it must be a PEM file with \"-----BEGIN PRIVATE KEY-----\", without a passphrase"
    )]
    NoKey,
    /// The key is of a kind that cannot be used.
    #[error(
        "holds a private key that cannot be used; make one with ECDSA (P-256 or P-384) or RSA (2048 bits or more)"
    )]
    BadKey,
    /// The key does not belong to the first certificate of the chain.
    #[error("holds the key of another certificate; the chain must begin with the certificate of this key")]
    KeyOfAnother,
}

impl CertificateError {
    /// Whether the key's file is to be corrected, not the chain's.
    pub fn concerns_key(&self) -> bool {
        matches!(self, Self::NoKey | Self::BadKey | Self::KeyOfAnother)
    }
}

impl OwnCertificate {
    /// Reads chain and key from what PEM files hold; `name` is what warnings and metrics call it.
    ///
    /// # Errors
    /// When they are no PEM, hold nothing of use, or do not belong together.
    pub fn read(name: String, chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateError::BadCertificate)?;
        let own = chain.first().ok_or(CertificateError::NoCertificate)?;
        let (_, read) = parse_x509_certificate(own).map_err(|_| CertificateError::BadCertificate)?;
        let expires_unix_s = read.validity().not_after.timestamp();
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoKey)?;
        let certificate = Self(Arc::new(Parts { name, chain, key, expires_unix_s }));
        match certificate.certified() {
            Ok(_) => Ok(certificate),
            Err(rustls::Error::InconsistentKeys(_)) => Err(CertificateError::KeyOfAnother),
            Err(rustls::Error::InvalidCertificate(_)) => Err(CertificateError::BadCertificate),
            Err(_) => Err(CertificateError::BadKey),
        }
    }

    /// What warnings and metrics call it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// When it expires: UTC, seconds since 1970.
    pub fn expires_unix_s(&self) -> i64 {
        self.0.expires_unix_s
    }

    /// Ready to sign with.
    pub(super) fn certified(&self) -> Result<CertifiedKey, rustls::Error> {
        CertifiedKey::from_der(self.0.chain.clone(), self.0.key.clone_key(), &aws_lc_rs::default_provider())
    }
}

impl OwnCertificate {
    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.0.chain.clone()
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        self.0.key.clone_key()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn chain_and_key_must_belong_together() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(["proxy.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 5, 6);
        let chain = params.self_signed(&key).unwrap().pem();
        let (key, other) = (key.serialize_pem(), other.serialize_pem());
        let read = |chain: &str, key: &str| {
            OwnCertificate::read("one.pem".to_owned(), chain.as_bytes(), key.as_bytes())
        };
        let good = read(&chain, &key).unwrap();
        assert_eq!((good.name(), good.expires_unix_s()), ("one.pem", 1_935_792_000));
        assert!(!format!("{good:?}").contains(&format!("{:?}", &key.as_bytes()[30..40])));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let cases: [(&str, &str, &str, bool); 6] = [
            (&chain, &other, "the key of another certificate", true),
            (&chain, &chain, "no private key", true),
            (&chain, "", "no private key", true),
            ("", &key, "no certificate", false),
            (broken, &key, "cannot be read", false),
            (&key, &key, "no certificate", false),
        ];
        for (chain, key, expected, concerns_key) in cases {
            let error = read(chain, key).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(error.concerns_key(), concerns_key, "{error}");
        }
    }
}
