//! TLS of the chargers' listener: what it shows, what it asks for, and how both are replaced while it
//! listens (security white paper A00, semantics S-16, S-18).

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

#[cfg(feature = "openssl")]
use super::legacy::LegacyAcceptor;
use super::{Fingerprint, OwnCertificate};
use crate::peer::PeerCertificate;
use crate::wire::Wire;

/// Whether this program was built with what [`ListenerCertificates::legacy_suites`] needs.
pub const SPEAKS_LEGACY_SUITES: bool = cfg!(feature = "openssl");

/// What the chargers' listener shows, and what it verifies chargers' certificates with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerCertificates {
    /// In the order of preference; a charger gets the first that it can verify. At least one.
    pub own: Vec<OwnCertificate>,
    /// PEM certificates of those who sign chargers' own certificates. Without them chargers are not asked
    /// for any.
    pub client_ca: Option<Vec<u8>>,
    /// Certificates of chargers that are taken back, though they are signed.
    pub revoked: Vec<Fingerprint>,
    /// Whether chargers may choose the two suites whose key exchange is RSA (security white paper A00). That is
    /// OpenSSL then in place of rustls, and one certificate for each kind of key. Only where
    /// [`SPEAKS_LEGACY_SUITES`].
    pub legacy_suites: bool,
}

/// What is in force.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) certificates: ListenerCertificates,
    acceptor: Acceptor,
}

#[derive(Clone)]
enum Acceptor {
    Rustls(TlsAcceptor),
    #[cfg(feature = "openssl")]
    OpenSsl(LegacyAcceptor),
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rustls(_) => "rustls",
            #[cfg(feature = "openssl")]
            Self::OpenSsl(_) => "OpenSSL",
        })
    }
}

impl Listening {
    /// Makes the certificates ready for use. The error says what is wrong with them.
    pub(crate) fn new(certificates: ListenerCertificates) -> Result<Self, String> {
        let acceptor = if certificates.legacy_suites {
            legacy(&certificates)?
        } else {
            Acceptor::Rustls(TlsAcceptor::from(Arc::new(server_config(&certificates)?)))
        };
        Ok(Self { certificates, acceptor })
    }

    /// Shakes hands; what the charger's certificate says, if it showed one. It is verified.
    pub(crate) fn accept(
        &self,
        stream: TcpStream,
    ) -> impl Future<Output = io::Result<(Wire, Option<PeerCertificate>)>> + Send + 'static {
        let (acceptor, revoked) = (self.acceptor.clone(), self.certificates.revoked.clone());
        async move {
            let (wire, mut shown) = match acceptor {
                Acceptor::Rustls(acceptor) => {
                    let stream = acceptor.accept(stream).await?;
                    let shown = stream.get_ref().1.peer_certificates();
                    let shown = shown.and_then(|chain| chain.first()).map(|own| PeerCertificate::read(own));
                    (Wire::tls(stream), shown)
                }
                #[cfg(feature = "openssl")]
                Acceptor::OpenSsl(acceptor) => acceptor.accept(stream).await?,
            };
            if let Some(shown) = &mut shown {
                shown.is_revoked = revoked.contains(&shown.fingerprint);
            }
            Ok((wire, shown))
        }
    }
}

#[cfg(feature = "openssl")]
fn legacy(certificates: &ListenerCertificates) -> Result<Acceptor, String> {
    LegacyAcceptor::new(certificates).map(Acceptor::OpenSsl)
}

#[cfg(not(feature = "openssl"))]
fn legacy(_: &ListenerCertificates) -> Result<Acceptor, String> {
    Err("listen.tls.legacy_suites needs a program that was built with OpenSSL".to_owned())
}

fn server_config(certificates: &ListenerCertificates) -> Result<ServerConfig, String> {
    let unusable = |error: rustls::Error| format!("listen.tls cannot be used: {error}");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match &certificates.client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| format!("listen.tls.client_ca: {error}"))?;
                roots.add(certificate).map_err(|error| format!("listen.tls.client_ca: {error}"))?;
            }
            // Whether a charger needs a certificate its rule says; one that it shows must be good.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| format!("listen.tls.client_ca: {error}"))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let own = certificates.own.iter().map(|own| own.certified().map(Arc::new));
    let own = own.collect::<Result<_, _>>().map_err(unusable)?;
    let mut config = builder.with_cert_resolver(Arc::new(ByWhatTheChargerCan(own)));
    // A resumed session would not look at the charger's certificate again, which may have expired.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Chargers that know ECDSA only, and such that know RSA only, exist side by side.
#[derive(Debug)]
struct ByWhatTheChargerCan(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByWhatTheChargerCan {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Under TLS 1.2 rustls has already left out what no offered suite could sign.
        let can_verify =
            |own: &&Arc<CertifiedKey>| own.key.choose_scheme(hello.signature_schemes()).is_some();
        self.0.iter().find(can_verify).cloned()
    }
}
