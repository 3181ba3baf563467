//! Chargers over TLS, with the TLS libraries of others: OpenSSL's own program, Python and Node, and
//! rustls.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedCipherSuite};
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::support::peer::{Backoffice, Library, charger};
use crate::support::proxy::{Proxy, rules};
use crate::support::session;

/// What both listeners of a test share: the files in `[listen.tls]`.
fn listen(authority: &Authority, more: &str) -> String {
    let ecdsa = authority.issue("ecdsa", &["localhost", "127.0.0.1"]);
    let rsa = authority.issue_rsa("rsa", &["localhost", "127.0.0.1"]);
    format!(
        "[listen.tls]\nchargers = \"127.0.0.1:0\"\n{more}\ncertificates = [{{ chain = {:?}, key = {:?} }}, \
         {{ chain = {:?}, key = {:?} }}]\n",
        ecdsa.0, ecdsa.1, rsa.0, rsa.1
    )
}

fn tls_address(proxy: &Proxy) -> SocketAddr {
    let line = proxy.wait_log(&["\"tls\"", "listening for chargers with TLS"]);
    line["tls"].as_str().unwrap().parse().unwrap()
}

/// Shakes hands as OpenSSL's own client does; the suite that was agreed on, if any.
fn openssl(address: SocketAddr, ca: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-brief", "-verify_return_error", "-connect", &address.to_string()]);
    command.arg("-CAfile").arg(ca).args(arguments).stdin(Stdio::null());
    let output = command.output().expect("openssl is installed");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let suite = said.lines().find_map(|line| line.strip_prefix("Ciphersuite: "))?;
    output.status.success().then(|| suite.to_owned())
}

/// The same with Node's.
fn node(address: SocketAddr, ca: &Path, version: &str, suite: &str) -> Option<String> {
    const CLIENT: &str = "const [host, port, ca, version, ciphers] = process.argv.slice(1);
        const options = { host, port, ca: require('fs').readFileSync(ca), minVersion: version, maxVersion: version, ciphers };
        const socket = require('tls').connect(options, () => { console.log(socket.getCipher().name); socket.end(); });
        socket.on('error', () => process.exit(1));";
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new("node");
    command.args(["-e", CLIENT, &host, &port]).arg(ca).args([version, suite]).stdin(Stdio::null());
    let output = command.output().expect("node is installed");
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// The same with Python's, which lets suites of TLS 1.2 be chosen, of TLS 1.3 none.
fn python(address: SocketAddr, ca: &Path, is_new: bool, suite: &str) -> Option<String> {
    const CLIENT: &str = "import socket, ssl, sys
host, port, ca, version, suite = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
if version == 'TLSv1_2': context.set_ciphers(suite)
with socket.create_connection((host, int(port))) as tcp, context.wrap_socket(tcp, server_hostname=host) as tls:
    print(tls.cipher()[0])";
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let version = if is_new { "TLSv1_3" } else { "TLSv1_2" };
    let mut command = Command::new("python3");
    command.args(["-c", CLIENT, &host, &port]).arg(ca).args([version, suite]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().expect("python3 is installed");
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// The same with rustls, which knows nine of the suites.
fn rustls_client(address: SocketAddr, ca: &Path, suite: SupportedCipherSuite) -> Option<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = CryptoProvider { cipher_suites: vec![suite], ..aws_lc_rs::default_provider() };
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[suite.version()])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::from(address.ip());
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    client.complete_io(&mut stream).ok()?;
    Some(format!("{:?}", client.negotiated_cipher_suite().unwrap().suite()))
}

/// Every suite, and whether it is one of TLS 1.3.
const SUITES: [(&str, bool); 9] = [
    ("TLS_AES_128_GCM_SHA256", true),
    ("TLS_AES_256_GCM_SHA384", true),
    ("TLS_CHACHA20_POLY1305_SHA256", true),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", false),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", false),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", false),
    ("ECDHE-RSA-AES128-GCM-SHA256", false),
    ("ECDHE-RSA-AES256-GCM-SHA384", false),
    ("ECDHE-RSA-CHACHA20-POLY1305", false),
];
/// TLS_RSA_WITH_AES_128_GCM_SHA256 and its sister: spoken with `legacy_suites` alone.
const LEGACY_SUITES: [&str; 2] = ["AES128-GCM-SHA256", "AES256-GCM-SHA384"];
/// What is never spoken: as arguments for OpenSSL's client.
const REFUSED: [&[&str]; 7] = [
    &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
    &["-tls1", "-cipher", "ALL:@SECLEVEL=0"],
    &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA"],
    &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384"],
    &["-tls1_2", "-cipher", "AES128-SHA"],
    &["-tls1_2", "-cipher", "AES128-SHA256"],
    &["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"],
];

