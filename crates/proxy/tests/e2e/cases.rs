//! The situations of docs/roles-and-policies.md: the lines of `proxy.toml` that stand there, taken out of the page, loaded by
//! the program, and every promise made for them kept towards chargers and backoffices that others wrote.

mod at_home;
mod energy;
mod maintenance;
mod migration;
mod roaming;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::peer::{Backoffice, Library, Peer, charger};
use crate::support::proxy::Proxy;

/// The headings of the page, in its order.
const AT_HOME: &str = "Employer and employee at home";
const ROAMING: &str = "A public site with a roaming platform";
const ENERGY: &str = "An energy manager and an operator";
const MOVE: &str = "From one backoffice to another";
const MAINTENANCE: &str = "A maintenance company";

/// A card of nobody's.
const STOLEN: &str = "04DEADBEEF";

/// The configurations of the page, each with the heading that it stands under.
fn blocks() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/roles-and-policies.md");
    let page = fs::read_to_string(path).unwrap();
    let sections = page.split("\n### ").skip(1);
    let found = sections.flat_map(|section| {
        let (heading, text) = section.split_once('\n').unwrap();
        let blocks = text.split("```toml\n").skip(1);
        blocks.map(|block| (heading.to_owned(), block.split_once("```").unwrap().0.to_owned()))
    });
    found.collect()
}

/// The configuration under a heading, at the test's own backoffices.
fn written(heading: &str, backoffices: &[(&str, &Backoffice)]) -> String {
    let (_, mut block) = blocks().into_iter().find(|(found, _)| found == heading).expect("the heading");
    for (name, backoffice) in backoffices {
        let url = format!("wss://{name}.example/{{charger}}");
        assert_eq!(block.matches(&url).count(), 1, "{url}");
        block = block.replace(&url, &backoffice.url());
    }
    // Who is let in is another page's.
    block = block.replace("[[chargers]]\n", "[[chargers]]\nunknown_chargers = \"admit\"\n");
    assert!(!block.contains(".example"), "a backoffice that the test does not know: {block}");
    block
}

/// The program with the configuration under a heading, which it finds nothing wrong with.
fn proxy(heading: &str, backoffices: &[(&str, &Backoffice)]) -> Proxy {
    let proxy = Proxy::start(&written(heading, backoffices));
    let (status, output, errors) = proxy.command(&["check"]);
    assert!(status.success(), "{errors}");
    assert!(output.contains("valid; 1 rule for chargers, 2 backoffices"), "{output}");
    assert_eq!(errors, "");
    proxy
}

/// A charger that others wrote, connected under this identity.
fn connected(library: Library, proxy: &Proxy, identity: &str) -> Peer {
    let charger = charger(library);
    let connected = charger.cue(json!({"do": "connect", "url": proxy.url(identity)}));
    assert_eq!(connected["subprotocol"], "ocpp1.6", "{connected}");
    charger
}

/// A command of a backoffice, and what it is answered.
fn command(backoffice: &Backoffice, action: &str, payload: Value) -> Value {
    backoffice.cue(json!({"do": "call", "action": action, "payload": payload}))
}

/// The same, where the answer is a status.
fn status(backoffice: &Backoffice, action: &str, payload: Value) -> Value {
    command(backoffice, action, payload)["payload"]["status"].clone()
}

fn card(charger: &Peer, tag: &str) -> Value {
    charger.call("Authorize", json!({"idTag": tag}))["idTagInfo"].clone()
}

fn start(charger: &Peer, connector: i64, tag: &str, minute: u32) -> Value {
    let timestamp = format!("2026-11-22T13:{minute:02}:00Z");
    let start = json!({"connectorId": connector, "idTag": tag, "meterStart": 0, "timestamp": timestamp});
    charger.call("StartTransaction", start)
}

fn stop(charger: &Peer, number: i64, tag: &str, minute: u32) -> Value {
    let timestamp = format!("2026-11-22T14:{minute:02}:00Z");
    let stop = json!({"transactionId": number, "idTag": tag, "meterStop": 5000, "timestamp": timestamp});
    charger.call("StopTransaction", stop)
}

/// The actions that reached the charger, in order.
fn heard(charger: &Peer) -> Vec<String> {
    charger.calls().into_iter().map(|call| call.action).collect()
}

#[test]
fn every_case_of_the_page_is_driven_here() {
    let headings: Vec<String> = blocks().into_iter().map(|(heading, _)| heading).collect();
    let driven = [AT_HOME, ROAMING, ENERGY, MOVE, MAINTENANCE];
    assert_eq!(headings, driven);
    assert_eq!(headings.len(), 5);
}
