//! A start is told what its Authorize was, also where that was remembered.

use engine::{CardPolicy, VerdictRule};

use super::*;

const INVALID: &str = r#"{"idTagInfo":{"status":"Invalid"}}"#;
const START: &str = r#"{"connectorId":1,"idTag":"A","meterStart":0,"timestamp":"t"}"#;

/// A second after the beginning, where the first answer decides.
fn first_answer() -> Court {
    let cards = CardPolicy { rule: VerdictRule::FirstAnswer, ..CardPolicy::default() };
    let followers = vec![Follower::new("follower".into(), Role::Control)];
    let mut court = Court::of(Plan { cards, ..Plan::new("leader".into(), followers) });
    court.judge.promises.cards_are_decided = true;
    court.now = Tick(1_000_000);
    court
}

/// The card was refused by the leader; the charger's answer is on its way.
fn refused() -> Court {
    let mut court = first_answer();
    court.heard(&Side::Charger, &format!(r#"[2,"1","Authorize",{AUTHORIZE}]"#));
    court.did(&[to("leader", &format!(r#"[2,"x","Authorize",{AUTHORIZE}]"#))]);
    court.heard(&backoffice("leader"), &format!(r#"[3,"x",{INVALID}]"#));
    let first = note("Authorize", AUTHORIZE, INVALID, Decider::Leader("leader".into()));
    let broken = court.did(&[to_charger(&format!(r#"[3,"1",{INVALID}]"#)), first]);
    assert!(broken.is_empty(), "{broken:?}");
    court
}

/// The card was refused by the leader, and is accepted now as a follower remembers to have said.
fn accepted_from_memory() -> Court {
    let mut court = refused();
    court.now = Tick(2_000_000);
    court.judge.link_is(court.now, &backoffice("leader"), false);
    court.heard(&Side::Charger, &format!(r#"[2,"2","Authorize",{AUTHORIZE}]"#));
    let remembered = flagged(note("Authorize", AUTHORIZE, ACCEPTED, Decider::Proxy("A-14")));
    let broken = court.did(&[to_charger(&format!(r#"[3,"2",{ACCEPTED}]"#)), remembered]);
    assert!(broken.is_empty(), "{broken:?}");
    court
}

fn flagged(note: Effect) -> Effect {
    let Effect::Note(Note::Call(mut call)) = note else { panic!("a note of a call") };
    call.flags.push("cache_on_outage");
    Effect::Note(Note::Call(call))
}

/// What is said of it when the start is told this.
fn started(court: &mut Court, status: &str) -> Vec<String> {
    let given = format!(r#"{{"transactionId":2147483000,"idTagInfo":{{"status":"{status}"}}}}"#);
    court.heard(&Side::Charger, &format!(r#"[2,"3","StartTransaction",{START}]"#));
    court.did(&[
        to_charger(&format!(r#"[3,"3",{given}]"#)),
        flagged(note("StartTransaction", START, &given, Decider::Proxy("A-14"))),
    ])
}

#[test]
fn what_was_remembered_is_what_the_start_is_told() {
    let broken = started(&mut accepted_from_memory(), "Accepted");
    assert!(broken.is_empty(), "{broken:?}");
    accused(&started(&mut accepted_from_memory(), "Invalid"), "A-5");
    accused(&started(&mut accepted_from_memory(), "Blocked"), "A-5");
}

#[test]
fn what_a_failed_store_held_back_decides_nothing() {
    let mut court = refused();
    court.judge.records_lost(&Kept::default());
    let broken = started(&mut court, "Accepted");
    assert!(broken.is_empty(), "{broken:?}");
    // What the charger has heard holds, whatever is lost later.
    let mut court = refused();
    court.judge.delivered(&Side::Charger, &format!(r#"[3,"1",{INVALID}]"#), &Kept::default());
    court.judge.records_lost(&Kept::default());
    accused(&started(&mut court, "Accepted"), "A-5");
}

#[test]
fn first_is_also_who_was_asked_later_and_answered_before() {
    // Who answers first, and whose verdict the charger is told: the leader accepts, the follower refuses.
    for (follower_is_first, told, rule) in [
        (true, INVALID, None),
        (true, ACCEPTED, None),
        (false, ACCEPTED, None),
        (false, INVALID, Some("§5.2")),
    ] {
        let mut court = first_answer();
        court.heard(&Side::Charger, &format!(r#"[2,"1","Authorize",{AUTHORIZE}]"#));
        court.did(&[to("leader", &format!(r#"[2,"x","Authorize",{AUTHORIZE}]"#))]);
        // It was still at something else.
        court.now = Tick(1_100_000);
        court.did(&[to("follower", &format!(r#"[2,"y","Authorize",{AUTHORIZE}]"#))]);
        let mut answers =
            [("leader", format!(r#"[3,"x",{ACCEPTED}]"#)), ("follower", format!(r#"[3,"y",{INVALID}]"#))];
        if follower_is_first {
            answers.reverse();
        }
        for (from, text) in answers {
            court.now = Tick(court.now.0 + 100_000);
            court.heard(&backoffice(from), &text);
        }
        let decider = match told == ACCEPTED {
            true => Decider::Leader("leader".into()),
            false => Decider::Follower("follower".into()),
        };
        let broken = court
            .did(&[to_charger(&format!(r#"[3,"1",{told}]"#)), note("Authorize", AUTHORIZE, told, decider)]);
        match rule {
            Some(rule) => accused(&broken, rule),
            None => assert!(broken.is_empty(), "{broken:?}"),
        }
    }
}
