//! TLS on every hop: an authority for this run alone, one certificate for everybody who is dialed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};

/// What the systems under test are given as files, and what chargers and backoffices use.
#[derive(Debug)]
pub struct Certificates {
    /// The authority's certificate.
    pub authority: PathBuf,
    /// The certificate of whoever is dialed, for `127.0.0.1` and `localhost`; ECDSA with P-256.
    pub chain: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Chain and key in one file.
    pub both: PathBuf,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Certificates {
    /// Makes them and writes them into a folder.
    pub fn issue(folder: &Path) -> Result<Self> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "an authority for one run");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let chain = CertificateParams::new(names)?.signed_by(&key, &authority)?;
        let file = |name: &str, text: &str| -> Result<PathBuf> {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(path)
        };
        let certificate = CertificateDer::from_pem_slice(chain.pem().as_bytes())?;
        let private = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes())?)?;
        Ok(Self {
            authority: file("authority.pem", &authority.pem())?,
            chain: file("chain.pem", &chain.pem())?,
            key: file("key.pem", &key.serialize_pem())?,
            both: file("both.pem", &(chain.pem() + &key.serialize_pem()))?,
            server: Arc::new(
                ServerConfig::builder_with_protocol_versions(&[&TLS13])
                    .with_no_client_auth()
                    .with_single_cert(vec![certificate], private)?,
            ),
            client: Arc::new(
                ClientConfig::builder_with_protocol_versions(&[&TLS13])
                    .with_root_certificates(roots)
                    .with_no_client_auth(),
            ),
        })
    }

    pub(crate) fn accepting(&self) -> Result<Connection> {
        Ok(ServerConnection::new(self.server.clone())?.into())
    }

    pub(crate) fn dialing(&self) -> Result<Connection> {
        let name = ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
        Ok(ClientConnection::new(self.client.clone(), name)?.into())
    }
}
