//! Chargers over TLS: who is let in with which certificate, and certificates that are replaced meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::figures::counted;
use gateway::{EntranceTerms, ListenerCertificates, OwnCertificate, SPEAKS_LEGACY_SUITES, Settings};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::crypto::aws_lc_rs::{ALL_CIPHER_SUITES, default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::backoffice::Backoffice;
use crate::charger::{Charger, UPGRADE, connect};
use crate::identities::on_terms;
use crate::world::{World, routing, settings};

pub(crate) type Issuer = CertifiedIssuer<'static, KeyPair>;

/// Whose TLS the listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Rustls,
    /// With the suites that rustls does not speak.
    OpenSsl,
}

/// As far as they were built in.
fn modes() -> &'static [Mode] {
    if SPEAKS_LEGACY_SUITES { &[Mode::Rustls, Mode::OpenSsl] } else { &[Mode::Rustls] }
}

fn named() -> String {
    modes().iter().map(|mode| format!("{mode:?}")).collect::<Vec<_>>().join(" and ")
}

pub(crate) fn authority(name: &str) -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate with this common name, as PEM, and its key.
fn signed(issuer: &Issuer, common_name: &str, expired: bool) -> (String, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    if expired {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    (params.signed_by(&key, issuer).unwrap().pem(), key)
}

/// A certificate that may not be used by clients.
fn signed_for_servers(issuer: &Issuer, common_name: &str) -> (String, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (params.signed_by(&key, issuer).unwrap().pem(), key)
}

/// With rustls.
pub(crate) fn shown(issuer: &Issuer, name: &str, client_ca: Option<&Issuer>) -> ListenerCertificates {
    shown_by(Mode::Rustls, issuer, name, client_ca)
}

fn shown_by(mode: Mode, issuer: &Issuer, name: &str, client_ca: Option<&Issuer>) -> ListenerCertificates {
    let (chain, key) = signed(issuer, name, false);
    let own = OwnCertificate::read(name.to_owned(), chain.as_bytes(), key.serialize_pem().as_bytes());
    let client_ca = client_ca.map(|issuer| issuer.pem().into_bytes());
    ListenerCertificates {
        own: vec![own.unwrap()],
        client_ca,
        revoked: Vec::new(),
        legacy_suites: mode == Mode::OpenSsl,
    }
}

pub(crate) fn with_tls(certificates: ListenerCertificates) -> Settings {
    let any = "127.0.0.1:0".parse().unwrap();
    Settings { tls: Some((any, certificates)), ..settings() }
}

fn charger(trusted: &Issuer, own: Option<(&str, &KeyPair)>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der().clone()).unwrap();
    let provider = Arc::new(default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            use rustls::pki_types::pem::PemObject;
            let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    TlsConnector::from(Arc::new(config))
}

/// Dials as this charger; the status, or `None` when TLS came to nothing.
async fn dial(world: &World, connector: &TlsConnector, charger: &str) -> Option<(u16, TlsStream<TcpStream>)> {
    let stream = TcpStream::connect(world.gateway.tls_address().unwrap()).await.unwrap();
    // A request of one small segment would wait for the confirmation of the one before.
    stream.set_nodelay(true).unwrap();
    let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.ok()?;
    let request = format!(
        "GET /ocpp/{charger} HTTP/1.1\r\nHost: gateway\r\n{UPGRADE}Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    Some((head.split(' ').nth(1).unwrap().parse().unwrap(), stream))
}

/// The gateway answers a ping: the socket is served.
async fn assert_served(stream: &mut TlsStream<TcpStream>) {
    stream.write_all(b"\x89\x80\0\0\0\0").await.unwrap();
    stream.flush().await.unwrap();
    let mut frame = [0; 2];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame, b"\x8a\0", "a pong, and nothing else");
}

#[tokio::test]
async fn plain_and_tls_stand_side_by_side() {
    for mode in modes() {
        stand_side_by_side(*mode).await;
    }
}

async fn stand_side_by_side(mode: Mode) {
    let authority = authority("root");
    let world = World::with(
        with_tls(shown_by(mode, &authority, "proxy.pem", None)),
        routing(&[("volt", "ws://127.0.0.1:9/")]),
    )
    .await;
    let mut over_tls = dial(&world, &charger(&authority, None), "CP1").await.unwrap();
    assert_eq!(over_tls.0, 101);
    assert_served(&mut over_tls.1).await;
    let mut plain = Charger::dial(world.address, "CP2").await;
    plain.assert_served().await;
    // Whoever speaks HTTP to the TLS listener is cut off, and whoever trusts somebody else goes by itself.
    let mut stream = connect(world.gateway.tls_address().unwrap(), "127.0.0.1").await;
    stream.write_all(b"GET /ocpp/CP3 HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP"));
    let stranger = self::authority("stranger");
    assert!(dial(&world, &charger(&stranger, None), "CP3").await.is_none());
    let failed = "ocpp_proxy_charger_connects_total{result=\"tls_failed\"}";
    // Handshakes have threads of their own: the last one may still be ending.
    while world.metric(failed).await < 2.0 {}
    assert_eq!(world.metric(failed).await, 2.0);
    let (_, metrics) = world.page("/metrics").await;
    assert!(metrics.contains("ocpp_proxy_certificate_expiry_timestamp_seconds{certificate=\"proxy.pem\"} 6"));
}

