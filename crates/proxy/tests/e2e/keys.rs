//! Backoffices set other keys, with chargers and backoffices that others wrote (semantics §7.3).

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::peer::{Backoffice, Library, Peer, charger};
use crate::support::proxy::{Proxy, rules};
use crate::support::session;

const OLD: &str = "00ff3ac3280a0102030405060708090a0b0c0d0e";
const NEW: &str = "1122c4a4e4c4a4e4c4a4e4c4a4e4c4a4e4c4a4e4";

fn bytes(key: &str) -> Vec<u8> {
    (0..key.len()).step_by(2).map(|at| u8::from_str_radix(&key[at..at + 2], 16).unwrap()).collect()
}

fn basic(password: &[u8]) -> String {
    format!("Basic {}", STANDARD.encode([b"CP1:", password].concat()))
}

/// A backoffice that wants a key, and a rule for it.
fn backoffice(library: Library, key: &str) -> Backoffice {
    Backoffice::start(library, json!({ "authorizations": [basic(key.as_bytes())] }))
}

fn wants(backoffice: &Backoffice, headers: &[String]) {
    backoffice.cue(json!({ "do": "set", "behaviour": { "authorizations": headers } }));
}

fn connect(peer: &Peer, proxy: &Proxy, key: Option<&str>) -> Value {
    let user = key.map(|key| format!("://CP1:{key}@")).unwrap_or("://".to_owned());
    peer.cue(json!({ "do": "connect", "url": proxy.url("CP1").replace("://", &user) }))
}

/// The cue by which a backoffice sets a key.
fn new_key() -> Value {
    let payload = json!({ "key": "AuthorizationKey", "value": NEW });
    json!({ "do": "call", "action": "ChangeConfiguration", "payload": payload })
}

/// Waits until `ocpp-proxy chargers` lists a changed key that fits.
fn wait_listed(proxy: &Proxy, fits: impl Fn(&Value) -> bool) {
    eventually("a changed key in the list", || {
        let (status, output, errors) = proxy.command(&["chargers", "--json"]);
        assert!(status.success(), "{errors}");
        output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).find(&fits)
    });
}

/// Nothing of the keys stands in the log or in a file beside proxy.toml.
fn assert_nowhere(proxy: &Proxy) {
    let canaries: Vec<String> = [OLD, NEW]
        .iter()
        .flat_map(|key| {
            [key.to_string(), basic(&bytes(key))[6..].to_owned(), basic(key.as_bytes())[6..].to_owned()]
        })
        .collect();
    let shown = [
        proxy.command(&["chargers"]).1,
        proxy.command(&["logs", "CP1", "--json"]).1,
        proxy.get("/metrics").1,
    ];
    let log: String = proxy.log.all().iter().map(|line| line.to_string()).collect();
    let folder = proxy.config().parent().unwrap().to_owned();
    let mut files = 0;
    for canary in &canaries {
        assert!(!log.contains(canary), "{canary}");
        assert!(!shown.iter().any(|text| text.contains(canary)), "{canary}");
        for file in fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()) {
            if file != proxy.config() && file.is_file() {
                let content = fs::read(&file).unwrap();
                assert!(
                    !content.windows(canary.len()).any(|part| part == canary.as_bytes()),
                    "{}",
                    file.display()
                );
                files += 1;
            }
        }
    }
    assert!(canaries.len() == 6 && files >= 6, "{files}");
    assert!(shown[1].contains("AuthorizationKey") && shown[1].contains("«redacted»"), "{}", shown[1]);
}

/// scenario 14, S-20: the leader's key is its link's alone, the charger has no part in it, and an answer that was lost
/// costs nothing
#[test]
fn a_key_that_the_leader_sets_is_for_its_own_link() {
    for library in [Library::Python, Library::Node] {
        let leader = backoffice(library, OLD);
        let more = format!("basic_auth = {{ user = \"{{charger}}\", password = \"{OLD}\" }}");
        let mut proxy = Proxy::start_tracing(&rules(("volt", leader.url(), &more), &[]));
        let peer = charger(library);
        connect(&peer, &proxy, None);
        session::arrive(&mut &peer, session::GOOD_CARD);

        let answered = leader.cue(new_key());
        assert_eq!(answered["payload"], json!({ "status": "Accepted" }), "{answered}");
        // It goes on with the former, as if it had never heard the answer.
        leader.wait("turned_away", |event| event["authorization"] == basic(&bytes(NEW)));
        leader.wait("turned_away", |event| event["authorization"] == basic(NEW.as_bytes()));
        let is_back = |times| (leader.times_linked("CP1") == times).then_some(());
        eventually("the link with the former key", || is_back(2));
        // Then it wants the new one after all.
        wants(&leader, &[basic(&bytes(NEW))]);
        leader.cue(json!({ "do": "drop" }));
        eventually("the link with the new key", || is_back(3));
        session::start(&mut &peer, session::GOOD_CARD);
        assert_eq!(peer.calls(), [], "the charger heard nothing of it");
        assert!(!peer.events.all().iter().any(|event| event["event"] == "closed"), "and stayed");
        wait_listed(&proxy, |line| line["state"] == "key_of_link" && line["key_form"] == "bytes");
        let listed = proxy.command(&["chargers"]).1;
        assert!(
            listed.contains("CP1  for the connection with volt") && listed.contains(": in use"),
            "{listed}"
        );
        assert_nowhere(&proxy);

        proxy.restart_after("KILL");
        peer.wait("closed", |_| true);
        let again = connect(&peer, &proxy, None);
        assert_eq!(again["error"], json!(null), "{again}");
        eventually("the link after the restart", || is_back(4));
        session::meter(&mut &peer, 1, 1500);

        // What it was told by mistake can be taken back.
        wants(&leader, &[basic(OLD.as_bytes())]);
        let (status, output, errors) =
            proxy.command(&["chargers", "forget-keys", "CP1", "--backoffice", "volt"]);
        assert!(status.success() && output.contains("is forgotten"), "{output}{errors}");
        assert!(!proxy.command(&["chargers"]).1.contains("for the connection with volt"));
    }
}

