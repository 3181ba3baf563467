//! Chargers and backoffices that send what a browser would run, in every field that a page shows: nothing
//! is run, nothing is reported, and it is all there to read.

use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::scene::Scene;
use crate::support::charger::RawCharger;
use crate::support::session;

/// Each would leave a mark in `window.marks`, were it run, or go to an address of its own.
const PAYLOADS: [&str; 66] = [
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
    "<ScRiPt>mark(17)</sCrIpT>",
    "<script >mark(18)</script >",
    "<script/src=//x.invalid/y.js></script>",
    "<<script>mark(20)//<</script>",
    "<script\n>mark(21)</script\n>",
    "<scr<script>ipt>mark(22)</scr</script>ipt>",
    "%3Cscript%3Emark(23)%3C/script%3E",
    "&lt;script&gt;mark(24)&lt;/script&gt;",
    "&#60;script&#62;mark(25)&#60;/script&#62;",
    "\\u003cscript\\u003emark(26)\\u003c/script\\u003e",
    "\\x3cscript\\x3emark(27)\\x3c/script\\x3e",
    "<img src=x:x onerror=mark`28`>",
    "<img/src/onerror=mark(29)>",
    "<img src=x onerror=&#109;ark(30)>",
    "<image href=x onerror=mark(31)>",
    "<body onload=mark(32)>",
    "<svg><script>mark(33)</script></svg>",
    "<svg><animate onbegin=mark(34) attributeName=x dur=1s>",
    "<svg><a xlink:href=javascript:mark(35)><text>x</text></a></svg>",
    "<svg><use href=data:image/svg+xml,x#a></svg>",
    "<math><mi xlink:href=javascript:mark(37)>x</mi></math>",
    "<details open ontoggle=mark(38)>",
    "<video><source onerror=mark(39)></video>",
    "<audio src=x onerror=mark(40)>",
    "<input autofocus onfocus=mark(41)>",
    "<select autofocus onfocus=mark(42)>",
    "<textarea autofocus onfocus=mark(43)>",
    "<keygen autofocus onfocus=mark(44)>",
    "<marquee onstart=mark(45)>",
    "<object data=javascript:mark(46)>",
    "<embed src=javascript:mark(47)>",
    "<base href=//x.invalid/>",
    "<link rel=stylesheet href=//x.invalid/y.css>",
    "<form action=javascript:mark(50)><button>x</button></form>",
    "<button formaction=javascript:mark(51)>x</button>",
    "<table background=javascript:mark(52)>",
    "<div style=background:url(//x.invalid/53)>",
    "<p onclick=mark(54) style=position:fixed;inset:0>x",
    "<template><script>mark(55)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=mark(56)>'>",
    "</script><script>mark(57)</script>",
    "</style><script>mark(58)</script>",
    "]]><script>mark(59)</script>",
    "';mark(60);//",
    "\");mark(61);//",
    "data:text/html,<script>mark(62)</script>",
    "vbscript:mark(63)",
    "=HYPERLINK(\"//x.invalid\",\"64\")",
    "@SUM(1)+cmd|' /C calc'!A0",
    "\t-1+65",
];

/// The identity of a charger.
const NAMED: &str = "CP'\"><img src=x onerror=mark(20)><b>";

