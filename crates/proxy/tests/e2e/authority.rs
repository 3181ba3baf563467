//! Authorities of our own, and what they sign, as the files that `proxy.toml` and the peers name.

use std::fs;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_RSA_SHA256,
    SignatureAlgorithm,
};
use tempfile::TempDir;

/// An authority; its files go with the value.
pub struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// With a key of its own; its certificate is the file `ca.pem`.
    pub fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut own = CertificateParams::new([]).unwrap();
        own.distinguished_name.push(DnType::CommonName, name);
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(own, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    /// A file of its folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where its own certificate is, as a line for a backoffice's table.
    pub fn ca_file(&self) -> String {
        format!("ca_file = \"{}\"", self.file("ca.pem").display())
    }

    /// Signs a certificate for an ECDSA key; the files of both. `name` is the file's, and the common name.
    pub fn issue(&self, name: &str, alternative: &[&str]) -> (PathBuf, PathBuf) {
        self.issue_for(&rcgen::PKCS_ECDSA_P256_SHA256, name, alternative)
    }

    /// The same for an RSA key.
    pub fn issue_rsa(&self, name: &str, alternative: &[&str]) -> (PathBuf, PathBuf) {
        self.issue_for(&PKCS_RSA_SHA256, name, alternative)
    }

    fn issue_for(
        &self,
        algorithm: &'static SignatureAlgorithm,
        name: &str,
        alternative: &[&str],
    ) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let names: Vec<_> = alternative.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key")));
        fs::write(&files.0, certificate.pem()).unwrap();
        fs::write(&files.1, key.serialize_pem()).unwrap();
        files
    }
}
