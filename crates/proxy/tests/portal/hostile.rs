//! Chargers and backoffices that send what a browser would run, in every field that a page shows: nothing
//! is run, nothing is reported, and it is all there to read.

use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::scene::Scene;
use crate::support::charger::RawCharger;
use crate::support::session;

/// Each would leave a mark in `window.marks`, were it run, or go to an address of its own.
const PAYLOADS: [&str; 16] = [
    "<script>mark(1)</script>",
    "\"><script>mark(2)</script>",
    "'><img src=x onerror=mark(3)>",
    "<img src=/x onerror=mark(4)>",
    "\" onmouseover=\"mark(5)\" x=\"",
    "' autofocus onfocus='mark(6)",
    "<svg/onload=mark(7)>",
    "</title><script>mark(8)</script>",
    "</textarea><script>mark(9)</script>",
    "--><script>mark(10)</script><!--",
    "javascript:mark(11)",
    "<a href=javascript:mark(12)>x</a>",
    "<iframe srcdoc='<script>parent.mark(13)</script>'>",
    "<style>*{background:url(/x)}</style>",
    "<meta http-equiv=refresh content=0;url=/x>",
    "${mark(16)}{{mark(16)}}\u{202e}<b>",
];

/// The identity of a charger.
const NAMED: &str = "CP'\"><img src=x onerror=mark(20)><b>";

