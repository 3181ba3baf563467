//! Who is let in, in which version, and how the others are turned away.

use std::process::Command;

use serde_json::json;

use crate::support::charger::RawCharger;
use crate::support::eventually;
use crate::support::peer::{Backoffice, Library, charger};
use crate::support::proxy::{Proxy, rules};
use crate::support::session;

#[test]
fn a_charger_that_matches_no_rule_is_not_found() {
    let leader = Backoffice::start(Library::Node, json!({}));
    let proxy = Proxy::start(&rules(("volt", leader.url(), ""), &[]));
    assert_eq!(RawCharger::offer(proxy.chargers, "STRANGER", Some("ocpp1.6")).err(), Some(404));
    assert_eq!(RawCharger::dial(proxy.chargers, "/elsewhere/CP1", Some("ocpp1.6")).err(), Some(404));
    assert_eq!(RawCharger::dial(proxy.chargers, "/ocpp/", Some("ocpp1.6")).err(), Some(404));
    for library in [Library::Python, Library::Node] {
        let refused = charger(library).cue(json!({"do": "connect", "url": proxy.url("STRANGER")}));
        assert_eq!((&refused["error"], &refused["status"]), (&json!("refused"), &json!(404)), "{refused}");
    }
    assert_eq!(leader.times_linked("STRANGER"), 0);
}

/// As an operator does it, with chargers that were built on libraries.
#[test]
fn an_unknown_charger_knocks_is_admitted_with_a_key_and_comes_in_with_it() {
    let leader = Backoffice::start(Library::Node, json!({}));
    let closed = rules(("volt", leader.url(), ""), &[]).replace("unknown_chargers = \"admit\"\n", "");
    let proxy = Proxy::start(&closed);
    let ran = |arguments: &[&str]| {
        let (status, output, errors) = proxy.command(&[&["chargers"], arguments].concat());
        assert!(status.success(), "{arguments:?}: {errors}");
        output
    };
    for library in [Library::Python, Library::Node] {
        let connect = |url: String| charger(library).cue(json!({"do": "connect", "url": url}));
        let with = |key: &str| proxy.url("CP1").replace("://", &format!("://CP1:{key}@"));
        assert_eq!(connect(proxy.url("CP1"))["status"], 404);
        // It is told before it is written.
        let listed = eventually("it to be listed", || {
            let listed = ran(&[]);
            listed.contains("CP1  from 127.0.0.1").then_some(listed)
        });
        assert!(listed.contains("sent no key"), "{listed}");
        let admitted = ran(&["admit", "cp1"]);
        let key = admitted.lines().find_map(|line| line.strip_prefix("    ")).unwrap();
        assert_eq!(key.len(), 40, "{admitted}");
        // A proxy that runs hears of it within about a second.
        while connect(proxy.url("CP1"))["status"] == 404 {}
        assert_eq!(connect(proxy.url("CP1"))["status"], 401);
        assert_eq!(connect(with("wrong"))["status"], 401);
        // Where an operator looks it is said that the key was wrong, and never what was sent.
        let listed = ran(&[]);
        let said = "127.0.0.1: the key is wrong";
        assert!(listed.contains("turned away") && listed.contains(said), "{listed}");
        for command in ["logs", "why"] {
            let (status, _, errors) = proxy.command(&[command, "CP1"]);
            assert!(errors.contains(said), "{command}: {status} {errors}");
        }
        let line =
            proxy.log.all().into_iter().rfind(|line| line["charger"] == "CP1" && line["status"] == 401);
        assert_eq!(line.expect("it is said in the log")["msg"], "refused: the key is wrong");
        let peer = charger(library);
        let connected = peer.cue(json!({"do": "connect", "url": with(key)}));
        assert_eq!(connected["error"], json!(null), "{connected}");
        leader.wait_linked("CP1");
        let listed = ran(&[]);
        assert!(
            listed.contains("No unknown charger knocks")
                && listed.contains("cp1  with a key")
                && !listed.contains("turned away"),
            "{listed}"
        );
        assert!(!listed.contains(key) && !proxy.log.all().iter().any(|line| line.to_string().contains(key)));
        // Of the database alone, for whoever may not read the configuration.
        let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-proxy"));
        let output = command.args(["chargers", "--store"]).arg(proxy.store()).output().unwrap();
        let listed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && listed.contains("its key, as "), "{listed}");
        assert!(!listed.contains("proxy.toml"), "{listed}");
        for order in ["remove", "forget"] {
            let (status, _, errors) = proxy.command(&["chargers", order, "CP7"]);
            assert!(
                status.code() == Some(1) && errors.contains("CP7 is not known here"),
                "{order}: {errors}"
            );
            assert!(errors.contains("did you mean \"cp1\"?"), "{order}: {errors}");
        }
        ran(&["remove", "CP1"]);
        while connect(proxy.url("CP1"))["status"] != 404 {}
    }
    let (status, _, errors) = proxy.command(&["chargers", "admit", "STRANGER"]);
    assert!(!status.success() && errors.contains("no rule in proxy.toml matches"), "{errors}");
}

