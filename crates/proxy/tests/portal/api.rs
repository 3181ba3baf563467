//! The API: what it shows and does, who may, and whether its document tells the truth.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::scene::{REFUSED_CARD, Scene};
use crate::support::{charger::RawCharger, eventually, session, set_up};

/// The operations of the document, of which schemathesis is to try all but the endless one.
const OPERATIONS: usize = 22;

#[test]
fn a_program_learns_what_the_portal_shows_and_does_what_it_does() {
    let scene = Scene::start();
    let _charger = scene.charge("CP1");

    let chargers = scene.get("/chargers?q=cp");
    assert_eq!((chargers.status, chargers.content_type.as_str()), (200, "application/json"));
    let one = &chargers.body["items"][0];
    assert_eq!(
        (&one["charger"], &one["online"], &one["leader"], &one["vendor"], &one["model"]),
        (&json!("CP1"), &json!(true), &json!("volt"), &json!("Acme"), &json!("One"))
    );
    assert!(one["diverging_24h"].as_u64().unwrap() >= 2, "{one}");
    assert_eq!(scene.get("/chargers/cp1").body["charger"], "CP1");

    let calls = scene.get(&format!("/calls?charger=CP1&action=StartTransaction&id_tag={REFUSED_CARD}"));
    let call = &calls.body["items"][0];
    assert_eq!((&call["status"], &call["decided_by"]), (&json!("Invalid"), &json!("volt")), "{call:#}");
    let answers: Vec<_> =
        call["answers"].as_array().unwrap().iter().map(|answer| &answer["status"]).collect();
    assert_eq!(answers, [&json!("Invalid"), &json!("Accepted")]);
    let trace = call["trace"].as_str().unwrap();
    assert_eq!(scene.get(&format!("/calls/{trace}")).body, *call);

    let why = scene.get(&format!("/chargers/CP1/why?id_tag={REFUSED_CARD}"));
    assert_eq!(why.body["who_decided"], json!({"kind": "leader", "backoffice": "volt"}), "{:#}", why.body);
    assert!(why.body["sentence"].as_str().unwrap().contains("volt"), "{:#}", why.body);
    assert_eq!(why.body["next"]["whitelist"], json!({"id_tag": REFUSED_CARD, "backoffice": "volt"}));

    let comparison = scene.get("/comparison?charger=CP1&follower=acme").body;
    assert_eq!(comparison["cards"][0]["id_tag"], REFUSED_CARD, "{comparison:#}");

    let transactions = scene.get("/transactions?charger=CP1").body;
    let closed =
        transactions["items"].as_array().unwrap().iter().find(|one| one["charger_number"] == 501).unwrap();
    assert_eq!((&closed["state"], &closed["energy_wh"]), (&json!("closed"), &json!(4000)), "{closed:#}");
    let numbers: Vec<_> =
        closed["backoffices"].as_array().unwrap().iter().map(|one| &one["number"]).collect();
    assert_eq!(numbers, [&json!(7001), &json!(501)], "{closed:#}");

    let happened = scene.get("/occurrences?charger=CP1").body;
    assert!(
        happened["items"].as_array().unwrap().iter().any(|one| one["kind"] == "charger_arrived"),
        "{happened:#}"
    );

    let proxy = scene.get("/chargers/CP1/proxy").body;
    let servers: Vec<_> = proxy["session"]["backoffices"].as_array().unwrap().iter().collect();
    assert_eq!(servers.len(), 2);
    assert_eq!(
        (&servers[0]["backoffice"], &servers[0]["leads"]),
        (&json!("volt"), &json!(true)),
        "{proxy:#}"
    );
    assert_eq!(scene.get("/chargers/CP1/deliveries?backoffice=acme").body, json!({"items": []}));
    let retried = json!({"backoffice": "acme"});
    let retried = scene.ask("POST", "/chargers/CP1/deliveries/retry", Some(&scene.operator), Some(&retried));
    assert_eq!(retried.body, json!({"affected": 0, "pending": false}));
}

