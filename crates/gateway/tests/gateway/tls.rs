//! TLS towards backoffices: who is trusted.

use std::sync::Arc;

use gateway::{BackofficeSettings, OwnCertificate};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use crate::backoffice::{Backoffice, Manner, shake_hands};
use crate::charger::Charger;
use crate::world::{World, mirrored, routing_with};

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn acceptor(authority: &Issuer, name: &str) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Dials a leader that bears a certificate for `name` from `authority`, trusting `trusted`.
async fn dial(authority: &Issuer, name: &str, trusted: Option<String>) -> (u16, World) {
    let backoffice = Backoffice::new().await;
    let url = format!("wss://localhost:{}/{{charger}}", backoffice.address.port());
    let ca_certificates = trusted.map(String::into_bytes);
    let settings = BackofficeSettings { ca_certificates, ..BackofficeSettings::new(url) };
    let world = World::new(mirrored(routing_with(&[("volt", settings)]))).await;
    let acceptor = acceptor(authority, name);
    let (link, charger) = tokio::join!(
        async {
            let stream = acceptor.accept(backoffice.connection().await).await.ok()?;
            Some(shake_hands(stream, Manner::Agree).await)
        },
        Charger::dial(world.address, "CP1"),
    );
    drop(link);
    (charger.status, world)
}

#[tokio::test]
async fn a_backoffice_of_a_trusted_authority_is_dialed() {
    let authority = authority();
    assert_eq!(dial(&authority, "localhost", Some(authority.pem())).await.0, 101);
}

#[tokio::test]
async fn others_are_not() {
    let (trusted, stranger) = (authority(), authority());
    let cases = [
        ("unknown authority", &stranger, "localhost", Some(trusted.pem())),
        ("wrong name", &trusted, "volt.example", Some(trusted.pem())),
        ("not in the system's roots", &trusted, "localhost", None),
    ];
    for (what, issuer, name, roots) in cases.clone() {
        let (status, world) = dial(issuer, name, roots).await;
        assert_eq!(status, 503, "{what}");
        let failed = "ocpp_proxy_backoffice_connects_total{backoffice=\"volt\",result=\"tls_error\"}";
        assert_eq!(world.metric(failed).await, 1.0, "{what}");
    }
    assert_eq!(cases.len(), 3);
}

/// A backoffice that asks for a certificate, reached by its address and named otherwise.
fn strict_acceptor(authority: &Issuer, name: &str, clients: &Issuer) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(clients.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn client_certificate(issuer: &Issuer) -> OwnCertificate {
    let key = KeyPair::generate().unwrap();
    let chain =
        CertificateParams::new(vec!["proxy".to_owned()]).unwrap().signed_by(&key, issuer).unwrap().pem();
    OwnCertificate::read("volt.pem".to_owned(), chain.as_bytes(), key.serialize_pem().as_bytes()).unwrap()
}

#[tokio::test]
async fn a_backoffice_is_shown_the_certificate_for_it_and_known_by_its_pinned_name() {
    let (authority, clients) = (authority(), authority());
    let good = client_certificate(&clients);
    let cases = [
        ("all as it should be", Some(good.clone()), Some("volt.example"), 101),
        ("no certificate", None, Some("volt.example"), 503),
        ("one of somebody else", Some(client_certificate(&authority)), Some("volt.example"), 503),
        ("the host is not the name", Some(good.clone()), None, 503),
        ("another name", Some(good), Some("acme.example"), 503),
    ];
    for (what, client_certificate, server_name, expected) in cases.clone() {
        let backoffice = Backoffice::new().await;
        let settings = BackofficeSettings {
            ca_certificates: Some(authority.pem().into_bytes()),
            client_certificate,
            server_name: server_name.map(str::to_owned),
            ..BackofficeSettings::new(format!("wss://localhost:{}/{{charger}}", backoffice.address.port()))
        };
        let world = World::new(mirrored(routing_with(&[("volt", settings)]))).await;
        let acceptor = strict_acceptor(&authority, "volt.example", &clients);
        let (link, charger) = tokio::join!(
            async {
                let stream = acceptor.accept(backoffice.connection().await).await.ok()?;
                Some(shake_hands(stream, Manner::Agree).await)
            },
            Charger::dial(world.address, "CP1"),
        );
        drop(link);
        assert_eq!(charger.status, expected, "{what}");
        if expected == 101 {
            let (_, metrics) = world.page("/metrics").await;
            let expiry = "ocpp_proxy_certificate_expiry_timestamp_seconds{certificate=\"volt.pem\"}";
            assert!(metrics.contains(expiry), "{metrics}");
        }
    }
    assert_eq!(cases.len(), 5);
}