#[test]
fn an_identity_is_decoded_once_and_encoded_for_the_backoffice() {
    let leader = Backoffice::start(Library::Node, json!({}));
    let proxy = Proxy::start(&rules(("volt", leader.url(), ""), &[]));
    let mut charger = RawCharger::connect(proxy.chargers, "CP%201-%C3%A4");
    session::whole(&mut charger, session::GOOD_CARD);
    leader.wait_linked("CP 1-ä");
    for unusable in ["CP%2F1", "CP%00", "CP%zz", "CP1%3Aadmin", "%2e%2e"] {
        assert_eq!(
            RawCharger::offer(proxy.chargers, unusable, Some("ocpp1.6")).err(),
            Some(400),
            "{unusable}"
        );
    }
}

#[test]
fn the_version_is_chosen_as_the_charger_prefers() {
    let leader = Backoffice::start(Library::Python, json!({}));
    let proxy = Proxy::start(&rules(("volt", leader.url(), ""), &[]));
    let offered = [
        ("CP-one", Some("ocpp1.6"), Some("ocpp1.6")),
        ("CP-two", Some("ocpp2.0.1, ocpp1.6"), Some("ocpp1.6")),
        ("CP-none", None, None),
    ];
    for (identity, offer, chosen) in offered {
        let mut charger = RawCharger::offer(proxy.chargers, identity, offer).unwrap();
        assert_eq!(charger.subprotocol.as_deref(), chosen, "{identity}");
        session::arrive(&mut charger, session::GOOD_CARD);
        assert_eq!(leader.wait_linked(identity)["subprotocol"], "ocpp1.6");
    }
    assert_eq!(offered.len(), 3);
}

#[test]
fn without_a_common_version_the_socket_opens_and_closes() {
    let leader = Backoffice::start(Library::Node, json!({}));
    let proxy = Proxy::start(&rules(("volt", leader.url(), ""), &[]));
    let mut charger = RawCharger::offer(proxy.chargers, "CP1", Some("ocpp2.0.1")).unwrap();
    assert_eq!(charger.subprotocol, None);
    assert_eq!(charger.wait_closed(), Some(1002));
}

#[test]
fn in_mirror_a_charger_without_its_leader_is_told_to_come_again() {
    let mut leader = Backoffice::start(Library::Node, json!({}));
    let follower = Backoffice::start(Library::Python, json!({}));
    let rules = rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]);
    let proxy = Proxy::start(&format!("{rules}on_leader_lost = \"mirror\"\nleader_grace = \"0s\"\n"));
    let mut serving = RawCharger::connect(proxy.chargers, "CP1");
    session::arrive(&mut serving, session::GOOD_CARD);

    leader.peer.kill();
    assert_eq!(serving.wait_closed(), Some(1013));
    assert_eq!(RawCharger::offer(proxy.chargers, "CP2", Some("ocpp1.6")).err(), Some(503));

    let _leader = Backoffice::start(Library::Node, json!({"port": leader.port}));
    let mut back = crate::support::eventually("the leader to be dialed again", || {
        RawCharger::offer(proxy.chargers, "CP1", Some("ocpp1.6")).ok()
    });
    session::whole(&mut back, session::GOOD_CARD);
}

/// X-23, F-70: the newest socket of a charger wins
#[test]
fn the_newest_socket_of_a_charger_wins() {
    let leader = Backoffice::start(Library::Python, json!({}));
    let proxy = Proxy::start(&rules(("volt", leader.url(), ""), &[]));
    let mut older = RawCharger::connect(proxy.chargers, "CP1");
    session::arrive(&mut older, session::GOOD_CARD);
    // The older socket is half open: the charger forgot it, and nothing tells the proxy.
    let mut newer = RawCharger::connect(proxy.chargers, "CP1");
    session::whole(&mut newer, session::GOOD_CARD);
    assert_eq!(older.wait_closed(), Some(1008));
    // The end of the older one takes nothing from the newer.
    newer.call("Heartbeat", &json!({}));
    assert_eq!(leader.times_linked("CP1"), 1, "the links go on beneath the newer socket");
}
