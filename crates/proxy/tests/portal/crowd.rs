//! A charger with 10,000 entries in its log, and somebody who scrolls through it.

use serde_json::json;

use crate::chromium::{Chromium, Tab};
use crate::looks::faults;
use crate::scene::Scene;
use crate::support::charger::RawCharger;
use crate::support::session;

/// Entries of the log.
const ENTRIES: usize = 10_000;

#[test]
fn ten_thousand_entries_are_walked_through_page_by_page() {
    let scene = Scene::start();
    let mut charger = RawCharger::connect(scene.proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    let meter = session::meter_values(1, 1000);
    for number in 0..ENTRIES - 5 {
        // A call at a time, as OCPP-J wants it (§4.1.1).
        if number % 50 == 0 {
            charger.call("MeterValues", &meter);
        } else {
            charger.call("DataTransfer", &json!({"vendorId": format!("entry {number}")}));
        }
    }
    charger.call("DataTransfer", &json!({"vendorId": "the last entry"}));
    scene.proxy.wait_logged(&["CP1", "--search", "the last entry"], |_| true);
    let browser = Chromium::start();
    let tab = scene.logged_in(&browser);
    let rows = |tab: &Tab| tab.evaluate("document.querySelectorAll('article.call').length").as_u64().unwrap();
    for (width, scheme, most_pages) in [(390, "dark", 3), (1280, "light", ENTRIES)] {
        tab.dress(width, 900, scheme);
        tab.open(&scene.url("/chargers/CP1/logs"));
        let (mut pages, mut seen) = (1, rows(&tab));
        while pages < most_pages && tab.evaluate("document.querySelector('[data-older]') !== null") == true {
            tab.follow("Older");
            assert!((1..=100).contains(&rows(&tab)), "{} rows on a page", rows(&tab));
            seen += rows(&tab);
            pages += 1;
        }
        if most_pages == ENTRIES {
            assert_eq!(seen, ENTRIES as u64, "each entry stands on one page");
            assert!(tab.text().contains("This is the oldest entry."), "{}", tab.text());
        }
        let found = faults(&tab, width);
        assert!(found.is_empty(), "at {width}: {found:#?}");
    }
    // One of them is found.
    tab.open(&scene.url("/chargers/CP1/logs?q=entry+1717"));
    assert_eq!(rows(&tab), 1, "{}", tab.text());
    assert_eq!(tab.complaints(), [""; 0]);
}
