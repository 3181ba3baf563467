//! Load balancers in front that say where a connection comes from (PROXY protocol, version 2), and everybody
//! who would like to be one.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway::{EntranceTerms, Secret, SecurityProfile, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::backoffice::Backoffice;
use crate::charger::{Charger, UPGRADE, connect};
use crate::identities::on_terms;
use crate::world::{World, routing, settings};

const FRONT: &str = "127.0.0.2";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn behind_a_front() -> Settings {
    Settings { proxy_protocol: vec!["127.0.0.2/31".parse().unwrap()], ..settings() }
}

/// A header with these bytes after the signature, and the length of what follows them.
fn header(version_and_command: u8, family_and_protocol: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[version_and_command, family_and_protocol], &length, rest].concat()
}

/// The header for a connection from this address over TCP.
fn from(source: &str) -> Vec<u8> {
    let ports = [0xd4, 0x31, 0x23, 0x28];
    match source.parse().unwrap() {
        IpAddr::V4(source) => header(0x21, 0x11, &[&source.octets()[..], &[127, 0, 0, 1], &ports].concat()),
        IpAddr::V6(source) => header(0x21, 0x21, &[&source.octets()[..], &[0; 16], &ports].concat()),
    }
}

fn request(name: &str, more: &str) -> String {
    format!(
        "GET /ocpp/{name} HTTP/1.1\r\nHost: gateway\r\n{UPGRADE}Sec-WebSocket-Protocol: ocpp1.6\r\n{more}\r\n"
    )
}

async fn through(world: &World, header: &[u8], name: &str, more: &str) -> Charger {
    let mut stream = connect(world.address, FRONT).await;
    stream.write_all(&[header, request(name, more).as_bytes()].concat()).await.unwrap();
    Charger::answered(stream).await
}

fn key(name: &str, key: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{name}:{key}")))
}

#[tokio::test]
async fn what_a_front_says_counts_wherever_an_address_counts() {
    const KEY: &str = "correct horse battery staple";
    let backoffice = Backoffice::new().await;
    let terms = EntranceTerms {
        profile: SecurityProfile::Basic,
        keys: [("CP1".into(), Secret::new(KEY.to_owned()))].into(),
        ..EntranceTerms::default()
    };
    let rules = on_terms(routing(&[("volt", &backoffice.url())]), terms);
    backoffice.agree_with_all();
    let world = World::with(behind_a_front(), rules).await;
    // Lock-outs.
    let (guesser, good) = (from("192.0.2.1"), from("192.0.2.2"));
    let guess = key("CP1", "a guess");
    let guesses = (0..10).map(|_| through(&world, &guesser, "CP1", &guess));
    for charger in futures_util::future::join_all(guesses).await {
        assert_eq!(charger.status, 401);
    }
    let right = key("CP1", KEY);
    assert_eq!(through(&world, &guesser, "CP1", &right).await.status, 429);
    let mut charger = through(&world, &good, "CP1", &right).await;
    assert_eq!(charger.status, 101);
    charger.assert_served().await;
    // A second socket from elsewhere is let in when the first one no longer answers.
    let elsewhere = from("2001:db8::7");
    let (second, ()) = tokio::join!(through(&world, &elsewhere, "CP1", &right), async {
        let ping = charger.frame().await;
        assert_eq!(ping.opcode, 9, "{ping:?}");
        charger.send(0x8a, &ping.payload).await;
    });
    assert_eq!(second.status, 409);
    // From the same address it replaces the first.
    let mut third = through(&world, &good, "CP1", &right).await;
    assert_eq!(third.status, 101);
    third.assert_served().await;
    // Who knocks.
    assert_eq!(through(&world, &elsewhere, "CP9", "").await.status, 401);
    // The front itself, as when it looks whether we are there.
    assert_eq!(through(&world, &header(0x20, 0, &[]), "CP8", "").await.status, 401);
    let knocking = world.gateway.view().entrance().knocking;
    let mut from: Vec<_> =
        knocking.iter().map(|one| (one.charger.as_str(), one.address.to_string())).collect();
    from.sort_unstable();
    assert_eq!(from, [("CP8", FRONT.to_owned()), ("CP9", "2001:db8::7".to_owned())]);
}

#[tokio::test]
async fn headers_of_every_proper_kind_are_read_and_nothing_of_what_follows() {
    let backoffice = Backoffice::new().await;
    let rules = routing(&[("volt", &backoffice.url())]);
    backoffice.agree_with_all();
    let world = World::with(behind_a_front(), rules).await;
    let addresses = &from("192.0.2.1")[16..];
    let cases = [
        from("192.0.2.1"),
        from("2001:db8::7"),
        from("::ffff:192.0.2.1"),
        // With more that the front says, known or not.
        header(
            0x21,
            0x11,
            &[addresses, b"\x03\0\x04\xde\xad\xbe\xef\x20\0\x05\x01\0\0\0\0\xee\0\x01x"].concat(),
        ),
        header(0x21, 0x11, &[addresses, &[0xee; 2048 - 16 - 12][..]].concat()),
        // For itself; what it says of addresses then is nobody's.
        header(0x20, 0x00, &[]),
        header(0x20, 0x11, addresses),
        header(0x20, 0x00, b"whatever"),
    ];
    for (number, header) in cases.iter().enumerate() {
        let name = format!("CP{number}");
        let mut charger = through(&world, header, &name, "").await;
        assert_eq!(charger.status, 101, "{header:?}");
        charger.assert_served().await;
    }
    assert_eq!(cases.len(), 8);
    // A byte at a time.
    let mut stream = connect(world.address, FRONT).await;
    stream.set_nodelay(true).unwrap();
    for byte in [&from("192.0.2.1")[..], request("CP-slow", "").as_bytes()].concat() {
        stream.write_all(&[byte]).await.unwrap();
    }
    assert_eq!(Charger::answered(stream).await.status, 101);
    // Others come in without.
    assert_eq!(Charger::dial_from(world.address, "127.0.0.9", "CP-direct").await.status, 101);
}

