//! The help page, word for word, by somebody who has never read OCPP: who rejected the card, and who is
//! Leader; and the way on from there.

use serde_json::json;

use crate::chromium::{Chromium, Tab, named};
use crate::scene::{REFUSED_CARD, Scene};
use crate::support::charger::RawCharger;
use crate::support::peer::{Backoffice, Library};
use crate::support::proxy::rules;
use crate::support::session;

/// The rows of the log, as text.
const ENTRIES: &str = "[...document.querySelectorAll('article.call')]";

#[test]
fn its_steps_work_word_for_word() {
    let scene = Scene::start();
    let _charger = scene.charge("CP1");
    let browser = Chromium::start();
    let tab = scene.logged_in(&browser);
    tab.dress(1280, 900, "light");

    // "Go to Chargers, click View, then Logs."
    tab.follow("Chargers");
    tab.follow("View");
    tab.follow("Logs");
    assert_eq!(tab.address(), "/chargers/CP1/logs");

    // "Type StartTransaction in the search bar."
    tab.click("document.querySelector('input[name=q]')");
    tab.type_text("StartTransaction");
    tab.evaluate("window.isOld = true");
    tab.press("Enter");
    tab.wait("window.isOld !== true && document.readyState === 'complete'");
    let actions = tab.evaluate(&format!("{ENTRIES}.map(entry => entry.querySelector('.action').innerText)"));
    assert_eq!(actions, json!(["StartTransaction", "StartTransaction"]), "nothing else: {}", tab.text());

    // "Look at idTagInfo: the status says whether the card was accepted. Copy the idTag."
    let entry = format!("{ENTRIES}.find(entry => entry.innerText.includes({}))", json!(REFUSED_CARD));
    let shown =
        tab.evaluate(&format!("{entry}.innerText.replace(/\\s+/g, ' ')")).as_str().unwrap().to_owned();
    for wanted in
        ["idTag 04E9A1C2D3B4F5", "idTagInfo status Invalid", "idTagInfo status Accepted", "Decided by volt"]
    {
        assert!(shown.contains(wanted), "the entry does not show {wanted:?}: {shown}");
    }
    tab.click(&format!("{entry}.querySelector('.copyable button')"));
    tab.wait("document.querySelector('.copyable button.done') !== null");
    assert_eq!(tab.clipboard(), REFUSED_CARD);

    // "Go to Chargers, click View, then Proxy: is there one server or several, and who is Leader?"
    tab.follow("Chargers");
    tab.follow("View");
    tab.follow("Proxy");
    assert_eq!(tab.address(), "/chargers/CP1/proxy");
    assert!(tab.text().contains("This charger has two servers. volt is Leader"), "{}", tab.text());
    assert_eq!(servers(&tab), json!([["volt", true], ["acme", false]]));
    assert_eq!(tab.complaints(), [""; 0]);
}

#[test]
fn one_server_is_called_one() {
    let scene = Scene::start();
    let alone = Backoffice::start(Library::Python, json!({"quiet": true}));
    let text = std::fs::read_to_string(scene.proxy.config()).unwrap();
    let (settings, _) = text.split_once("[[chargers]]").unwrap();
    let users = &text[text.find("[[portal.users]]").unwrap()..];
    std::fs::write(
        scene.proxy.config(),
        format!("{settings}{}\n{users}", rules(("solo", alone.url(), ""), &[])),
    )
    .unwrap();
    scene.proxy.wait_log(&["the configuration was read again and is in force"]);
    let mut charger = RawCharger::connect(scene.proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    let browser = Chromium::start();
    let tab = scene.logged_in(&browser);
    tab.open(&scene.url("/chargers/CP1/proxy"));
    assert!(tab.text().contains("This charger has one server: solo. It is Leader"), "{}", tab.text());
    assert_eq!(servers(&tab), json!([["solo", true]]));
}

#[test]
fn from_a_rejected_attempt_one_click_leads_to_why() {
    let scene = Scene::start();
    let _charger = scene.charge("CP1");
    let browser = Chromium::start();
    let tab = scene.logged_in(&browser);
    tab.open(&scene.url("/chargers/CP1/logs?q=Authorize+04E9"));
    tab.click("document.querySelector('article.call summary')");
    tab.follow("Why was this card rejected?");
    assert!(tab.address().starts_with("/chargers/CP1/cards"), "{}", tab.address());
    let text = tab.text();
    for wanted in [REFUSED_CARD, "volt", "Invalid", "acme"] {
        assert!(text.contains(wanted), "{wanted:?} is not said:\n{text}");
    }
}

#[test]
fn another_server_is_made_leader_with_a_reason_and_back() {
    let scene = Scene::start();
    let mut charger = scene.charge("CP1");
    let browser = Chromium::start();
    let tab = scene.logged_in(&browser);
    tab.open(&scene.url("/chargers/CP1/proxy"));
    tab.follow("Make leader");
    assert!(tab.text().contains("Running transactions"), "{}", tab.text());
    tab.click("document.querySelector('input[name=reason]')");
    tab.type_text("the contract moves");
    tab.follow("Make acme leader");
    let text = tab.text();
    assert!(text.contains("was set by anna") && text.contains("proxy.toml says volt"), "{text}");
    assert!(text.contains("the contract moves"), "{text}");
    scene.proxy.wait_logged(&["CP1", "--action", "leader_changed"], |row| row.to_string().contains("acme"));
    let answer = charger.call("Authorize", &json!({"idTag": REFUSED_CARD}));
    assert_eq!(answer, json!({"idTagInfo": {"status": "Accepted"}}), "acme decides now");

    tab.open(&scene.url("/chargers/CP1/proxy"));
    assert_eq!(servers(&tab), json!([["acme", true], ["volt", false]]));
    tab.follow("Go back to proxy.toml");
    tab.click("document.querySelector('input[name=reason]')");
    tab.type_text("only tried");
    tab.click(&named("Go back to proxy.toml"));
    tab.wait("document.body.innerText.includes('only tried')");
    assert!(!tab.text().contains("was set by anna"), "{}", tab.text());
    assert_eq!(tab.complaints(), [""; 0]);
}

/// Each server's name and whether it bears the badge, as they stand on the page.
fn servers(tab: &Tab) -> serde_json::Value {
    tab.evaluate(
        "[...document.querySelectorAll('.server')].map(it => [it.querySelector('h2').innerText, \
         [...it.querySelectorAll('.badge')].some(badge => badge.innerText.trim() === 'Leader')])",
    )
}
