//! Behind HAProxy, which says where chargers dial from (PROXY protocol).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::authority::Authority;
use crate::support::charger::RawCharger;
use crate::support::eventually;
use crate::support::peer::{Backoffice, Library, charger};
use crate::support::proxy::{Proxy, rules};
use crate::support::session;

/// Where HAProxy dials the proxy from.
const LISTED: &str = "127.0.0.3";
const NOT_LISTED: &str = "127.0.0.4";

/// Debian's HAProxy; passes connections on as they come, but for what it says first.
struct HaProxy {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl HaProxy {
    fn start(source: &str, to: SocketAddr, header: &str) -> Self {
        // It takes over a socket that is listening already: connections wait there until it is ready.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("haproxy.cfg");
        let text = format!(
            "defaults\n mode tcp\n timeout connect 10s\n timeout client 1h\n timeout server 1h\n timeout check 10s\n\
             listen chargers\n bind fd@3\n server proxy {to} source {source} {header}\n"
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new("sh")
            .args(["-c", "exec /usr/sbin/haproxy -db -f \"$0\" 3<&0 0</dev/null"])
            .arg(&config)
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .spawn()
            .unwrap();
        Self { child, address, _folder: folder }
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn behind_haproxy_chargers_have_their_own_addresses() {
    let authority = Authority::new("an authority for tests");
    let (chain, key) = authority.issue("ecdsa", &["localhost", "127.0.0.1"]);
    let leader = Backoffice::start(Library::Node, json!({}));
    let closed = rules(("volt", leader.url(), ""), &[]).replace("\"CP*\"", "\"CP-{node,python,direct}\"");
    let unknown = "[[chargers]]\nmatch = \"XX*\"\nleader = \"volt\"\n";
    let tls = format!(
        "[listen.tls]\nchargers = \"127.0.0.1:0\"\ncertificates = [{{ chain = {chain:?}, key = {key:?} }}]\n"
    );
    let listen = format!("proxy_protocol = [\"{LISTED}\"]");
    let proxy = Proxy::start_listening(&listen, &format!("{tls}{closed}{unknown}"));
    let with_tls = proxy.wait_log(&["\"tls\"", "listening for chargers with TLS"]);
    let with_tls = with_tls["tls"].as_str().unwrap().parse().unwrap();

    let plain = HaProxy::start(LISTED, proxy.chargers, "send-proxy-v2 check inter 200ms");
    let secure = HaProxy::start(LISTED, with_tls, "send-proxy-v2 check inter 200ms");
    assert_eq!(RawCharger::offer(plain.address, "XX1", Some("ocpp1.6")).err(), Some(404));
    let refused = proxy.wait_log(&["refused", "nobody has admitted this charger"]);
    assert_eq!(refused["from"], "127.0.0.1", "{refused}");
    eventually("the knock to be listed", || {
        let (_, listed, _) = proxy.command(&["chargers"]);
        listed.contains("XX1  from 127.0.0.1,").then_some(())
    });
    let cases = [
        (Library::Node, format!("ws://{}/ocpp/CP-node", plain.address), json!(null)),
        (
            Library::Python,
            format!("wss://{}/ocpp/CP-python", secure.address),
            json!({"ca": authority.file("ca.pem")}),
        ),
    ];
    for (number, (library, url, tls)) in cases.iter().enumerate() {
        let charger = charger(*library);
        let connected = charger.cue(json!({"do": "connect", "url": url, "tls": tls}));
        assert_eq!(connected["subprotocol"], "ocpp1.6", "{connected}");
        let answers = session::answers_of_a_leader(number as i64 + 1);
        assert_eq!(session::whole(&mut &charger, session::GOOD_CARD), answers);
    }
    // Others come in directly, as before.
    RawCharger::connect(proxy.chargers, "CP-direct");
    // And HAProxy looks all the time whether the proxy is there, without being refused.
    let refused = |result| proxy.metric("ocpp_proxy_charger_connects_total", &[result]).unwrap_or_default();
    assert_eq!((refused("proxy_protocol"), refused("tls_failed")), (0.0, 0.0));

    // Fronts that are set up wrongly are told apart.
    let wrong = [
        (LISTED, "send-proxy", "PROXY protocol in version 1; have it send version 2"),
        (LISTED, "", "127.0.0.3 is in listen.proxy_protocol and sends no PROXY protocol"),
        (NOT_LISTED, "send-proxy-v2", "127.0.0.4 is not in listen.proxy_protocol"),
    ];
    for (source, header, why) in wrong {
        let front = HaProxy::start(source, proxy.chargers, header);
        let mut dialed = TcpStream::connect(front.address).unwrap();
        dialed.write_all(b"GET /ocpp/CP-direct HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        // A reset is as good as an end.
        let _ = dialed.read_to_end(&mut answer);
        assert_eq!(answer, b"", "{header}");
        proxy.wait_log(&["refused", why]);
    }
    // HAProxy tries more than once.
    assert!(refused("proxy_protocol") >= wrong.len() as f64);
}