#[test]
fn figure_s18_every_suite_is_spoken_with_clients_of_others_and_nothing_older() {
    let modes: &[(&str, &str, &[&str])] = match cfg!(feature = "openssl") {
        false => &[("rustls", "", &[])],
        true => &[("rustls", "", &[]), ("OpenSSL", "legacy_suites = true", &LEGACY_SUITES)],
    };
    for (mode, keys, legacy) in modes {
        speaks(mode, keys, legacy);
    }
}

fn speaks(mode: &str, keys: &str, legacy: &[&str]) {
    let authority = Authority::new("an authority for tests");
    let leader = Backoffice::start(Library::Node, json!({}));
    let proxy =
        Proxy::start(&format!("{}{}", listen(&authority, keys), rules(("volt", leader.url(), ""), &[])));
    let (address, ca) = (tls_address(&proxy), authority.file("ca.pem"));
    let with_openssl = |suite: &str, is_new: bool| {
        let chosen = if is_new { ["-tls1_3", "-ciphersuites"] } else { ["-tls1_2", "-cipher"] };
        openssl(address, &ca, &[chosen[0], chosen[1], suite])
    };
    let mut agreed = 0;
    for (suite, is_new) in SUITES.into_iter().chain(legacy.iter().map(|suite| (*suite, false))) {
        assert_eq!(with_openssl(suite, is_new).as_deref(), Some(suite), "{mode}");
        let version = if is_new { "TLSv1.3" } else { "TLSv1.2" };
        assert_eq!(node(address, &ca, version, suite).as_deref(), Some(suite), "{mode}");
        agreed += 2;
        if !is_new {
            assert_eq!(python(address, &ca, false, suite).as_deref(), Some(suite), "{mode}");
            agreed += 1;
        }
    }
    let new = python(address, &ca, true, "").unwrap();
    assert!(SUITES[..3].contains(&(&new, true)), "{mode}: {new}");
    for suite in aws_lc_rs::ALL_CIPHER_SUITES {
        let expected = format!("{:?}", suite.suite());
        assert_eq!(rustls_client(address, &ca, *suite), Some(expected), "{mode}");
        agreed += 1;
    }
    assert_eq!(agreed, 3 * 2 + 6 * 3 + legacy.len() * 3 + 9);
    // A client that can verify one kind of signature alone gets the certificate for it.
    for signatures in ["ECDSA+SHA256", "RSA-PSS+SHA256"] {
        for version in ["-tls1_2", "-tls1_3"] {
            let suite = openssl(address, &ca, &[version, "-sigalgs", signatures]);
            assert!(suite.is_some(), "{mode} {version} {signatures}");
        }
    }
    let mut refused = 0;
    for arguments in REFUSED {
        assert_eq!(openssl(address, &ca, arguments), None, "{mode} {arguments:?}");
        refused += 1;
    }
    for suite in LEGACY_SUITES.iter().filter(|suite| !legacy.contains(suite)) {
        let python = python(address, &ca, false, suite);
        assert_eq!((with_openssl(suite, false), python), (None, None), "{mode} {suite}");
        refused += 2;
    }
    let stranger = Authority::new("a stranger");
    assert_eq!(openssl(address, &stranger.file("ca.pem"), &[]), None, "it would not trust us");
    figures::row(
        "S18",
        format!(
            "{} suites, each with OpenSSL's, Node's, Python's and rustls' client, as far as that lets it be chosen; the listener with {mode}",
            SUITES.len() + legacy.len()
        ),
        format!(
            "{agreed} agreed on as chosen; {refused} attempts with an older version or another suite refused"
        ),
    );
}

