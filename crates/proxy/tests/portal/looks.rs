//! Every page at the width of a desk and of a telephone, light and dark: nothing is cut off, nothing is too
//! faint to read, and nobody complains.

use serde_json::{Value, json};

use crate::chromium::{Chromium, Tab};
use crate::scene::{REFUSED_CARD, Scene};
use crate::support::charger::RawCharger;

/// Every page that a person can be on.
pub fn pages(scene: &Scene, charger: &str) -> Vec<(&'static str, String)> {
    let calls = scene.get(&format!("/calls?charger={charger}&action=StartTransaction&id_tag={REFUSED_CARD}"));
    let trace = calls.body["items"][0]["trace"].as_str().expect("a call").to_owned();
    let of = |below: &str| format!("/chargers/{charger}{below}");
    vec![
        ("chargers", "/chargers".to_owned()),
        ("chargers-none", "/chargers?q=no+such+charger".to_owned()),
        ("overview", of("")),
        ("logs", of("/logs")),
        ("logs-search", of("/logs?q=StartTransaction")),
        ("logs-filters", of("/logs?outcome=differs&time=24h")),
        ("logs-none", of("/logs?q=nothing+has+this+text")),
        ("call", format!("/calls/{trace}")),
        ("proxy", of("/proxy")),
        ("make-leader", of("/leader?to=acme")),
        ("deliveries", of("/deliveries?backoffice=acme")),
        ("before-you-switch", of("/switch?follower=acme")),
        ("why-none", of("/cards")),
        ("why", of(&format!("/cards?id_tag={REFUSED_CARD}"))),
        ("charger-transactions", of("/transactions")),
        ("transactions", "/transactions".to_owned()),
        ("knocking", "/knocking".to_owned()),
        ("knocking-none", "/knocking?q=nobody".to_owned()),
        ("admit", "/knocking/admit?charger=OLD-1".to_owned()),
        ("missing", "/no/such/page".to_owned()),
    ]
}

#[test]
fn every_page_is_whole_on_desks_and_telephones_by_day_and_night() {
    let scene = Scene::start();
    let _charger = scene.charge("CP1");
    knock(&scene);
    let browser = Chromium::start();
    let tab = scene.logged_in(&browser);
    let mut pages = pages(&scene, "CP1");
    assert_eq!(pages.len(), 20);
    let (mut looked_at, mut findings) = (0, Vec::new());
    for (width, height) in [(1280, 900), (390, 844)] {
        for scheme in ["light", "dark"] {
            tab.dress(width, height, scheme);
            for (name, path) in &pages {
                tab.open(&scene.url(path));
                let place = format!("{name} at {width} {scheme}");
                findings.extend(faults(&tab, width).into_iter().map(|fault| format!("{place}: {fault}")));
                looked_at += 1;
            }
        }
    }
    // What is too faint and too wide would have been found.
    tab.evaluate(
        "(() => { const it = document.createElement('p'); it.textContent = 'faint'; it.style.opacity = 1; \
         it.style.color = it.style.backgroundColor = 'rgb(120, 120, 120)'; it.style.width = '2000px'; \
         document.body.prepend(it); })()",
    );
    let found = faults(&tab, 390).join("\n");
    assert!(found.contains("contrast 1.00 of “faint”") && found.contains("it scrolls sideways"), "{found}");
    // Without a session there is one page.
    pages = vec![("login", "/login".to_owned())];
    let stranger = browser.tab();
    for (width, scheme) in [(1280, "light"), (390, "dark")] {
        stranger.dress(width, 844, scheme);
        stranger.open(&scene.url(&pages[0].1));
        findings
            .extend(faults(&stranger, width).into_iter().map(|fault| format!("login at {width}: {fault}")));
        looked_at += 1;
    }
    assert_eq!(looked_at, 20 * 4 + 2);
    // The page that is not there says so to the console, too; everything else is silent.
    let is_expected = |complaint: &String| complaint.contains("404 (Not Found)");
    let complaints: Vec<_> = [tab.complaints(), stranger.complaints()].concat();
    assert_eq!(complaints.iter().filter(|complaint| is_expected(complaint)).count(), 4, "{complaints:#?}");
    findings.extend(complaints.into_iter().filter(|complaint| !is_expected(complaint)));
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

/// Chargers that knock, and one that was let in.
pub fn knock(scene: &Scene) {
    for charger in ["OLD-1", "OLD-2", "NEW-7", "NEW-GARAGE-EAST-0042"] {
        let refused = RawCharger::offer(scene.proxy.chargers, charger, Some("ocpp1.6"));
        assert!(refused.is_err(), "{charger}");
    }
    let admitted =
        scene.ask("POST", "/entrance/OLD-2/admit", Some(&scene.operator), Some(&json!({"key": "new"})));
    assert_eq!(admitted.status, 200, "{:#}", admitted.body);
}

/// What is wrong with how the page looks.
pub fn faults(tab: &Tab, width: u32) -> Vec<String> {
    let found = tab.evaluate(FAULTS);
    let mut faults: Vec<String> =
        found["faults"].as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()).collect();
    if found["width"].as_f64().is_none_or(|found| found > f64::from(width)) {
        faults.push(format!("it scrolls sideways: {} wide; {}", found["width"], found["widest"]));
    }
    if found["title"] == json!("") {
        faults.push("it has no title".to_owned());
    }
    if found["headings"] != json!(1) {
        faults.push(format!("it has {} headings of the first level", found["headings"]));
    }
    let unnamed = found["unnamed"].as_array().unwrap();
    faults
        .extend(unnamed.iter().map(Value::to_string).map(|it| format!("nobody can hear what this is: {it}")));
    faults
}