/// scenario 14, S-21: the program is killed when the charger has the new key and nobody has heard so
#[test]
fn a_charger_comes_in_with_either_key_until_it_has_used_the_new_one() {
    for library in [Library::Python, Library::Node] {
        let leader = backoffice(library, OLD);
        let more = format!("basic_auth = {{ user = \"{{charger}}\", password = \"{OLD}\" }}");
        let closed = rules(("volt", leader.url(), &more), &[]).replace("unknown_chargers = \"admit\"\n", "");
        let passed = format!(
            "{closed}security_profile = 1\nauthorization_key_change = \"passthrough\"\n[chargers.keys]\nCP1 = \"{OLD}\"\n"
        );
        let mut proxy = Proxy::start_tracing(&passed);
        let peer = charger(library);
        connect(&peer, &proxy, Some(OLD));
        session::arrive(&mut &peer, session::GOOD_CARD);
        peer.cue(json!({ "do": "set", "behaviour": { "delay_ms": { "ChangeConfiguration": 3_600_000 } } }));

        leader.begin(new_key());
        let told = peer.wait_call("ChangeConfiguration", |_| true);
        assert_eq!(told.payload["value"], NEW);
        assert_nowhere_but_what_waits(&proxy);
        proxy.restart_after("KILL");

        // The charger has it, or has it not.
        let either = charger(library);
        for (key, expected) in [(OLD, Value::Null), (NEW, Value::Null), (OLD, json!(401)), (NEW, Value::Null)]
        {
            let came = connect(&either, &proxy, Some(key));
            assert_eq!(came["status"], expected, "{key}: {came}");
        }
        // The leader goes on with the former, for it was told nothing.
        eventually("the link", || (leader.times_linked("CP1") >= 2).then_some(()));
        wait_listed(&proxy, |line| line["state"] == "key_of_charger" && line["stage"] == "used");

        // Once more, and this time everybody hears of it.
        let newest = NEW.replace("1122", "3344");
        session::arrive(&mut &either, session::GOOD_CARD);
        let payload = json!({ "key": "AuthorizationKey", "value": newest });
        let answered =
            leader.cue(json!({ "do": "call", "action": "ChangeConfiguration", "payload": payload }));
        assert_eq!(answered["payload"], json!({ "status": "Accepted" }), "{answered}");
        wants(&leader, &[basic(newest.as_bytes())]);
        let linked = leader.times_linked("CP1");
        eventually("the link with the newest key", || (leader.times_linked("CP1") > linked).then_some(()));
        proxy.restart_after("KILL");
        let last = charger(library);
        for (key, expected) in
            [(NEW, Value::Null), (&newest, Value::Null), (NEW, json!(401)), (OLD, json!(401))]
        {
            let came = connect(&last, &proxy, Some(key));
            assert_eq!(came["status"], expected, "{key}: {came}");
        }
    }
}

/// The command has no answer yet, so that no row of the log stands for it.
fn assert_nowhere_but_what_waits(proxy: &Proxy) {
    let log: String = proxy.log.all().iter().map(|line| line.to_string()).collect();
    assert!(!log.contains(NEW) && !log.contains(OLD));
}

/// S-24: nobody reads a key back, and nobody but its own backoffice is shown what the charger sent
#[test]
fn what_a_charger_sends_is_shown_to_the_one_backoffice_that_it_is_for() {
    let shown = Backoffice::start(Library::Python, json!({ "authorizations": [basic(OLD.as_bytes())] }));
    let other = Backoffice::start(Library::Node, json!({}));
    let rules = rules(
        ("volt", shown.url(), "forward_authorization = true"),
        &[(("acme", other.url(), ""), "control")],
    );
    let mut proxy = Proxy::start_tracing(&rules);
    let peer = charger(Library::Node);
    connect(&peer, &proxy, Some(OLD));
    session::arrive(&mut &peer, session::GOOD_CARD);
    assert_eq!(shown.wait_linked("CP1")["authorization"], basic(OLD.as_bytes()));
    assert_eq!(other.wait_linked("CP1")["authorization"], Value::Null);
    let refused = shown.cue(new_key());
    assert_eq!(refused["payload"], json!({ "status": "Rejected" }), "{refused}");
    proxy.wait_logged(&["CP1", "--action", "ChangeConfiguration"], |row| {
        row["action"] == "ChangeConfiguration"
    });
    assert_nowhere(&proxy);
    // After a restart there is a link when the charger is back, with what it sends then.
    proxy.restart_after("TERM");
    peer.wait("closed", |_| true);
    assert_eq!(shown.times_linked("CP1"), 1);
    connect(&peer, &proxy, Some(OLD));
    eventually("the link after the restart", || (shown.times_linked("CP1") == 2).then_some(()));
}