#[test]
fn a_program_changes_the_leader_and_takes_that_back() {
    let scene = Scene::start();
    let mut charger = scene.charge("CP1");
    let new = json!({"leader": "acme", "reason": "acme takes over billing"});
    let path = "/chargers/CP1/leader";

    let refused = scene.ask("PUT", path, Some(&scene.viewer), Some(&new));
    assert_eq!((refused.status, refused.content_type.as_str()), (403, "application/problem+json"));
    assert!(refused.body["remedy"].as_str().unwrap().contains("operator"), "{:#}", refused.body);

    let done = scene.ask("PUT", path, Some(&scene.operator), Some(&new));
    assert_eq!(done.status, 200, "{:#}", done.body);
    let chosen = &done.body["plan"]["chosen"];
    assert_eq!(
        (&chosen["leader"], &chosen["by"], &chosen["in_force"]),
        (&json!("acme"), &json!("test-operator"), &json!(true))
    );
    assert_eq!(done.body["history"][0]["reason"], "acme takes over billing");
    scene.proxy.wait_logged(&["CP1", "--action", "leader_changed"], |row| row.to_string().contains("acme"));
    let accepted = charger.call("Authorize", &json!({"idTag": REFUSED_CARD}));
    assert_eq!(accepted, json!({"idTagInfo": {"status": "Accepted"}}), "acme's answers count now");

    let unknown = json!({"leader": "nobody", "reason": "x"});
    let conflict = scene.ask("PUT", path, Some(&scene.operator), Some(&unknown));
    assert_eq!(conflict.status, 409, "{:#}", conflict.body);
    assert!(conflict.body["detail"].as_str().unwrap().contains("acme"), "{:#}", conflict.body);

    let back = scene.ask("DELETE", &format!("{path}?reason=tried"), Some(&scene.operator), None);
    assert_eq!((back.status, &back.body["plan"]["leader"]), (200, &json!("volt")), "{:#}", back.body);
    assert_eq!(back.body["plan"]["chosen"], json!(null));
}

#[test]
fn nobody_gets_in_without_a_token_and_every_refusal_names_its_remedy() {
    let scene = Scene::start();
    let mut tried = 0;
    for token in [None, Some(""), Some("opx_guessed"), Some(&*format!("{}x", scene.viewer))] {
        for (method, path) in [
            ("GET", "/chargers"),
            ("GET", "/tail"),
            ("GET", "/calls?limit=0"),
            ("PUT", "/chargers/CP1/leader"),
        ] {
            let answer = scene.ask(method, path, token, None);
            assert_eq!(
                (answer.status, answer.content_type.as_str()),
                (401, "application/problem+json"),
                "{method} {path}"
            );
            assert!(answer.head.to_ascii_lowercase().contains("www-authenticate: bearer"), "{}", answer.head);
            tried += 1;
        }
    }
    assert_eq!(tried, 16);
    for (method, path, status) in [
        ("GET", "/nowhere", 404),
        ("GET", "/chargers/CP404", 404),
        ("GET", "/calls/nonsense", 404),
        ("GET", "/calls?limit=0", 400),
        ("GET", "/calls?limt=1", 400),
        ("GET", "/calls?limit=1&limit=2", 400),
        ("GET", "/chargers/%FF", 400),
        ("GET", "/comparison", 400),
        ("DELETE", "/chargers", 405),
        ("PUT", "/chargers/CP1/leader", 415),
    ] {
        let answer = scene.ask(method, path, Some(&scene.operator), None);
        assert_eq!(
            (answer.status, answer.content_type.as_str()),
            (status, "application/problem+json"),
            "{method} {path}"
        );
        for field in ["title", "detail", "remedy"] {
            assert!(
                answer.body[field].as_str().is_some_and(|text| !text.is_empty()),
                "{method} {path}: {:#}",
                answer.body
            );
        }
    }
}