/// With and without `legacy_suites`, as far as the program was built for it.
fn modes() -> &'static [&'static str] {
    if cfg!(feature = "openssl") { &["", "legacy_suites = true"] } else { &[""] }
}

#[test]
fn a_charger_of_others_talks_over_tls_with_its_own_certificate() {
    modes().iter().for_each(|keys| talks_with_its_own_certificate(keys));
}

fn talks_with_its_own_certificate(keys: &str) {
    let authority = Authority::new("an authority for tests");
    let maker = Authority::new("a maker of chargers");
    let leader = Backoffice::start(Library::Python, json!({}));
    let client_ca = format!("client_ca = {:?}\n{keys}", maker.file("ca.pem"));
    let listen = listen(&authority, &client_ca);
    let proxy = Proxy::start(&format!("{listen}{}", rules(("volt", leader.url(), ""), &[])));
    let address = tls_address(&proxy);
    for (number, library) in [Library::Python, Library::Node].into_iter().enumerate() {
        let identity = format!("CP-{library:?}");
        let (cert, key) = maker.issue(&identity, &[]);
        let tls = json!({"ca": authority.file("ca.pem"), "cert": cert, "key": key});
        let charger = charger(library);
        let dial = |name: &str, tls: &Value| {
            let url = format!("wss://{address}/ocpp/{name}");
            charger.cue(json!({"do": "connect", "url": url, "tls": tls}))
        };
        let refused = dial("CP-OTHER", &tls);
        assert_eq!(refused["status"], 403, "{refused}");
        let connected = dial(&identity, &tls);
        assert_eq!(connected["subprotocol"], "ocpp1.6", "{connected}");
        let answers = session::answers_of_a_leader(number as i64 + 1);
        assert_eq!(session::whole(&mut &charger, session::GOOD_CARD), answers);
    }
    proxy.wait_log(&["refused", "the certificate is for another charger"]);
    let (_, listed, _) = proxy.command(&["chargers"]);
    for library in [Library::Python, Library::Node] {
        let came = format!("  CP-{library:?}  a certificate of its own; with TLS");
        assert!(listed.contains(&came), "{came} in {listed}");
    }
}

#[test]
fn certificates_on_disk_are_replaced_and_chargers_stay() {
    modes().iter().for_each(|keys| are_replaced(keys));
}

fn are_replaced(keys: &str) {
    let authority = Authority::new("an authority for tests");
    let leader = Backoffice::start(Library::Node, json!({}));
    let proxy =
        Proxy::start(&format!("{}{}", listen(&authority, keys), rules(("volt", leader.url(), ""), &[])));
    let (address, ca) = (tls_address(&proxy), authority.file("ca.pem"));
    let charger = charger(Library::Node);
    let url = format!("wss://{address}/ocpp/CP1");
    let connected = charger.cue(json!({"do": "connect", "url": url, "tls": {"ca": ca}}));
    assert_eq!(connected["subprotocol"], "ocpp1.6", "{connected}");

    // The key first, then the certificate, as tools do that know nothing of each other.
    let former = std::fs::read(authority.file("ecdsa.pem")).unwrap();
    authority.issue("ecdsa", &["localhost", "127.0.0.1"]);
    let fresh = std::fs::read(authority.file("ecdsa.pem")).unwrap();
    std::fs::write(authority.file("ecdsa.pem"), former).unwrap();
    proxy.signal("HUP");
    proxy.wait_log(&["holds the key of another certificate"]);
    assert!(openssl(address, &ca, &[]).is_some(), "what was in force stays in force");
    std::fs::write(authority.file("ecdsa.pem"), fresh).unwrap();
    // Nobody has to say so.
    proxy.wait_log(&["the certificates for chargers were replaced"]);
    assert!(openssl(address, &ca, &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"]).is_some());
    assert_eq!(session::whole(&mut &charger, session::GOOD_CARD), session::answers_of_a_leader(1));
    assert_eq!(leader.times_linked("CP1"), 1);
}
