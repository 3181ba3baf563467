//! Cards' numbers: a viewer gets none of them, on no page and in no answer; an operator all.

use std::io::{BufRead, BufReader};

use serde_json::json;

use crate::looks::pages;
use crate::scene::{REFUSED_CARD, Scene};
use crate::support::session::{self, GOOD_CARD};

/// The parent of a card, in an answer.
const PARENT: &str = "FEED0123456789AB";
/// A card in the text of an error.
const TOLD: &str = "0B5E55ED0DDBA11C";
/// A card in a message that only the two ends understand, and in a list.
const WITHIN: &str = "CAFE4455667788D0";

#[test]
fn figure_s17_viewers_see_no_card() {
    let scene = Scene::start();
    let mut charger = scene.charge("CP1");
    // In every other place where a card can be.
    let said = json!({"do": "set", "behaviour": {"answers": {
        "Authorize": {"idTagInfo": {"status": "Blocked", "parentIdTag": PARENT}},
        "DataTransfer": {"status": "Accepted", "data": format!("{{\"idTag\":\"{WITHIN}\"}}")},
    }}});
    assert!(scene.leader.cue(said).get("error").is_none());
    charger.call("Authorize", &json!({"idTag": GOOD_CARD}));
    charger.call("DataTransfer", &json!({"vendorId": "x", "data": WITHIN}));
    let said = json!({"do": "set", "behaviour": {
        "refuse": ["DataTransfer"], "refuse_as": ["GenericError", format!("the card {TOLD} is not known")],
    }});
    assert!(scene.leader.cue(said).get("error").is_none());
    let refused = charger.say("DataTransfer", &json!({"vendorId": "x"}));
    while charger.hear().unwrap().id != refused {}
    let last = charger.call(
        "StatusNotification",
        &json!({"connectorId": 2, "errorCode": "NoError", "status": "Available", "info": "the end"}),
    );
    assert_eq!(last, json!({}));
    session::start(&mut charger, GOOD_CARD);
    scene.proxy.wait_logged(&["CP1", "--search", "the end"], |_| true);
    scene.proxy.wait_logged(&["CP1", "--action", "StartTransaction"], |row| row["id_tag"] == GOOD_CARD);

    let mut paths: Vec<String> = pages(&scene, "CP1").into_iter().map(|(_, path)| path).collect();
    for below in [
        "logs?routine=show",
        "logs?action=Authorize",
        "logs?action=DataTransfer",
        "logs.csv",
        "logs.ndjson",
        "switch.csv?follower=acme",
        "cards?time=24h",
        "transactions?which=running",
    ] {
        paths.push(format!("/chargers/CP1/{below}"));
    }
    let calls = scene.get("/calls?charger=CP1&limit=1000").body;
    let traces: Vec<&str> =
        calls["items"].as_array().unwrap().iter().map(|call| call["trace"].as_str().unwrap()).collect();
    paths.extend(traces.iter().map(|trace| format!("/calls/{trace}")));
    paths.extend(traces.iter().map(|trace| format!("/chargers/CP1/cards?call={trace}")));
    let mut answers = vec![
        "/chargers".to_owned(),
        "/chargers/CP1".to_owned(),
        "/calls?charger=CP1&limit=1000".to_owned(),
        "/transactions".to_owned(),
        "/occurrences?charger=CP1".to_owned(),
        "/comparison?follower=acme".to_owned(),
        "/chargers/CP1/proxy".to_owned(),
        "/chargers/CP1/why".to_owned(),
        "/chargers/CP1/deliveries?backoffice=acme".to_owned(),
        "/entrance/knocking".to_owned(),
        "/entrance/chargers".to_owned(),
    ];
    answers.extend(traces.iter().map(|trace| format!("/chargers/CP1/why?attempt={trace}")));
    answers.extend(traces.iter().map(|trace| format!("/calls/{trace}")));

    let cards = [GOOD_CARD, REFUSED_CARD, PARENT, TOLD, WITHIN];
    let shown = |text: &str| -> Vec<&str> {
        let text = text.to_lowercase();
        cards.into_iter().filter(|card| text.contains(&card.to_lowercase())).collect()
    };
    let (anna, viktor) = (scene.session("anna"), scene.session("viktor"));
    let (mut to_viewers, mut to_operators, mut looked_at) = (Vec::new(), Vec::new(), 0);
    for path in &paths {
        // Whoever may only look sees in the address what he put there himself.
        let asked = path.replace(&format!("id_tag={REFUSED_CARD}"), "id_tag=");
        to_viewers
            .extend(shown(&scene.page(&viktor, &asked)).into_iter().map(|card| format!("{path}: {card}")));
        to_operators.extend(shown(&scene.page(&anna, path)));
        looked_at += 1;
    }
    for path in &answers {
        let ask = |token: &str| scene.ask("GET", path, Some(token), None).body.to_string();
        to_viewers.extend(shown(&ask(&scene.viewer)).into_iter().map(|card| format!("{path}: {card}")));
        to_operators.extend(shown(&ask(&scene.operator)));
        looked_at += 1;
    }
    // As it happens, too.
    let tails = [
        scene.open_page(&viktor, "/chargers/CP1/tail?after=0"),
        scene.request("GET", "/tail?charger=CP1", Some(&scene.viewer), "Last-Event-ID: 0\r\n", None),
    ];
    for tail in tails {
        let mut lines = BufReader::new(tail).lines().map(|line| line.expect("the tail goes on"));
        let mut told = String::new();
        while !told.contains("the end") {
            told += &lines.next().expect("the tail goes on");
        }
        assert!(told.contains("04A2…F7"), "{told}");
        to_viewers.extend(shown(&told).into_iter().map(|card| format!("tail: {card}")));
        looked_at += 1;
    }
    // Searching does not tell what is hidden; the whole number finds its calls.
    let search = |query: &str| {
        let found = scene.ask("GET", &format!("/calls?charger=CP1&{query}"), Some(&scene.viewer), None).body;
        found["items"].as_array().unwrap().len()
    };
    let (mut guesses, mut found) = (0, 0);
    for card in cards {
        for length in 4..card.len() {
            found += usize::from(search(&format!("q={}", &card[..length])) > 0);
            guesses += 1;
        }
    }
    assert!(search(&format!("id_tag={GOOD_CARD}")) > 0 && search(&format!("q={REFUSED_CARD}")) > 0);

    to_operators.sort_unstable();
    to_operators.dedup();
    assert_eq!(to_operators.len(), cards.len(), "operators see them all: {to_operators:?}");
    figures::row(
        "S17",
        format!(
            "{} pages, answers, files and live tails asked for by a viewer after {} cards in {} calls; {} searches for beginnings of their numbers",
            figures::counted(looked_at),
            cards.len(),
            figures::counted(traces.len()),
            figures::counted(guesses)
        ),
        format!("{} numbers shown, {} beginnings found", to_viewers.len(), found),
    );
    assert_eq!((to_viewers, found), (Vec::<String>::new(), 0));
    assert!(looked_at > 80, "{looked_at}");
}