#[test]
fn pages_of_calls_lead_from_one_to_the_next() {
    let scene = Scene::start();
    let mut charger = RawCharger::connect(scene.proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    for _ in 0..25 {
        charger.call("Heartbeat", &json!({}));
    }
    let last = charger.call("DataTransfer", &json!({"vendorId": "the last one"}));
    assert_eq!(last["status"], "Accepted");
    scene.proxy.wait_logged(&["CP1", "--action", "DataTransfer"], |_| true);
    let (mut path, mut seen, mut pages) = ("/calls?charger=CP1&limit=10".to_owned(), Vec::new(), 0);
    loop {
        let page = scene.get(&path).body;
        seen.extend(page["items"].as_array().unwrap().iter().map(|call| call["seq"].as_i64().unwrap()));
        pages += 1;
        let Some(next) = page["next"].as_i64() else { break };
        path = format!("/calls?charger=CP1&limit=10&before={next}");
    }
    assert_eq!(seen.len(), 30, "boot, status, 26 heartbeats, card, data");
    assert!(pages >= 3);
    assert!(seen.is_sorted_by(|one, next| one > next), "the newest first, none twice: {seen:?}");
}

#[test]
fn the_live_tail_tells_every_entry_and_goes_on_where_it_broke_off() {
    let scene = Scene::start();
    let mut charger = scene.charge("CP1");
    let open = |headers: &str| {
        let socket =
            scene.request("GET", "/tail?charger=CP1&action=DataTransfer", Some(&scene.viewer), headers, None);
        BufReader::new(socket).lines().map(|line| line.expect("the stream goes on"))
    };
    let mut lines = open("");
    let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    assert!(head[0].contains(" 200 "), "{head:?}");
    assert!(head.iter().any(|line| line.eq_ignore_ascii_case("content-type: text/event-stream")), "{head:?}");
    charger.call("DataTransfer", &json!({"vendorId": "one"}));
    let first = event(&mut lines);
    assert_eq!((first.name.as_str(), &first.data["call"]["action"]), ("call", &json!("DataTransfer")));
    assert!(first.data["call"]["payload"].as_str().unwrap().contains("one"));
    assert_eq!(first.data["kind"], "call");
    drop(lines);

    charger.call("DataTransfer", &json!({"vendorId": "two"}));
    let mut lines = open(&format!("Last-Event-ID: {}\r\n", first.id));
    loop {
        let heard = event(&mut lines);
        assert!(heard.id.parse::<i64>().unwrap() > first.id.parse().unwrap(), "nothing twice");
        if heard.name == "call" {
            assert!(heard.data["call"]["payload"].as_str().unwrap().contains("two"), "{:#}", heard.data);
            break;
        }
    }
}

/// An event of a stream of server-sent events.
struct Event {
    name: String,
    id: String,
    data: Value,
}

fn event(lines: &mut impl Iterator<Item = String>) -> Event {
    let (mut name, mut id, mut data) = (String::new(), String::new(), String::new());
    for line in lines {
        match line.split_once(": ") {
            Some(("event", value)) => name = value.to_owned(),
            Some(("id", value)) => id = value.to_owned(),
            Some(("data", value)) => data += value,
            _ if line.is_empty() && !data.is_empty() => break,
            _ => {}
        }
    }
    Event { name, id, data: serde_json::from_str(&data).expect("JSON") }
}

#[test]
fn every_answer_is_as_the_document_says() {
    let scene = Scene::start();
    let _charger = scene.charge("CP1");
    let document = scene.ask("GET", "/openapi.json", None, None);
    let paths = document.body["paths"].as_object().unwrap();
    assert_eq!(paths.values().map(|methods| methods.as_object().unwrap().len()).sum::<usize>(), OPERATIONS);

    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(set_up("OCPP_PROXY_TEST_PYTHON"))
        .args(["-m", "schemathesis.cli", "run", &scene.url("/api/v1/openapi.json")])
        // The live tail never ends; it has a test of its own.
        .args(["--exclude-path", "/api/v1/tail"])
        .args(["--header", &format!("Authorization: Bearer {}", scene.operator)])
        .args(["--checks", "all", "--max-examples", "25", "--seed", "16"])
        .args(["--generation-database", "none", "--no-color", "--request-timeout", "20"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("schemathesis starts; `cargo xtask test` installs it");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let tried = OPERATIONS - 1;
    assert!(told.contains(&format!("Tested: {tried}\n")), "not all were tried:\n{told}");
    // The program lives, and so does what it holds.
    assert_eq!(scene.get("/chargers/CP1").body["online"], true);
}

#[test]
fn an_edit_that_is_not_valid_is_told_until_it_is_mended() {
    let scene = Scene::start();
    assert_eq!(scene.get("/configuration").body, json!({"refused": null}));
    let path = scene.proxy.config();
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{good}\n[[chargers]]\nmach = \"X-*\"\n")).unwrap();
    let told = |is_refused: bool| {
        eventually("the edit to be told of", || {
            let answer = scene.get("/configuration").body;
            (answer["refused"].is_object() == is_refused).then_some(answer)
        })
    };
    let refused = told(true);
    let errors = refused["refused"]["errors"].as_array().unwrap();
    assert!(errors[1]["message"].as_str().unwrap().contains("unknown key \"mach\""), "{refused}");
    assert_eq!(
        scene.ask("GET", "/configuration", Some(&scene.viewer), None).body["refused"]["errors"],
        Value::Null
    );
    std::fs::write(&path, good).unwrap();
    told(false);
}
