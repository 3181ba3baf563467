//! Knocking: a charger that nobody named is refused, seen, admitted with a key shown once, and comes in with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::chromium::{Chromium, named};
use crate::scene::Scene;
use crate::support::charger::RawCharger;

fn with_key(scene: &Scene, charger: &str, key: &str) -> Result<RawCharger, u16> {
    let credentials = STANDARD.encode(format!("{charger}:{key}"));
    let header = format!("Authorization: Basic {credentials}\r\n");
    RawCharger::dial_with(scene.proxy.chargers, &format!("/ocpp/{charger}"), Some("ocpp1.6"), &header)
}

#[test]
fn a_charger_that_knocks_is_admitted_with_a_key_and_comes_in_with_it() {
    let scene = Scene::start();
    let browser = Chromium::start();
    let tab = scene.logged_in(&browser);
    assert!(tab.text().contains("Knocking") && tab.evaluate("document.querySelector('.count')").is_null());

    assert_eq!(RawCharger::offer(scene.proxy.chargers, "OLD-1", Some("ocpp1.6")).err(), Some(404));
    assert_eq!(RawCharger::offer(scene.proxy.chargers, "NEW-1", Some("ocpp1.6")).err(), Some(401));
    assert_eq!(with_key(&scene, "NEW-1", "guessed by its owner").err(), Some(401));
    tab.open(&scene.url("/chargers"));
    assert_eq!(tab.evaluate("document.querySelector('.count').innerText"), json!("2"));
    tab.follow("Knocking\n2");
    let rows = tab.evaluate("[...document.querySelectorAll('.knocking tbody tr')].map(it => it.innerText)");
    let rows: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row.as_str().unwrap()).collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    for said in ["NEW-1", "127.0.0.1", "2 times", "a user name and password", "It needs a key", "NEW-*"] {
        assert!(rows[0].contains(said), "{said} is not in {}", rows[0]);
    }
    for said in ["OLD-1", "once", "no password", "Nobody has admitted it", "OLD-*"] {
        assert!(rows[1].contains(said), "{said} is not in {}", rows[1]);
    }

    tab.follow("Admit…");
    assert!(tab.address().starts_with("/knocking/admit?charger=NEW"), "{}", tab.address());
    assert!(tab.text().contains("it must come with its key"), "{}", tab.text());
    tab.click(&named("Admit with a new key"));
    tab.loaded();
    tab.wait("document.querySelector('.key') !== null");
    let key = tab.evaluate("document.querySelector('.key [data-copy]').dataset.copy");
    let key = key.as_str().unwrap();
    assert!(key.len() == 40 && tab.text().contains("shown this once"), "{}", tab.text());
    let mut charger = with_key(&scene, "NEW-1", key).expect("it is let in");
    scene.leader.wait_linked("NEW-1");

    // A wrong key is seen by whoever looks for the charger.
    assert_eq!(with_key(&scene, "NEW-1", "guessed by another").err(), Some(401));
    for page in ["/chargers/NEW-1", "/knocking"] {
        tab.open(&scene.url(page));
        let text = tab.text();
        assert!(text.contains("the key is wrong") && text.contains("admit it with a new one"), "{text}");
    }
    tab.click("document.querySelector('[aria-label=\"Forget NEW-1\"]')");
    tab.wait("document.body.innerText.includes('It is off the list')");
    tab.open(&scene.url("/knocking"));
    assert!(!tab.text().contains("the key is wrong"), "{}", tab.text());
    assert!(!tab.text().contains(key) && tab.text().contains("its key, as text"), "{}", tab.text());
    assert_eq!(tab.evaluate("document.querySelector('.count').innerText"), json!("1"));
    tab.click(&named("Forget"));
    tab.wait("document.body.innerText.includes('It is off the list')");
    assert!(tab.evaluate("document.querySelector('.count')").is_null());
    // What cannot be undone asks first.
    tab.evaluate("window.confirm = () => true");
    tab.click(&named("Remove"));
    tab.wait("document.body.innerText.includes('It is let in no more')");
    charger.wait_closed();
    assert_eq!(with_key(&scene, "NEW-1", key).err(), Some(401));
    let told: Vec<String> = scene.proxy.log.all().iter().map(ToString::to_string).collect();
    assert!(!told.is_empty() && told.iter().all(|line| !line.contains(key)), "the key is in no log");
    assert_eq!(tab.complaints(), [""; 0]);
}

#[test]
fn a_program_admits_who_knocks() {
    let scene = Scene::start();
    for charger in ["OLD-1", "NEW-1"] {
        RawCharger::offer(scene.proxy.chargers, charger, Some("ocpp1.6")).expect_err("refused");
    }
    let knocking = scene.get("/entrance/knocking").body;
    let items = knocking["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{knocking:#}");
    let one = items.iter().find(|one| one["charger"] == "NEW-1").expect("it knocks");
    assert_eq!(
        (&one["rule"], &one["security_profile"], &one["sent_credentials"], &one["times"]),
        (&json!("NEW-*"), &json!(1), &json!(false), &json!(1)),
        "{one:#}"
    );
    let admit = |charger: &str, token: &str, key: &str| {
        let path = format!("/entrance/{charger}/admit");
        scene.ask("POST", &path, Some(token), Some(&json!({"key": key})))
    };
    for (charger, token, key, status) in [
        ("NEW-1", &scene.viewer, "new", 403),
        ("NEW-1", &scene.operator, "none", 409),
        ("STRANGER", &scene.operator, "new", 404),
        ("NEW%2F1", &scene.operator, "new", 404),
        ("NEW-1", &scene.operator, "mine", 400),
    ] {
        assert_eq!(admit(charger, token, key).status, status, "{charger} {key}");
    }
    let admitted = admit("NEW-1", &scene.operator, "new").body;
    let key = admitted["key"].as_str().expect("a key").to_owned();
    assert_eq!((&admitted["user_name"], &admitted["security_profile"]), (&json!("NEW-1"), &json!(1)));
    assert_eq!(admit("OLD-1", &scene.operator, "none").body["key"], json!(null));
    let _old = RawCharger::connect(scene.proxy.chargers, "OLD-1");
    let _new = with_key(&scene, "NEW-1", &key).expect("it is let in");
    assert_eq!(scene.get("/entrance/knocking").body["items"], json!([]));
    assert_eq!(with_key(&scene, "NEW-1", "a wrong one").err(), Some(401));
    let failed = &scene.get("/entrance/knocking").body["turned_away"][0];
    assert_eq!((&failed["charger"], &failed["reason"]), (&json!("NEW-1"), &json!("wrong_key")), "{failed:#}");
    let page = scene.get("/entrance/chargers?limit=1").body;
    assert_eq!((&page["items"][0]["charger"], &page["next"]), (&json!("NEW-1"), &json!("NEW-1")));
    assert_eq!(page["items"][0]["admission"]["by"], "test-operator");
    assert_eq!(page["items"][0]["login"], json!({"proof": "key", "key_form": "text", "over_tls": false}));
    let rest = scene.get("/entrance/chargers?after=new-1").body;
    assert_eq!((&rest["items"][0]["charger"], &rest["next"]), (&json!("OLD-1"), &json!(null)));
    let order = |what: &str, token: &str| {
        scene.ask("POST", &format!("/entrance/OLD-1/{what}"), Some(token), None).status
    };
    for what in ["remove", "forget", "allow-plain"] {
        assert_eq!((order(what, &scene.viewer), order(what, &scene.operator)), (403, 200), "{what}");
    }
    assert_eq!(scene.get("/entrance/chargers").body["items"].as_array().unwrap().len(), 1);
}
