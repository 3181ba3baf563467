//! The log as it is written, in the browser: rows come by themselves, wait while somebody reads, and what
//! they hold stays text.

use serde_json::json;

use crate::chromium::{Chromium, named};
use crate::scene::Scene;

#[test]
fn rows_come_by_themselves_and_wait_while_the_tail_is_paused() {
    let scene = Scene::start();
    let mut charger = scene.charge("CP1");
    let browser = Chromium::start();
    let tab = scene.logged_in(&browser);
    tab.dress(1280, 900, "light");
    let observed = "window.marks = []; window.mark = (mark) => window.marks.push(mark);";
    tab.command("Page.addScriptToEvaluateOnNewDocument", json!({"source": observed}));
    tab.open(&scene.url("/chargers/CP1/logs"));
    tab.wait("document.querySelector('[data-live-state]').innerText === 'Live'");
    let first = "document.querySelector('article.call')?.innerText ?? ''";

    charger.call("DataTransfer", &json!({"vendorId": "just now"}));
    tab.wait(&format!("({first}).includes('just now')"));
    // A late answer completes the row that is there.
    let answers = "document.querySelector('article.call').querySelectorAll('.answer').length";
    tab.wait(&format!("{answers} === 2"));

    let hostile = "<img src=x onerror=mark(1)><script>mark(2)</script>";
    charger.call("DataTransfer", &json!({"vendorId": hostile}));
    tab.wait(&format!("({first}).includes({})", json!(hostile)));
    assert_eq!(tab.evaluate("window.marks"), json!([]));

    tab.click(&named("Pause"));
    charger.call("DataTransfer", &json!({"vendorId": "while paused"}));
    tab.wait("/new\\)/.test(document.querySelector('[data-live-jump]').innerText)");
    assert!(!tab.evaluate(first).as_str().unwrap().contains("while paused"), "{}", tab.text());
    tab.click("document.querySelector('[data-live-jump]')");
    tab.wait(&format!("({first}).includes('while paused')"));
    assert_eq!(tab.complaints(), [""; 0]);
}
