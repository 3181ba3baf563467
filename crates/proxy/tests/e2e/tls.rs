//! `wss://` backoffices: a certificate is checked, and a wrong one is named.

use serde_json::json;

use crate::authority::Authority;
use crate::support::charger::RawCharger;
use crate::support::peer::{Backoffice, Library};
use crate::support::proxy::{Proxy, rules};
use crate::support::session;

/// A backoffice with a certificate of this authority.
fn backoffice(authority: &Authority, library: Library) -> Backoffice {
    let (cert, key) = authority.issue("backoffice", &["127.0.0.1"]);
    Backoffice::start(library, json!({"tls": {"cert": cert, "key": key}}))
}

#[test]
fn backoffices_over_tls_with_an_authority_of_their_own() {
    let authority = Authority::new("an authority for tests");
    for library in [Library::Python, Library::Node] {
        let leader = backoffice(&authority, library);
        let credentials =
            "basic_auth = { user = \"{charger}\", password = \"${PASSWORD_OF_NOBODY:-open sesame}\" }";
        let more = format!("{}\n{credentials}", authority.ca_file());
        let proxy = Proxy::start_tracing(&rules(("volt", leader.url(), &more), &[]));
        let mut charger = RawCharger::connect(proxy.chargers, "CP1");
        assert_eq!(session::whole(&mut charger, session::GOOD_CARD), session::answers_of_a_leader(1));
        // "CP1:open sesame" in base64.
        assert_eq!(leader.wait_linked("CP1")["authorization"], "Basic Q1AxOm9wZW4gc2VzYW1l");
        let log: Vec<_> = proxy.log.all().iter().map(ToString::to_string).collect();
        assert!(log.iter().any(|line| line.contains("\"trace\"")), "everything is logged that may be");
        for secret in ["sesame", "Q1AxOm9wZW4gc2VzYW1l", session::GOOD_CARD] {
            let shown = log.iter().find(|line| line.contains(secret));
            assert_eq!(shown, None, "{secret} is in the log");
        }
    }
}

#[test]
fn a_leader_with_a_certificate_of_somebody_else_is_refused_with_the_reason() {
    let authority = Authority::new("an authority for tests");
    let stranger = Authority::new("a stranger");
    let leader = backoffice(&authority, Library::Node);
    let rules = rules(("volt", leader.url(), &stranger.ca_file()), &[]);
    let proxy = Proxy::start(&format!("{rules}on_leader_lost = \"mirror\"\n"));
    assert_eq!(RawCharger::offer(proxy.chargers, "CP1", Some("ocpp1.6")).err(), Some(503));
    proxy.wait_log(&["volt", "certificate"]);
    assert_eq!(leader.times_linked("CP1"), 0);
}

#[test]
fn a_follower_with_a_certificate_of_somebody_else_does_not_matter() {
    let authority = Authority::new("an authority for tests");
    let leader = backoffice(&authority, Library::Node);
    let follower = backoffice(&authority, Library::Python);
    // The follower's table names no authority, and the system's do not know this one.
    let proxy = Proxy::start(&rules(
        ("volt", leader.url(), &authority.ca_file()),
        &[(("acme", follower.url(), ""), "control")],
    ));
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    assert_eq!(session::whole(&mut charger, session::GOOD_CARD), session::answers_of_a_leader(1));
    proxy.wait_log(&["acme", "certificate"]);
    assert_eq!(follower.times_linked("CP1"), 0);
}

#[test]
fn a_backoffice_that_asks_for_a_certificate_is_shown_the_one_for_it() {
    let (authority, clients) = (Authority::new("an authority for tests"), Authority::new("its clients"));
    let (cert, key) = authority.issue("backoffice", &["volt.example"]);
    let tls = json!({"cert": cert, "key": key, "client_ca": clients.file("ca.pem")});
    let leader = Backoffice::start(Library::Python, json!({"tls": tls}));
    let (chain, key) = clients.issue("proxy", &[]);
    let more = format!(
        "{}\nserver_name = \"volt.example\"\nclient_certificate = {{ chain = {chain:?}, key = {key:?} }}",
        authority.ca_file()
    );
    let proxy = Proxy::start(&rules(("volt", leader.url(), &more), &[]));
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    assert_eq!(session::whole(&mut charger, session::GOOD_CARD), session::answers_of_a_leader(1));
    let expires = proxy.metric("ocpp_proxy_certificate_expiry_timestamp_seconds", &["proxy.pem"]);
    assert!(expires.is_some_and(|expires| expires > 1e9), "{expires:?}");
}