#[test]
fn figure_s10_nothing_that_a_peer_sends_is_run() {
    let scene = Scene::start();
    let mut charger = RawCharger::connect(scene.proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    for payload in PAYLOADS {
        // The library of the backoffices refuses what is too long, and says so; what is short it books.
        let short: String = payload.chars().take(20).collect();
        for text in [payload, &short] {
            let boot = json!({"chargePointVendor": text, "chargePointModel": text, "firmwareVersion": text,
                "chargePointSerialNumber": text, "chargeBoxSerialNumber": text, "meterType": text, "iccid": text});
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
        let stop = json!({"transactionId": 1, "meterStop": 0, "timestamp": payload, "reason": payload, "idTag": payload});
        tell(&mut charger, "StopTransaction", &stop);
        // A command of a backoffice, and what the charger says against it.
        let asked = scene.leader.begin(json!({"do": "call", "charger": "CP1", "action": "DataTransfer",
            "payload": {"vendorId": payload, "messageId": payload.chars().take(50).collect::<String>(), "data": payload}}));
        let command = loop {
            let frame = charger.hear().expect("the charger stays connected");
            if frame.kind == 2 {
                break frame.id;
            }
        };
        charger.say_text(json!([4, command, payload, payload, {payload: payload}]).to_string());
        scene.leader.outcome(asked);
        charger.say_text(json!([2, payload, "Heartbeat", {}]).to_string());
        while charger.hear().expect("the charger stays connected").id != payload {}
    }
    // Backoffices, too, say what they like.
    for payload in PAYLOADS {
        let said = json!({"do": "set", "behaviour": {
            "answers": {
                "Authorize": {"idTagInfo": {"status": "Invalid", "parentIdTag": payload, "expiryDate": payload}},
                "DataTransfer": {"status": payload, "data": payload},
            },
            "refuse": ["StartTransaction"],
            "refuse_as": [payload, payload],
        }});
        for backoffice in [&scene.leader, &scene.follower] {
            assert!(backoffice.cue(said.clone()).get("error").is_none());
        }
        let short: String = payload.chars().take(20).collect();
        tell(&mut charger, "Authorize", &json!({"idTag": short}));
        tell(&mut charger, "DataTransfer", &json!({"vendorId": "x"}));
        let start =
            json!({"connectorId": 1, "idTag": short, "meterStart": 0, "timestamp": "2026-11-22T13:01:00Z"});
        tell(&mut charger, "StartTransaction", &start);
    }
    // Identities, of those that come in and of those that knock; what stands in headers; why somebody hung up.
    let (mut identities, mut knocks) = (0, 0);
    for payload in PAYLOADS {
        let header: String = payload.chars().filter(|one| one.is_ascii() && !one.is_control()).collect();
        let headers = format!("User-Agent: {header}\r\nReferer: {header}\r\n");
        let dial = |name: &str, protocols: &str| {
            let path = format!("/ocpp/{}", escaped(name));
            RawCharger::dial_with(scene.proxy.chargers, &path, Some(protocols), &headers)
        };
        // What no identity may hold is left out; a browser needs none of it.
        let name: String =
            payload.chars().map(|one| if "/:%\\\n\t\u{202e}".contains(one) { ' ' } else { one }).collect();
        if let Ok(named) = dial(&format!("CP{name}"), "ocpp1.6") {
            let reason: String = payload.chars().take(60).collect();
            named.close(1000, &reason);
            identities += 1;
        }
        // Whether it comes in with such a version is for others to try.
        drop(dial("CP2", &header));
        knocks += usize::from(dial(&format!("NEW-{name}"), "ocpp1.6").err() == Some(401));
    }
    let reason = PAYLOADS[3];
    assert!(
        scene
            .follower
            .cue(json!({"do": "close", "charger": "CP1", "code": 1000, "reason": reason}))
            .get("error")
            .is_none()
    );
    // An operator's token in other hands types reasons.
    for (place, payload) in PAYLOADS.into_iter().enumerate() {
        let leader = if place % 2 == 0 { "acme" } else { "volt" };
        let new = json!({"leader": leader, "reason": payload});
        let set = scene.ask("PUT", "/chargers/CP1/leader", Some(&scene.operator), Some(&new));
        assert_eq!(set.status, 200, "{:#}", set.body);
    }
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
        "/knocking",
        "/knocking?q=NEW",
        "/nowhere/%3Cscript%3Emark(98)%3C/script%3E",
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
    for payload in PAYLOADS.into_iter().step_by(figures::scaled(1, 4)) {
        let text = escaped(payload);
        pages.push(format!("/chargers?q={text}"));
        pages.push(format!(
            "/chargers/CP1/logs?q={text}&action={text}&from={text}&id_tag={text}&before={text}"
        ));
        pages.push(format!("/chargers/CP1/cards?id_tag={text}"));
        pages.push(format!("/chargers/{text}/logs"));
        pages.push(format!("/chargers/CP1/switch?follower={text}"));
        pages.push(format!("/login?next={text}"));
        pages.push(format!("/knocking?q={text}&after={text}&done={text}"));
        pages.push(format!("/knocking/admit?charger=NEW-{text}"));
        pages.push(format!("/transactions?id_tag={text}&which={text}"));
        pages.push(format!("/chargers/CP{text}/logs"));
        pages.push(format!("/chargers/CP1/deliveries?backoffice={text}"));
    }
    let named_pages = pages.len();
    let traces = traces(&scene);
    assert!(traces.len() > 900, "{}", traces.len());
    let one_in = figures::scaled(1, 16);
    pages.extend(traces.iter().step_by(one_in).map(|trace| format!("/calls/{trace}")));
    pages.extend(traces.iter().step_by(one_in * 4).map(|trace| format!("/chargers/CP1/cards?call={trace}")));
    let from_calls = pages.len() - named_pages;
    assert!(from_calls > 60, "{from_calls}");
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
    // Pages that say "there is no such charger" are 404, which the browser notes; nothing else is noted.
    let noted: Vec<_> = tab.complaints().into_iter().filter(|complaint| !is_status(complaint)).collect();
    let formulas = formulas(&scene);
    figures::row(
        "S10",
        format!(
            "{} payloads in every field that a charger, a backoffice or an operator fills, {} identities and {} knocks \
             made of them, on {} pages in Chromium; {} cells of CSV",
            PAYLOADS.len(),
            identities,
            knocks,
            figures::counted(pages.len()),
            figures::counted(formulas.0)
        ),
        format!(
            "{} executed, {} reports of the Content-Security-Policy, {} formulas",
            marks.iter().filter(|mark| !mark.contains("policy:")).count(),
            marks.iter().filter(|mark| mark.contains("policy:")).count() + noted.len(),
            formulas.1
        ),
    );
    assert_eq!(marks, [""; 0]);
    assert_eq!(noted, [""; 0]);
    assert!(formulas.0 > 5_000 && formulas.1 == 0, "{formulas:?}");
    assert!(identities >= 40 && knocks >= 40, "{identities} {knocks}");
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

/// All calls of the charger but heartbeats, by what links their answers. A page may be short: it is looked for only
/// for a while.
fn traces(scene: &Scene) -> Vec<String> {
    let (mut traces, mut before) = (Vec::new(), String::new());
    loop {
        let page = scene.get(&format!("/calls?charger=CP1&limit=1000{before}")).body;
        let calls = page["items"].as_array().unwrap().iter().filter(|call| call["action"] != "Heartbeat");
        traces.extend(calls.map(|call| call["trace"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_i64() else { return traces };
        before = format!("&before={next}");
    }
}

/// How many cells the log has as a table, and how many of them a spreadsheet would compute.
fn formulas(scene: &Scene) -> (usize, usize) {
    let answer = scene.page(&scene.session("anna"), "/chargers/CP1/logs.csv");
    let cells: Vec<&str> = answer.split("\",\"").collect();
    let is_formula = |cell: &&&str| {
        let starts = cell.trim_start_matches('"').trim_start_matches([' ', '\u{feff}']);
        let is_number = cell.trim_matches(['"', '\r', '\n']).parse::<i64>().is_ok();
        !is_number && starts.starts_with(['=', '+', '-', '@', '\t', '\r'])
    };
    assert!(cells.iter().any(|cell| cell.starts_with("'=HYPERLINK")), "they are there, and neutral");
    (cells.len(), cells.iter().filter(is_formula).count())
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
