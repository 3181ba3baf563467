//! Cards' numbers: a viewer gets none of them, on no page and in no answer; an operator all.

use std::io::{BufRead, BufReader};

use serde_json::json;

use crate::looks::pages;
use crate::scene::{REFUSED_CARD, Scene, Session};
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
        assert!(told.contains("04…F7"), "{told}");
        to_viewers.extend(shown(&told).into_iter().map(|card| format!("tail: {card}")));
        looked_at += 1;
    }
    let guesses = guesses(&scene, &viktor, &cards);

    to_operators.sort_unstable();
    to_operators.dedup();
    assert_eq!(to_operators.len(), cards.len(), "operators see them all: {to_operators:?}");
    figures::row(
        "S17",
        format!(
            "{} pages, answers, files and live tails asked for by a viewer after {} cards in {} calls; {} searches for a \
             number or its beginning, and for one like it that nobody has",
            figures::counted(looked_at),
            cards.len(),
            figures::counted(traces.len()),
            figures::counted(guesses.made)
        ),
        format!(
            "{} numbers shown, {} searches that tell right from wrong",
            to_viewers.len(),
            guesses.telling.len()
        ),
    );
    assert_eq!((to_viewers, guesses.telling), (Vec::<String>::new(), Vec::<String>::new()));
    assert!(guesses.made > 500, "{}", guesses.made);
    assert!(looked_at > 80, "{looked_at}");
}

struct Guesses {
    made: usize,
    /// Searches whose answer was another for a right guess than for a wrong one.
    telling: Vec<String>,
}

/// Every search that a viewer can make, for what he is not shown and for what is nobody's.
fn guesses(scene: &Scene, viktor: &Session, cards: &[&str]) -> Guesses {
    let pages = [
        "/chargers?q=",
        "/chargers/CP1/logs?q=",
        "/chargers/CP1/logs?id_tag=",
        "/chargers/CP1/logs.csv?q=",
        "/chargers/CP1/logs.csv?id_tag=",
        "/chargers/CP1/logs.ndjson?q=",
        "/chargers/CP1/logs.ndjson?id%5Ftag=",
        "/chargers/CP1/cards?id_tag=",
        "/chargers/CP1/transactions?id_tag=",
        "/transactions?id_tag=",
        "/chargers/CP1/tail?after=0&id_tag=",
    ];
    let answers = [
        "/chargers?q=",
        "/calls?charger=CP1&q=",
        "/calls?id_tag=",
        "/transactions?id_tag=",
        "/chargers/CP1/why?id_tag=",
        "/tail?id_tag=",
    ];
    // What is found, or that one may not ask so.
    let of_page = |path: &str, guess: &str| {
        let page = scene.page(viktor, &format!("{path}{guess}"));
        let status = page.split(' ').nth(1).unwrap_or_default().to_owned();
        (
            status,
            page.matches("/calls/").count(),
            page.matches("StartTransaction").count(),
            page.matches("CP1").count(),
        )
    };
    let of_answer = |path: &str, guess: &str| {
        let answer = scene.ask("GET", &format!("{path}{guess}"), Some(&scene.viewer), None);
        (answer.status, answer.body["items"].to_string())
    };
    let (mut made, mut telling) = (0, Vec::new());
    for card in cards {
        let beginnings: Vec<usize> = (4..=card.len()).collect();
        for length in beginnings.into_iter().rev().step_by(figures::scaled(1, 3)) {
            let right = &card[..length];
            let wrong = format!("{}Z", &right[..length - 1]);
            for path in pages {
                if of_page(path, right) != of_page(path, &wrong) {
                    telling.push(format!("{path}{right}"));
                }
                made += 2;
            }
            for path in answers {
                if of_answer(path, right) != of_answer(path, &wrong) {
                    telling.push(format!("{path}{right}"));
                }
                made += 2;
            }
        }
    }
    // With the address alone it is said what is wrong, and whoever may see numbers finds the calls.
    let (anna, path) = (scene.session("anna"), format!("/chargers/CP1/logs?id_tag={GOOD_CARD}"));
    assert!(scene.page(viktor, &path).contains("Only operators ask for a card by its number"));
    assert!(scene.page(&anna, &path).contains(GOOD_CARD));
    let (path, token) = (format!("/calls?id_tag={GOOD_CARD}"), Some(&*scene.viewer));
    assert_eq!(scene.ask("GET", &path, token, None).status, 403);
    assert!(!scene.get(&path).body["items"].as_array().unwrap().is_empty());
    Guesses { made, telling }
}
