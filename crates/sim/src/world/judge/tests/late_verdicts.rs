//! A card that the leader refuses late: its transaction is stopped once, and no other is.

use engine::{LateReject, Moment};

use super::*;

const NUMBER: i64 = 2_147_483_000;

/// A transaction runs that the charger was answered in the leader's place, and the leader is back.
fn begun(outage: Outage) -> (Court, String) {
    let mut court = Court::under(outage);
    court.charger = Charger::new(ChargerSettings { authorizes: false, ..ChargerSettings::default() }, 1);
    let now = Moment::default();
    court.charger.connected(now);
    answer_next(&mut court, r#"{"status":"Accepted","currentTime":"2026-11-22T12:00:00Z","interval":300}"#);
    court.charger.present_card(now, 1, "A");
    court.judge.link_is(court.now, &backoffice("leader"), false);
    let given = format!(r#"{{"idTagInfo":{{"status":"Accepted"}},"transactionId":{NUMBER}}}"#);
    let start = loop {
        let (id, action, payload) = next_call(&mut court);
        if action != "StartTransaction" {
            court.charger.heard(now, &format!("[3,{id},{{}}]"));
            continue;
        }
        court.heard(&Side::Charger, &format!("[2,{id},\"StartTransaction\",{payload}]"));
        let note = note("StartTransaction", &payload, &given, Decider::Proxy("T-65"));
        let answer = format!("[3,{id},{given}]");
        assert!(court.did(&[to_charger(&answer), note]).is_empty());
        court.charger.heard(now, &answer);
        court.judge.delivered(&Side::Charger, &answer, &Kept::default());
        // Nothing is kept here; that is not what this is about.
        court.judge.take_broken();
        break payload;
    };
    court.judge.link_is(court.now, &backoffice("leader"), true);
    (court, start)
}

fn next_call(court: &mut Court) -> (String, String, String) {
    let text = court.charger.poll_frame().expect("it has something to say");
    match Frame::read(&text) {
        Some(Frame::Call { id, action, payload }) => (id.to_owned(), action.to_owned(), payload.to_owned()),
        _ => panic!("it was asked nothing, and says {text}"),
    }
}

fn answer_next(court: &mut Court, answer: &str) {
    let (id, ..) = next_call(court);
    court.charger.heard(Moment::default(), &format!("[3,{id},{answer}]"));
}

/// The leader is told of the start, and refuses the card.
fn refused(court: &mut Court, start: &str) {
    assert!(court.did(&[to("leader", &format!(r#"[2,"x","StartTransaction",{start}]"#))]).is_empty());
    court.heard(&backoffice("leader"), r#"[3,"x",{"transactionId":5,"idTagInfo":{"status":"Blocked"}}]"#);
}

fn stop(id: &str, number: i64) -> Effect {
    to_charger(&format!(r#"[2,"{id}","RemoteStopTransaction",{{"transactionId":{number}}}]"#))
}

#[test]
fn no_transaction_is_stopped_whose_card_was_not_refused() {
    let (mut court, start) = begun(Outage::default());
    accused(&court.did(&[stop("r", NUMBER)]), "T-67: the proxy stops 2147483000, whose card no leader");
    let (mut other, _) = begun(Outage::default());
    refused(&mut other, &start);
    accused(&other.did(&[stop("r", NUMBER - 1)]), "T-67: the proxy stops 2147482999, whose card no leader");
}

#[test]
fn a_transaction_whose_card_was_refused_is_stopped_once() {
    let (mut court, start) = begun(Outage::default());
    refused(&mut court, &start);
    assert!(court.did(&[stop("r1", NUMBER)]).is_empty());
    court.heard(&Side::Charger, r#"[3,"r1",{"status":"Rejected"}]"#);
    accused(&court.did(&[stop("r2", NUMBER)]), "T-67: the proxy stops 2147483000, which was stopped before");
}

#[test]
fn a_transaction_that_should_be_stopped_and_is_not_is_noticed() {
    for (outage, is_due) in
        [(Outage::default(), true), (Outage { late_reject: LateReject::Ignore, ..Outage::default() }, false)]
    {
        let (mut court, start) = begun(outage);
        refused(&mut court, &start);
        court.judge.check_waiting(Tick(89_000_000), &court.charger);
        assert!(court.judge.take_broken().is_empty());
        court.judge.check_waiting(Tick(91_000_000), &court.charger);
        let broken = court.judge.take_broken();
        if is_due {
            accused(&broken, "T-67: 2147483000 still runs");
        } else {
            assert!(broken.is_empty(), "{broken:?}");
        }
    }
}

#[test]
fn another_leader_than_the_one_in_whose_place_the_charger_was_answered_refuses_nothing() {
    let (mut court, start) = begun(Outage::default());
    court.judge.leader = "follower".into();
    assert!(court.did(&[to("follower", &format!(r#"[2,"x","StartTransaction",{start}]"#))]).is_empty());
    court.heard(&backoffice("follower"), r#"[3,"x",{"transactionId":5,"idTagInfo":{"status":"Blocked"}}]"#);
    court.judge.check_waiting(Tick(91_000_000), &court.charger);
    assert!(court.judge.take_broken().is_empty());
}