#[tokio::test]
async fn figure_s04_a_certificate_opens_for_the_charger_that_it_names_and_for_no_other() {
    let chargers = ::figures::scaled(100, 10);
    let (own, signer) = (authority("root"), authority("maker of chargers"));
    let (mut accepted, mut refused) = (0, 0);
    for mode in modes() {
        let backoffice = Backoffice::new().await;
        let routing = routing(&[("volt", &backoffice.url())]);
        backoffice.agree_with_all();
        let world = World::with(with_tls(shown_by(*mode, &own, "proxy.pem", Some(&signer))), routing).await;
        for of in 0..chargers {
            let (chain, key) = signed(&signer, &format!("CP{of}"), false);
            let connector = charger(&own, Some((&chain, &key)));
            for asks_for in 0..chargers {
                let (status, _) = dial(&world, &connector, &format!("CP{asks_for}")).await.unwrap();
                let expected = if of == asks_for { 101 } else { 403 };
                assert_eq!(status, expected, "{mode:?}: the certificate of CP{of} for CP{asks_for}");
                if status == 101 { accepted += 1 } else { refused += 1 }
            }
        }
        let series = "ocpp_proxy_charger_connects_total{result=\"wrong_certificate\"}";
        assert_eq!(world.metric(series).await, (chargers * (chargers - 1)) as f64);
    }
    assert_eq!(accepted, modes().len() * chargers);
    assert_eq!(refused, modes().len() * chargers * (chargers - 1));
    ::figures::row(
        "S4",
        format!("{chargers} certificates, each for {chargers} identities, with {}", named()),
        format!("{} let in, {} refused", counted(accepted), counted(refused)),
    );
}

