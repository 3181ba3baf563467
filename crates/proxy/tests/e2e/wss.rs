//! Chargers over TLS, with the TLS libraries of others: OpenSSL's own program, Python and Node.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

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

#[test]
fn every_suite_is_spoken_with_openssl_and_with_node_and_nothing_older() {
    let authority = Authority::new("an authority for tests");
    let leader = Backoffice::start(Library::Node, json!({}));
    let proxy =
        Proxy::start(&format!("{}{}", listen(&authority, ""), rules(("volt", leader.url(), ""), &[])));
    let (address, ca) = (tls_address(&proxy), authority.file("ca.pem"));
    let mut agreed = 0;
    for (suite, is_new) in SUITES {
        let arguments =
            if is_new { ["-tls1_3", "-ciphersuites", suite] } else { ["-tls1_2", "-cipher", suite] };
        assert_eq!(openssl(address, &ca, &arguments).as_deref(), Some(suite));
        let version = if is_new { "TLSv1.3" } else { "TLSv1.2" };
        assert_eq!(node(address, &ca, version, suite).as_deref(), Some(suite));
        agreed += 2;
    }
    assert_eq!(agreed, 18);
    // A client that can verify one kind of signature alone gets the certificate for it.
    for signatures in ["ECDSA+SHA256", "RSA-PSS+SHA256"] {
        for version in ["-tls1_2", "-tls1_3"] {
            let suite = openssl(address, &ca, &[version, "-sigalgs", signatures]);
            assert!(suite.is_some(), "{version} {signatures}");
        }
    }
    let refused: [&[&str]; 4] = [
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        &["-tls1", "-cipher", "ALL:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "AES128-GCM-SHA256"],
        &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA"],
    ];
    for arguments in refused {
        assert_eq!(openssl(address, &ca, arguments), None, "{arguments:?}");
    }
    let stranger = Authority::new("a stranger");
    assert_eq!(openssl(address, &stranger.file("ca.pem"), &[]), None, "it would not trust us");
}

#[test]
fn a_charger_of_others_talks_over_tls_with_its_own_certificate() {
    let authority = Authority::new("an authority for tests");
    let maker = Authority::new("a maker of chargers");
    let leader = Backoffice::start(Library::Python, json!({}));
    let client_ca = format!("client_ca = {:?}", maker.file("ca.pem"));
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
}

#[test]
fn certificates_on_disk_are_replaced_and_chargers_stay() {
    let authority = Authority::new("an authority for tests");
    let leader = Backoffice::start(Library::Node, json!({}));
    let proxy =
        Proxy::start(&format!("{}{}", listen(&authority, ""), rules(("volt", leader.url(), ""), &[])));
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
