//! Followers never matter to the charger: whatever one does wrong, the charger's answers are those it
//! would have had without it, and the proxy's memory stays bounded.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::charger::RawCharger;
use crate::support::peer::{Backoffice, Library};
use crate::support::proxy::{Proxy, rules};
use crate::support::session;

/// How long the leader alone may take for one answer here, on a machine with other work to do. The
/// proxy's own deadlines for answers are ten seconds and more, so waiting for a follower would show.
const PROMPT: Duration = Duration::from_secs(5);

struct Scene {
    _leader: Backoffice,
    proxy: Proxy,
    charger: RawCharger,
}

/// A charger with a faultless leader and this follower; nothing was said yet.
fn scene(follower: (&str, String, &str)) -> Scene {
    let leader = Backoffice::start(Library::Node, json!({"first_transaction": 1}));
    let proxy = Proxy::start(&rules(("volt", leader.url(), ""), &[(follower, "control")]));
    let charger = RawCharger::connect(proxy.chargers, "CP1");
    Scene { _leader: leader, proxy, charger }
}

impl Scene {
    /// A whole session is answered as the leader alone would, promptly.
    fn whole_session(&mut self, number: i64) {
        let began = Instant::now();
        let answers = session::whole(&mut self.charger, session::GOOD_CARD);
        assert_eq!(answers, session::answers_of_a_leader(number));
        assert!(began.elapsed() < PROMPT, "the session took {:?}", began.elapsed());
    }
}

#[test]
fn one_that_is_down() {
    let mut down = Backoffice::start(Library::Node, json!({}));
    down.peer.kill();
    let mut scene = scene(("acme", down.url(), ""));
    scene.whole_session(1);
    scene.proxy.wait_log(&["acme", "link down", "unreachable"]);
    let open = scene.proxy.metric("ocpp_proxy_backoffice_connections", &["backoffice=\"acme\""]);
    assert_eq!(open.unwrap_or(0.0), 0.0);
}

#[test]
fn one_that_dies_in_mid_session_and_returns() {
    let mut follower = Backoffice::start(Library::Python, json!({"first_transaction": 1000}));
    let mut scene = scene(("acme", follower.url(), ""));
    scene.whole_session(1);
    follower.wait_call("StopTransaction", |_| true);
    follower.peer.kill();
    scene.whole_session(2);
    let back = Backoffice::start(Library::Python, json!({"port": follower.port}));
    back.wait_linked("CP1");
    scene.whole_session(3);
    back.wait_call("Authorize", |_| true);
}

#[test]
fn one_that_stops_reading() {
    let follower = Backoffice::start(Library::Python, json!({}));
    let mut scene = scene(("acme", follower.url(), ""));
    scene.whole_session(1);
    follower.wait_call("StopTransaction", |_| true);
    follower.cue(json!({"do": "stall"}));

    // 60 KB of clock-aligned values a message, 200 times: 12 MB that the follower does not take.
    let sample = |number: usize| json!({"value": format!("{number:0>480}"), "measurand": "Voltage"});
    let samples: Vec<Value> = (0..110).map(sample).collect();
    let big = json!({"connectorId": 0, "meterValue": [{"timestamp": "2026-11-22T13:05:00Z", "sampledValue": samples}]});
    assert!(big.to_string().len() > 55_000);
    let mut longest = Duration::ZERO;
    let before = scene.proxy.memory_mib();
    for _ in 0..200 {
        let began = Instant::now();
        assert_eq!(scene.charger.call("MeterValues", &big), json!({}));
        longest = longest.max(began.elapsed());
    }
    assert!(longest < PROMPT, "an answer took {longest:?}");
    let grown = scene.proxy.memory_mib().saturating_sub(before);
    assert!(grown < 40, "memory grew by {grown} MiB");
    scene.whole_session(2);
}

#[test]
fn one_that_is_slow() {
    let follower =
        Backoffice::start(Library::Node, json!({"delay_ms": {"*": 1500}, "first_transaction": 1000}));
    let mut scene = scene(("acme", follower.url(), ""));
    scene.whole_session(1);
    // It is served in its own time, in order, under its own number.
    let stopped = follower.wait_call("StopTransaction", |_| true);
    assert_eq!(stopped.payload["transactionId"], 1000);
}

#[test]
fn one_that_floods_the_charger_with_commands() {
    let follower = Backoffice::start(Library::Node, json!({}));
    let mut scene = scene(("acme", follower.url(), ""));
    scene.whole_session(1);
    let before = scene.proxy.memory_mib();
    let text = r#"[2,"flood-{n}","GetConfiguration",{}]"#;
    follower.begin(json!({"do": "raw", "charger": "CP1", "text": text, "times": 50_000}));
    for number in 2..6 {
        scene.whole_session(number);
    }
    let grown = scene.proxy.memory_mib().saturating_sub(before);
    assert!(grown < 40, "memory grew by {grown} MiB");
}

#[test]
fn one_that_answers_garbage() {
    let follower = Backoffice::start(Library::Python, json!({"garbage": session::ACTIONS}));
    let mut scene = scene(("acme", follower.url(), ""));
    scene.whole_session(1);
    scene.whole_session(2);
}

#[test]
fn one_that_answers_errors_only() {
    let follower = Backoffice::start(Library::Node, json!({"refuse": session::ACTIONS}));
    let mut scene = scene(("acme", follower.url(), ""));
    scene.whole_session(1);
    scene.whole_session(2);
}

#[test]
fn one_that_answers_nothing() {
    let follower = Backoffice::start(Library::Node, json!({"silent": session::ACTIONS}));
    let mut scene = scene(("acme", follower.url(), ""));
    scene.whole_session(1);
    scene.whole_session(2);
}

#[test]
fn one_that_speaks_no_version_of_ours() {
    let follower = Backoffice::start(Library::Node, json!({"subprotocols": ["ocpp2.0.1"]}));
    let mut scene = scene(("acme", follower.url(), ""));
    scene.whole_session(1);
    assert_eq!(follower.calls(), []);
}
