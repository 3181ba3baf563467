//! Every rung of semantics §5.8 and mixtures of them: `tests/cases.txt` holds what was logged and, word for
//! word, what a person is told. The notation is the one of `told`.

mod told;

use std::collections::BTreeSet;

use super::*;

const CASES: &str = include_str!("tests/cases.txt");

#[test]
fn a_person_is_told_what_happened_and_what_to_do() {
    let cases: Vec<&str> = CASES.split("\n== ").skip(1).collect();
    let mut causes = BTreeSet::new();
    let mut wrong = String::new();
    for case in &cases {
        let (logged, expected) = case.split_once("\n---\n").expect("a case has two parts");
        let verdict = explain(&told::facts(logged));
        let actual = told::rendered(&verdict);
        causes.insert(format!("{:?}", verdict.cause));
        if actual.trim() != expected.trim() {
            wrong.push_str(&format!("== {logged}\n---\n{actual}\n"));
        }
    }
    assert!(wrong.is_empty(), "these are told otherwise:\n{wrong}");
    assert_eq!(cases.len(), 83);
    assert_eq!(causes.len(), 22, "every cause has a case: {causes:?}");
}

#[test]
fn evidence_is_in_order_and_one_row_decides() {
    let logged = "refused\nask AB12\n12:02:00 ! charger_arrived charger\n12:03:04 Authorize AB12 -> leader Invalid; volt Accepted\n\
                  12:03:20 StatusNotification 1 Faulted GroundFailure";
    let verdict = explain(&told::facts(logged));
    let rows: Vec<(&str, bool)> =
        verdict.evidence.iter().map(|row| (row.sentence.as_str(), row.is_decisive)).collect();
    assert_eq!(
        rows,
        [
            ("The charger asked whether card AB12 may charge (Authorize).", false),
            ("acme (Leader) answered Invalid (the card is not known), after 40 ms.", true),
            ("volt (follower) answered Accepted (the card may charge), after 40 ms.", false),
            ("Connector 1 reported Faulted with GroundFailure.", false),
        ]
    );
    assert!(verdict.evidence.iter().all(|row| row.trace.is_some()));
}

#[test]
fn cards_that_were_turned_away_are_counted() {
    let facts = told::facts(
        "many\n12:03:04 Authorize AB12 -> leader Invalid\n12:05:04 Authorize AB12 -> leader Blocked\n\
         12:06:00 Authorize CD34 -> leader Accepted\n12:07:00 Authorize EF56 -> proxy E16 error GenericError\n\
         12:09:00 Authorize AB12 -> leader Accepted",
    );
    let cards: Vec<_> = turned_away(&facts.calls)
        .into_iter()
        .map(|card| (card.id_tag, card.times, card.told.unwrap_or_default(), card.is_accepted_since))
        .collect();
    let expected = [("EF56", 1, "GenericError", false), ("AB12", 2, "Blocked", true)];
    assert_eq!(
        cards,
        expected.map(|(tag, times, told, since)| (tag.to_owned(), times, told.to_owned(), since))
    );
}

#[test]
fn moments_can_be_left_to_a_page() {
    let mut facts = told::facts("refused\nask AB12\n12:03:04 Authorize AB12 -> leader Invalid");
    facts.marks_moments = true;
    let verdict = explain(&facts);
    let expected = [
        Ok("Rejected by acme, which is Leader: idTagInfo.status = Invalid at "),
        Err(facts.calls[0].received_unix_ms),
        Ok("."),
    ];
    assert_eq!(pieces(&verdict.sentence), expected);
}

#[test]
fn hostile_text_stays_text() {
    let tag = format!("<script>\\u0007{}", "x".repeat(500));
    let logged = format!("hostile\nask any\n12:03:04 Authorize {tag} -> leader error <b>Bad</b> \\u001b[31m");
    let verdict = explain(&told::facts(&logged));
    assert!(!verdict.sentence.chars().any(char::is_control), "{:?}", verdict.sentence);
    assert!(verdict.sentence.len() < 1_000, "{}", verdict.sentence.len());
    assert!(verdict.evidence.iter().all(|row| !row.sentence.chars().any(char::is_control)));
}