/// Width, names of what can be used, and the contrast of text against what is behind it (WCAG 2.2 §1.4.3:
/// 4.5, or 3 for large text).
const FAULTS: &str = r#"(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255);
  };
  const over = (top, below) => top.slice(0, 3).map((part, at) => part * top[3] + below[at] * (1 - top[3])).concat(1);
  const light = (colour) => {
    const [r, g, b] = colour.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let it = element; it; it = it.parentElement) layers.push(rgba(getComputedStyle(it).backgroundColor));
    const dark = matchMedia('(prefers-color-scheme: dark)').matches;
    return layers.reverse().reduce((below, top) => over(top, below), dark ? [0, 0, 0, 1] : [1, 1, 1, 1]);
  };
  const faults = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({ opacityProperty: true })) continue;
    const at = element.getBoundingClientRect();
    if (at.width < 2 || at.height < 2 || at.bottom < 0 || element.closest('option, select')) continue;
    texts += 1;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.6 && Number(style.fontWeight) >= 700);
    const ground = behind(element);
    const [a, b] = [light(over(rgba(style.color), ground)), light(ground)].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < (large ? 3 : 4.5))
      faults.add(`contrast ${contrast.toFixed(2)} of “${walker.currentNode.data.trim().slice(0, 30)}” in ${element.tagName}.${element.className}`);
  }
  if (texts < 5) faults.add(`only ${texts} pieces of text are seen`);
  const usable = [...document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea, summary')];
  const unnamed = usable.filter((it) => it.checkVisibility({ contentVisibilityAuto: true }) && !(it.innerText?.trim() || it.getAttribute('aria-label') || it.title
    || it.labels?.length || it.querySelector('[aria-label], title'))).map((it) => it.outerHTML.slice(0, 120));
  const wide = [...document.querySelectorAll('body *')].filter((it) => it.getBoundingClientRect().right > innerWidth + 1);
  return {
    faults: [...faults], unnamed, title: document.title,
    headings: document.querySelectorAll('h1').length,
    width: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
    widest: wide.slice(0, 5).map((it) => `${it.tagName}.${it.className}`).join(', '),
  };
})()"#;