#[tokio::test]
async fn a_certificate_that_is_taken_back_opens_nothing_and_ends_what_it_has_opened() {
    let (own, signer) = (authority("root"), authority("maker of chargers"));
    for mode in modes() {
        let backoffice = Backoffice::new().await;
        let routing = routing(&[("volt", &backoffice.url())]);
        backoffice.agree_with_all();
        let shown = shown_by(*mode, &own, "proxy.pem", Some(&signer));
        let world = World::with(with_tls(shown.clone()), routing).await;
        let [stolen, kept] = ["CP1", "CP2"].map(|name| signed(&signer, name, false));
        let connector = |(chain, key): &(String, KeyPair)| charger(&own, Some((chain.as_str(), key)));
        let (status, mut stream) = dial(&world, &connector(&stolen), "CP1").await.unwrap();
        let (other, mut good) = dial(&world, &connector(&kept), "CP2").await.unwrap();
        assert_eq!((status, other), (101, 101));
        let der = CertificateDer::from_pem_slice(stolen.0.as_bytes()).unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
        let printed: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let revoked = vec![printed.join(":").parse().unwrap()];
        world.gateway.replace_certificates(ListenerCertificates { revoked, ..shown }).unwrap();
        let mut rest = Vec::new();
        // Some end TLS with the connection alone.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(String::from_utf8_lossy(&rest).contains("credentials refused"), "{mode:?}");
        let (status, _) = dial(&world, &connector(&stolen), "CP1").await.unwrap();
        let failed = world.gateway.view().turned_away(&"CP1".into()).unwrap();
        assert_eq!((status, failed.why), (403, store::WhyNot::Revoked), "{mode:?}");
        let again = signed(&signer, "CP1", false);
        assert_eq!(dial(&world, &connector(&again), "CP1").await.unwrap().0, 101, "with a new one");
        assert!(world.gateway.view().is_online(&"CP2".into()));
        good.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_good_opens_nothing() {
    let (own, signer, stranger) = (authority("root"), authority("maker"), authority("stranger"));
    let good = signed(&signer, "CP1", false);
    let cases = [
        ("good", Some(good), Some(101)),
        ("none", None, Some(101)),
        ("of a stranger", Some(signed(&stranger, "CP1", false)), None),
        ("of the one who signed the proxy's", Some(signed(&own, "CP1", false)), None),
        ("expired", Some(signed(&signer, "CP1", true)), None),
        ("for servers alone", Some(signed_for_servers(&signer, "CP1")), None),
    ];
    for mode in modes() {
        let settings = with_tls(shown_by(*mode, &own, "proxy.pem", Some(&signer)));
        let world = World::with(settings, routing(&[("volt", "ws://127.0.0.1:9/")])).await;
        for (what, certificate, expected) in &cases {
            let own_certificate = certificate.as_ref().map(|(chain, key)| (chain.as_str(), key));
            let dialed = dial(&world, &charger(&own, own_certificate), "CP1").await;
            assert_eq!(dialed.map(|(status, _)| status), *expected, "{mode:?}: {what}");
        }
    }
    assert_eq!(cases.len(), 6);
}

/// S-2: only who proves who it is is held to TLS
#[tokio::test]
async fn who_proves_nothing_holds_no_charger_to_tls_and_who_does_is_held_to_it() {
    let (own, signer) = (authority("root"), authority("maker"));
    let backoffice = Backoffice::new().await;
    // Known, and asked for nothing.
    let routing = on_terms(routing(&[("volt", &backoffice.url())]), EntranceTerms::default());
    backoffice.agree_with_all();
    let world = World::with(with_tls(shown(&own, "proxy.pem", Some(&signer))), routing.clone()).await;
    for name in ["CP1", "CP2"] {
        world.gateway.view().admit(&name.into(), None, "anna").await.unwrap();
    }
    let mut plain = Charger::dial_from(world.address, "127.0.0.7", "CP1").await;
    plain.assert_served().await;
    let challenge = async {
        while plain.frame().await.opcode != 9 {}
        plain.send(0x8a, b"").await;
    };
    let connector = charger(&own, None);
    let (stranger, ()) = tokio::join!(dial(&world, &connector, "CP1"), challenge);
    assert_eq!(stranger.unwrap().0, 409);
    plain.assert_served().await;
    drop(plain);
    // Also one that gets in while nobody is there.
    let (status, stranger) = dial(&world, &connector, "CP1").await.unwrap();
    assert_eq!(status, 101);
    drop(stranger);
    let again = Charger::dial_from(world.address, "127.0.0.7", "CP1").await;
    assert_eq!(again.status, 101);
    assert_eq!(world.store.logins().await.unwrap(), []);

    let (chain, key) = signed(&signer, "CP2", false);
    let (status, with_certificate) = dial(&world, &charger(&own, Some((&chain, &key))), "CP2").await.unwrap();
    assert_eq!(status, 101);
    drop((again, with_certificate));
    assert_eq!(Charger::dial(world.address, "CP2").await.status, 401);
    let world = world.restarted(routing).await;
    assert_eq!(Charger::dial(world.address, "CP2").await.status, 401);
    assert_eq!(Charger::dial(world.address, "CP1").await.status, 101);
    world.gateway.view().allow_plain(&"CP2".into(), "anna").await.unwrap();
    assert_eq!(Charger::dial(world.address, "CP2").await.status, 101);
}

/// Asks without end whether it is served, until told to stop; how often it was.
async fn keep_asking(mut stream: TlsStream<TcpStream>, stop: Arc<AtomicBool>) -> usize {
    for times in 0.. {
        if stop.load(Ordering::Relaxed) {
            return times;
        }
        assert_served(&mut stream).await;
    }
    unreachable!("it asks without end")
}

#[tokio::test]
async fn figure_s18_certificates_are_replaced_under_load_and_nobody_is_dropped() {
    const TIMES: usize = 50;
    let chargers = ::figures::scaled(200, 20);
    let authority = authority("root");
    let connector = charger(&authority, None);
    let (mut seen, mut dropped, mut asked) = (Vec::new(), 0, 0);
    for mode in modes() {
        let shown = |name: &str| shown_by(*mode, &authority, name, None);
        let backoffice = Backoffice::new().await;
        let routing = routing(&[("volt", &backoffice.url())]);
        backoffice.agree_with_all();
        let world = World::with(with_tls(shown("0.pem")), routing).await;
        let stop = Arc::new(AtomicBool::new(false));
        let mut present = Vec::new();
        for number in 0..chargers {
            let (status, stream) = dial(&world, &connector, &format!("CP{number}")).await.unwrap();
            assert_eq!(status, 101);
            present.push(tokio::spawn(keep_asking(stream, stop.clone())));
        }
        for time in 1..=TIMES {
            world.gateway.replace_certificates(shown(&format!("{time}.pem"))).unwrap();
            let (_, stream) = dial(&world, &connector, "CP-NEW").await.unwrap();
            let new = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
            assert!(!seen.contains(&new), "{mode:?}: the certificate of time {time} is a new one");
            seen.push(new);
        }
        stop.store(true, Ordering::Relaxed);
        for charger in present {
            match charger.await {
                Ok(times) => asked += times,
                Err(_) => dropped += 1,
            }
        }
        let unusable = ListenerCertificates {
            client_ca: Some(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec()),
            ..shown("bad.pem")
        };
        world.gateway.replace_certificates(unusable).unwrap_err();
        let (_, stream) = dial(&world, &connector, "CP-NEW").await.unwrap();
        let last = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        assert_eq!(Some(&last), seen.last(), "{mode:?}: the last good one");
    }
    assert_eq!((seen.len(), dropped), (TIMES * modes().len(), 0));
    assert!(asked > 0);
    ::figures::row(
        "S18",
        format!("certificates replaced {TIMES} times under {chargers} busy chargers, with {}", named()),
        format!(
            "{dropped} dropped, {} pings answered meanwhile; the next connection got the new certificate {} times",
            counted(asked),
            counted(seen.len())
        ),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figure_s18_a_storm_of_handshakes_gets_in_beside_those_who_are_there() {
    let (present, coming) = (::figures::scaled(200, 20), ::figures::scaled(1000, 100));
    let authority = authority("root");
    let connector = charger(&authority, None);
    let (mut asked, mut let_in) = (0, 0);
    for mode in modes() {
        let backoffice = Backoffice::new().await;
        let routing = routing(&[("volt", &backoffice.url())]);
        backoffice.agree_with_all();
        let world = World::with(with_tls(shown_by(*mode, &authority, "0.pem", None)), routing).await;
        let stop = Arc::new(AtomicBool::new(false));
        let mut there = Vec::new();
        for number in 0..present {
            let (status, stream) = dial(&world, &connector, &format!("CP{number}")).await.unwrap();
            assert_eq!(status, 101);
            there.push(tokio::spawn(keep_asking(stream, stop.clone())));
        }
        let dials = (0..coming).map(|number| {
            let (world, connector) = (&world, &connector);
            async move { dial(world, connector, &format!("CP-NEW{number}")).await }
        });
        let dialed = futures_util::future::join_all(dials).await;
        stop.store(true, Ordering::Relaxed);
        for charger in there {
            asked += charger.await.unwrap();
        }
        for mut charger in dialed.into_iter().map(|dialed| dialed.expect("its handshake succeeds")) {
            assert_eq!(charger.0, 101, "{mode:?}");
            assert_served(&mut charger.1).await;
            let_in += 1;
        }
    }
    assert_eq!(let_in, coming * modes().len());
    assert!(asked > 0);
    ::figures::row(
        "S18",
        format!(
            "{} TLS handshakes at once beside {present} busy chargers, with {}",
            counted(coming),
            named()
        ),
        format!("{} let in, {} pings of the others answered meanwhile", counted(let_in), counted(asked)),
    );
}

#[tokio::test(start_paused = true)]
async fn a_half_done_tls_handshake_is_closed() {
    for mode in modes() {
        half_done(*mode).await;
    }
}

async fn half_done(mode: Mode) {
    let authority = authority("root");
    let settings = with_tls(shown_by(mode, &authority, "proxy.pem", None));
    let world = World::with(settings, routing(&[("volt", "ws://127.0.0.1:9/")])).await;
    let begun = tokio::time::Instant::now();
    // Nothing; the beginning of a record; a record of a handshake that does not come.
    let halves: [&[u8]; 3] = [b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"];
    for half in halves {
        let mut stream = connect(world.gateway.tls_address().unwrap(), "127.0.0.1").await;
        stream.write_all(half).await.unwrap();
        let mut rest = Vec::new();
        // A reset is as good as an end.
        let _ = stream.read_to_end(&mut rest).await;
    }
    // Their sockets are closed on threads of their own, and this clock runs ahead meanwhile.
    let taken = begun.elapsed().as_secs();
    assert!(taken >= 30, "{taken}");
}

#[tokio::test]
async fn every_suite_is_spoken_with_the_certificate_for_it() {
    for mode in modes() {
        spoken_with_the_certificate_for_it(*mode).await;
    }
    assert_eq!(ALL_CIPHER_SUITES.len(), 9);
}

async fn spoken_with_the_certificate_for_it(mode: Mode) {
    let authority = authority("root");
    let own: Vec<_> = [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_RSA_SHA256]
        .map(|algorithm| {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            let chain = params.signed_by(&key, &authority).unwrap().pem();
            let key = key.serialize_pem();
            OwnCertificate::read("own.pem".to_owned(), chain.as_bytes(), key.as_bytes()).unwrap()
        })
        .into();
    let settings = with_tls(ListenerCertificates {
        own,
        client_ca: None,
        revoked: Vec::new(),
        legacy_suites: mode == Mode::OpenSsl,
    });
    let world = World::with(settings, routing(&[("volt", "ws://127.0.0.1:9/")])).await;
    for suite in ALL_CIPHER_SUITES {
        let mut provider = default_provider();
        provider.cipher_suites = vec![*suite];
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[suite.version()])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let (status, stream) = dial(&world, &connector, "CP1").await.unwrap();
        assert_eq!(status, 101, "{mode:?} {suite:?}");
        assert_eq!(stream.get_ref().1.negotiated_cipher_suite(), Some(*suite));
    }
}