/// Sends this, and reads until the end; nothing may be answered.
async fn assert_cut_off(address: SocketAddr, as_who: &str, said: &[u8]) {
    let mut stream = connect(address, as_who).await;
    // It may have been cut off already.
    let _ = stream.write_all(said).await;
    assert_ended(stream, said).await;
}

async fn assert_ended(mut stream: TcpStream, said: &[u8]) {
    let mut rest = Vec::new();
    // A reset is as good as an end.
    let _ = stream.read_to_end(&mut rest).await;
    assert_eq!(rest, b"", "after {said:?}");
}

#[tokio::test]
async fn who_sends_a_wrong_header_or_none_is_cut_off() {
    let backoffice = Backoffice::new().await;
    let world = World::with(behind_a_front(), routing(&[("volt", &backoffice.url())])).await;
    let proper = from("192.0.2.1");
    let addresses = &proper[16..];
    let mut other_signature = proper.clone();
    other_signature[11] = b'\r';
    let mut endless = proper.clone();
    endless[14..16].copy_from_slice(&[0xff, 0xff]);
    let long = header(0x21, 0x11, &[addresses, &[0xee; 2048 - 16 - 12 + 1][..]].concat());
    let cases: [(&str, Vec<u8>); 19] = [
        ("no header", request("CP1", "").into_bytes()),
        ("no header, but TLS", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec()),
        ("version 1", b"PROXY TCP4 192.0.2.1 127.0.0.1 54321 9000\r\nGET / HTTP/1.1\r\n".to_vec()),
        ("version 1, short", b"PROXY UNKNOWN\r\n".to_vec()),
        ("another signature", other_signature),
        ("version 3", header(0x31, 0x11, addresses)),
        ("version 1 as bytes", header(0x11, 0x11, addresses)),
        ("command 2", header(0x22, 0x11, addresses)),
        ("command 15", header(0x2f, 0x11, addresses)),
        ("family 4", header(0x21, 0x41, addresses)),
        ("protocol 3", header(0x21, 0x13, addresses)),
        ("too short for IPv4", header(0x21, 0x11, &addresses[..11])),
        ("too short for IPv6", header(0x21, 0x21, addresses)),
        ("no addresses", header(0x21, 0x11, &[])),
        ("endless", endless),
        ("a byte too long", long),
        ("from nowhere", header(0x21, 0x00, &[])),
        ("over UDP", header(0x21, 0x12, addresses)),
        ("over a socket in a file", header(0x21, 0x31, &[b'/'; 216])),
    ];
    for (what, said) in &cases {
        eprintln!("{what}");
        assert_cut_off(world.address, FRONT, said).await;
    }
    // A header that does not end.
    for end in [1, 5, 12, 15, 16, 27] {
        let mut stream = connect(world.address, FRONT).await;
        stream.write_all(&proper[..end]).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_ended(stream, &proper[..end]).await;
    }
    // Whoever is not listed, with a proper one of either version.
    for said in [&proper[..], b"PROXY TCP4 192.0.2.1 127.0.0.1 54321 9000\r\n"] {
        assert_cut_off(world.address, "127.0.0.9", said).await;
    }
    let refused = "ocpp_proxy_charger_connects_total{result=\"proxy_protocol\"}";
    assert_eq!(world.metric(refused).await, (cases.len() + 6 + 2) as f64);
    // A second header is no request; who looks whether the port is open is no charger.
    let mut stream = connect(world.address, FRONT).await;
    stream.write_all(&[&proper[..], &proper].concat()).await.unwrap();
    assert_eq!(Charger::answered(stream).await.status, 400);
    let mut stream = connect(world.address, FRONT).await;
    stream.shutdown().await.unwrap();
    assert_ended(stream, b"").await;
    assert_eq!(world.metric(refused).await, (cases.len() + 6 + 2) as f64);
    backoffice.assert_untouched();
}

#[tokio::test(start_paused = true)]
async fn a_half_sent_header_is_closed() {
    let world = World::with(behind_a_front(), routing(&[("volt", "ws://127.0.0.1:9/")])).await;
    let begun = tokio::time::Instant::now();
    let proper = from("192.0.2.1");
    for end in [0, 7, 16, 20] {
        let mut stream = connect(world.address, FRONT).await;
        stream.write_all(&proper[..end]).await.unwrap();
        assert_ended(stream, &proper[..end]).await;
    }
    // Nor do header and request get that time each.
    let mut stream = connect(world.address, FRONT).await;
    stream.write_all(&[&proper[..], b"GET /ocpp/CP1"].concat()).await.unwrap();
    assert_ended(stream, &proper).await;
    let taken = begun.elapsed().as_secs();
    assert!((50..60).contains(&taken), "{taken}");
}
