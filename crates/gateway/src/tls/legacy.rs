//! TLS of the chargers' listener with OpenSSL, for chargers that know only the two suites without forward
//! secrecy that OCPP's security white paper (A00) and its compliance test (TC_086) ask for. Everything else is
//! as with rustls: the same versions, suites, signatures and groups, no tickets, no renegotiation.

use std::io;
use std::pin::Pin;

use openssl::error::ErrorStack;
use openssl::pkey::{Id, PKey, Private};
use openssl::ssl::{
    Ssl, SslContext, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::stack::Stack;
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyFlags;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::{ListenerCertificates, OwnCertificate};
use crate::peer::PeerCertificate;
use crate::wire::Wire;

/// What rustls speaks of TLS 1.3.
const SUITES_13: &str = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
/// What rustls speaks of TLS 1.2 with a certificate for ECDSA, and with one for RSA.
const SUITES_ECDSA: &str =
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305";
const SUITES_RSA: &str =
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305";
/// What all this is for: TLS_RSA_WITH_AES_256_GCM_SHA384 and TLS_RSA_WITH_AES_128_GCM_SHA256.
const SUITES_LEGACY: &str = "AES256-GCM-SHA384:AES128-GCM-SHA256";
const SIGNATURES_ECDSA: &str = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519";
const SIGNATURES_RSA: &str = "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";
const GROUPS: &str = "X25519:P-256:P-384";
/// Intermediate certificates of a charger; as with rustls.
const DEPTH: u32 = 6;
/// Keys of at least 112 bits of strength, as with rustls.
const SECURITY_LEVEL: u32 = 2;

/// Shakes hands with chargers.
#[derive(Clone)]
pub(super) struct LegacyAcceptor {
    context: SslContext,
    own: Vec<Own>,
}

#[derive(Clone)]
struct Own {
    chain: Vec<X509>,
    key: PKey<Private>,
}

impl LegacyAcceptor {
    /// Makes the certificates ready for use. The error says what is wrong with them.
    pub(super) fn new(certificates: &ListenerCertificates) -> Result<Self, String> {
        let own = own(&certificates.own).map_err(|error| format!("listen.tls cannot be used: {error}"))?;
        let context = context(&own, certificates.client_ca.as_deref());
        let context = context.map_err(|error| format!("listen.tls cannot be used with OpenSSL: {error}"))?;
        Ok(Self { context, own })
    }

    /// Shakes hands; what the charger's certificate says, if it showed one. It is verified.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<(Wire, Option<PeerCertificate>)> {
        let mut ssl = Ssl::new(&self.context)?;
        for own in &self.own {
            // In this order: a chain belongs to the certificate that was set last.
            ssl.set_certificate(&own.chain[0])?;
            ssl.set_private_key(&own.key)?;
            for more in &own.chain[1..] {
                ssl.add_chain_cert(more.clone())?;
            }
        }
        let mut stream = SslStream::new(ssl, stream)?;
        Pin::new(&mut stream)
            .accept()
            .await
            .map_err(|error| error.into_io_error().unwrap_or_else(io::Error::other))?;
        let shown = stream.ssl().peer_certificate().map(|own| own.to_der()).transpose()?;
        Ok((Wire::legacy(stream), shown.map(|der| PeerCertificate::read(&der))))
    }
}

/// One certificate for each kind of key: OpenSSL has room for no more.
fn own(listed: &[OwnCertificate]) -> Result<Vec<Own>, ErrorStack> {
    let mut own: Vec<Own> = Vec::new();
    for one in listed {
        let chain = one.chain().iter().map(|der| X509::from_der(der)).collect::<Result<_, _>>()?;
        let key = PKey::private_key_from_der(one.key().secret_der())?;
        if own.iter().any(|other| other.key.id() == key.id()) {
            tracing::warn!(
                certificate = one.name(),
                "this certificate is not shown: with legacy_suites there is one for each kind of key, the first"
            );
            continue;
        }
        own.push(Own { chain, key });
    }
    Ok(own)
}

fn context(own: &[Own], client_ca: Option<&[u8]>) -> Result<SslContext, ErrorStack> {
    let mut context = SslContext::builder(SslMethod::tls_server())?;
    context.set_security_level(SECURITY_LEVEL);
    context.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    context.set_max_proto_version(Some(SslVersion::TLS1_3))?;
    context.set_options(
        SslOptions::NO_COMPRESSION
            | SslOptions::NO_RENEGOTIATION
            | SslOptions::NO_TICKET
            | SslOptions::CIPHER_SERVER_PREFERENCE,
    );
    // A resumed session would not look at the charger's certificate again, which may have expired.
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_num_tickets(0)?;
    context.set_session_id_context(b"ocpp-proxy")?;
    // What asynchronous writing needs; and buffers are held while they are needed alone.
    context.set_mode(
        SslMode::AUTO_RETRY
            | SslMode::ENABLE_PARTIAL_WRITE
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::RELEASE_BUFFERS,
    );
    // A charger gets the first of the list that it can verify.
    let rsa_first = own.first().is_some_and(|first| first.key.id() == Id::RSA);
    let ordered = |ecdsa: &str, rsa: &str| match rsa_first {
        true => format!("{rsa}:{ecdsa}"),
        false => format!("{ecdsa}:{rsa}"),
    };
    context.set_ciphersuites(SUITES_13)?;
    context.set_cipher_list(&format!("{}:{SUITES_LEGACY}", ordered(SUITES_ECDSA, SUITES_RSA)))?;
    context.set_sigalgs_list(&ordered(SIGNATURES_ECDSA, SIGNATURES_RSA))?;
    context.set_groups_list(GROUPS)?;
    if let Some(pem) = client_ca {
        let (mut store, mut names) = (X509StoreBuilder::new()?, Stack::new()?);
        // Whoever is listed is trusted, also one who was signed by somebody else.
        store.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        for signer in X509::stack_from_pem(pem)? {
            names.push(signer.subject_name().to_owned()?)?;
            store.add_cert(signer)?;
        }
        context.set_verify_cert_store(store.build())?;
        context.set_client_ca_list(names);
        context.set_verify_depth(DEPTH);
        // Whether a charger needs a certificate its rule says; one that it shows must be good.
        context.set_verify(SslVerifyMode::PEER);
    }
    Ok(context.build())
}