#[test]
fn nothing_that_a_peer_sends_is_run() {
    let scene = Scene::start();
    let mut charger = RawCharger::connect(scene.proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    for payload in PAYLOADS {
        // The library of the backoffices refuses what is too long, and says so; what is short it books.
        let short: String = payload.chars().take(20).collect();
        for text in [payload, &short] {
            let boot = json!({"chargePointVendor": text, "chargePointModel": text, "firmwareVersion": text});
            tell(&mut charger, "BootNotification", &boot);
            let state = json!({"connectorId": 1, "errorCode": "OtherError", "status": "Faulted", "info": text,
                "vendorId": text, "vendorErrorCode": text});
            tell(&mut charger, "StatusNotification", &state);
            tell(&mut charger, "Authorize", &json!({"idTag": text}));
            let start = json!({"connectorId": 1, "idTag": text, "meterStart": 0, "timestamp": "2026-11-22T13:01:00Z"});
            tell(&mut charger, "StartTransaction", &start);
        }
        let state = json!({"connectorId": 2, "errorCode": payload, "status": payload, "timestamp": payload});
        tell(&mut charger, "StatusNotification", &state);
        let start = json!({"connectorId": 2, "idTag": payload, "meterStart": 0, "timestamp": payload});
        tell(&mut charger, "StartTransaction", &start);
        tell(
            &mut charger,
            "DataTransfer",
            &json!({"vendorId": payload, "messageId": payload, "data": payload}),
        );
        tell(&mut charger, payload, &json!({payload: payload}));
        charger.say_text(json!([2, payload, "Heartbeat", {}]).to_string());
        while charger.hear().expect("the charger stays connected").id != payload {}
    }
    // Backoffices, too, say what they like.
    let said = json!({"do": "set", "behaviour": {
        "answers": {
            "Authorize": {"idTagInfo": {"status": "Invalid", "parentIdTag": PAYLOADS[6]}},
            "DataTransfer": {"status": "Accepted", "data": PAYLOADS[3]},
        },
        "refuse": ["StartTransaction"],
        "refuse_as": [PAYLOADS[1], PAYLOADS[2]],
    }});
    for backoffice in [&scene.leader, &scene.follower] {
        assert!(backoffice.cue(said.clone()).get("error").is_none());
    }
    tell(&mut charger, "Authorize", &json!({"idTag": PAYLOADS[6]}));
    let start =
        json!({"connectorId": 1, "idTag": PAYLOADS[6], "meterStart": 0, "timestamp": "2026-11-22T13:01:00Z"});
    tell(&mut charger, "StartTransaction", &start);
    // An identity may hold almost anything, too.
    let mut named = RawCharger::connect(scene.proxy.chargers, &escaped(NAMED));
    session::arrive(&mut named, session::GOOD_CARD);
    tell(&mut charger, "DataTransfer", &json!({"vendorId": "the end"}));
    scene.proxy.wait_logged(&["CP1", "--search", "the end"], |_| true);

    let browser = Chromium::start();
    let tab = scene.logged_in(&browser);
    let observed = "window.marks = []; window.mark = (mark) => window.marks.push(mark); \
        document.addEventListener('securitypolicyviolation', (event) => window.marks.push('policy: ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample));";
    tab.command("Page.addScriptToEvaluateOnNewDocument", json!({"source": observed}));
    let mut pages: Vec<String> = [
        "/chargers",
        "/chargers/CP1",
        "/chargers/CP1/proxy",
        "/chargers/CP1/switch?follower=acme",
        "/transactions",
        "/chargers/CP1/transactions",
        "/chargers/CP1/cards",
        "/chargers/CP1/logs?action=BootNotification",
        "/chargers/CP1/logs?action=StatusNotification",
        "/chargers/CP1/logs?action=Authorize",
        "/chargers/CP1/logs?action=StartTransaction",
        "/chargers/CP1/logs?action=DataTransfer",
        "/chargers/CP1/logs",
    ]
    .map(str::to_owned)
    .to_vec();
    for below in [
        "",
        "/logs",
        "/proxy",
        "/transactions",
        "/cards",
        "/leader?to=acme",
        "/deliveries?backoffice=acme",
        "/switch?follower=acme",
    ] {
        pages.push(format!("/chargers/{}{below}", escaped(NAMED)));
    }
    for payload in PAYLOADS {
        let text = escaped(payload);
        pages.push(format!("/chargers?q={text}"));
        pages.push(format!(
            "/chargers/CP1/logs?q={text}&action={text}&from={text}&id_tag={text}&before={text}"
        ));
        pages.push(format!("/chargers/CP1/cards?id_tag={text}"));
        pages.push(format!("/chargers/{text}/logs"));
        pages.push(format!("/chargers/CP1/switch?follower={text}"));
        pages.push(format!("/login?next={text}"));
    }
    let calls = scene.get("/calls?charger=CP1&limit=1000").body;
    let traces = calls["items"].as_array().unwrap().iter().filter(|call| call["action"] != "Heartbeat");
    pages.extend(traces.map(|call| format!("/calls/{}", call["trace"].as_str().unwrap())));
    let from_calls = pages.len() - 13 - 8 - 6 * PAYLOADS.len();
    assert!(from_calls > 90, "a page for every call: {from_calls}");
    let mut marks = Vec::new();
    for page in &pages {
        tab.open(&scene.url(page));
        // As a person's pointer and keys would.
        tab.evaluate("document.querySelectorAll('details').forEach(it => { it.open = true }); \
            document.querySelectorAll('body *').forEach(it => { it.dispatchEvent(new MouseEvent('mouseover', {bubbles: true})); }); \
            document.querySelectorAll('input').forEach(it => it.focus())");
        let left = tab.evaluate(
            "window.marks.concat([...document.querySelectorAll('iframe, object, embed, style, base, main svg script, body script, [srcdoc], a[href^=\"javascript:\" i]')].map(it => it.outerHTML.slice(0, 200)))",
        );
        marks.extend(left.as_array().unwrap().iter().map(|mark| format!("{page}: {mark}")));
    }
    assert_eq!(marks, [""; 0]);
    // Pages that say "there is no such charger" are 404, which the browser notes; nothing else is noted.
    let noted: Vec<_> = tab.complaints().into_iter().filter(|complaint| !is_status(complaint)).collect();
    assert_eq!(noted, [""; 0]);
    // Were something run, or kept from running, it would have been seen.
    tab.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=mark(99)>')");
    let mark = tab.wait("window.marks[0]");
    assert!(mark.as_str().is_some_and(|mark| mark.starts_with("policy: script-src")), "{mark}");
    assert!(tab.complaints().iter().any(|complaint| complaint.contains("Content Security Policy")));
    // It was shown, not lost.
    tab.open(&scene.url("/chargers/CP1/logs?action=DataTransfer"));
    let text = tab.text();
    for payload in [PAYLOADS[0], PAYLOADS[6], PAYLOADS[10]] {
        assert!(text.contains(payload), "{payload} is not shown:\n{text}");
    }
    let table = scene.proxy.command(&["logs", "CP1", "--json"]).1;
    assert!(table.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

/// Sends a call and waits for its answer or the error in its place.
fn tell(charger: &mut RawCharger, action: &str, payload: &Value) {
    let id = charger.say(action, payload);
    loop {
        let frame = charger.hear().expect("the charger stays connected");
        if frame.kind == 2 {
            charger.say_text(json!([3, frame.id, {"status": "Accepted"}]).to_string());
        } else if frame.id == id {
            return;
        }
    }
}

/// As it stands in an address.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The note that a browser makes of an answer that is an error.
fn is_status(complaint: &str) -> bool {
    complaint.contains("Failed to load resource: the server responded with a status of 4")
}
