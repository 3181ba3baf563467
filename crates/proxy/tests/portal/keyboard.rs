//! The portal without a mouse: Tab, /, j, k and Enter, and what is visible of it.

use serde_json::{Value, json};

use crate::chromium::{Chromium, Tab};
use crate::scene::Scene;
use crate::support::charger::RawCharger;
use crate::support::session;

#[test]
fn somebody_without_a_mouse_finds_who_rejected_the_card() {
    let scene = Scene::start();
    let _charger = scene.charge("CP1");
    let mut others = Vec::new();
    for name in ["CP2", "CP3"] {
        let mut charger = RawCharger::connect(scene.proxy.chargers, name);
        session::arrive(&mut charger, session::GOOD_CARD);
        scene.proxy.wait_logged(&[name, "--action", "Authorize"], |_| true);
        others.push(charger);
    }
    let browser = Chromium::start();
    let tab = scene.logged_in(&browser);

    // The first stop of Tab leads past the navigation, and is seen.
    tab.press("Tab");
    assert_eq!(tab.evaluate("document.activeElement.innerText"), "Skip to the content");
    seen(&tab);

    // j and k go along the rows.
    let row = "document.activeElement.closest('tr')?.querySelector('.name')?.innerText";
    for (key, charger) in [("j", "CP1"), ("j", "CP2"), ("j", "CP3"), ("k", "CP2")] {
        tab.press(key);
        assert_eq!(tab.evaluate(row), json!(charger), "after {key}");
        seen(&tab);
    }
    tab.press("k");
    enter(&tab);
    assert_eq!(tab.address(), "/chargers/CP1");

    // Every link and button of the page is a stop of Tab, in turn, and each is seen.
    reach(&tab, "Logs");
    enter(&tab);
    assert_eq!(tab.address(), "/chargers/CP1/logs");
    tab.press("/");
    assert_eq!(tab.evaluate("document.activeElement.name"), json!("q"));
    seen(&tab);
    tab.type_text("StartTransaction");
    enter(&tab);
    assert!(tab.address().starts_with("/chargers/CP1/logs?q=StartTransaction"), "{}", tab.address());

    // In the field a letter is a letter.
    tab.press("/");
    let typed = "document.querySelector('input[name=q]').value";
    let before = tab.evaluate(typed);
    tab.press("j");
    assert_ne!(tab.evaluate(typed), before);
    tab.press("Escape");

    reach(&tab, "Proxy");
    enter(&tab);
    assert_eq!(tab.address(), "/chargers/CP1/proxy");
    reach(&tab, "Make leader");
    enter(&tab);
    assert!(tab.address().starts_with("/chargers/CP1/leader"), "{}", tab.address());
    assert_eq!(tab.complaints(), [""; 0]);
}

/// Goes from stop to stop until the one with these words.
fn reach(tab: &Tab, words: &str) {
    let mut passed = Vec::new();
    for _ in 0..200 {
        tab.press("Tab");
        let here = tab.evaluate("document.activeElement.innerText.trim()");
        if here == words {
            return seen(tab);
        }
        passed.push(here);
    }
    panic!("Tab never comes to {words:?}: {passed:?}");
}

/// What has the focus is on the screen and looks different for it.
fn seen(tab: &Tab) {
    let looks = tab.evaluate(
        "(() => { const it = document.activeElement, at = it.getBoundingClientRect(), style = getComputedStyle(it); \
         const around = it.closest('.search, .at') ? getComputedStyle(it.closest('.search, .at')) : style; \
         return [it.tagName + ' ' + it.innerText.slice(0, 40), \
           at.width > 0 && at.bottom > 0 && at.top < innerHeight && at.right > 0 && at.left < innerWidth, \
           [style, around].some(s => (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== 'none')]; })()",
    );
    assert_eq!((&looks[1], &looks[2]), (&json!(true), &json!(true)), "not seen: {looks}");
}

/// Presses Enter and waits for the page that it leads to.
fn enter(tab: &Tab) {
    tab.evaluate("window.isOld = true");
    tab.press("Enter");
    let _: Value = tab.wait("window.isOld !== true && document.readyState === 'complete'");
}
