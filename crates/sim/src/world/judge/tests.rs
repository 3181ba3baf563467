//! The judge must not be blind: each promise broken on purpose is noticed.

mod cards;
mod late_verdicts;
mod local_lists;
mod outages;
mod settings;
mod wishes;

use std::sync::Arc;

use engine::{CallNote, Decider, Delivery, Follower, Note, Outage, Outcome, Record, Role, TraceId};

use super::*;
use crate::backoffice::{Backoffice, BackofficeSettings};
use crate::charger::ChargerSettings;
use crate::world::links::{Link, Member};
use crate::world::store::Kept;

const AUTHORIZE: &str = r#"{"idTag":"A"}"#;
const ACCEPTED: &str = r#"{"idTagInfo":{"status":"Accepted"}}"#;

struct Court {
    judge: Judge,
    charger: Charger,
    now: Tick,
}

fn backoffice(name: &str) -> Side {
    Side::Backoffice(name.into())
}

impl Court {
    fn new() -> Self {
        Self::under(Outage::default())
    }

    fn under(outage: Outage) -> Self {
        let followers = ["follower", "observer"].map(|name| {
            let role = if name == "observer" { Role::Observer } else { Role::Control };
            Follower::new(name.into(), role)
        });
        Self::of(Plan { outage, ..Plan::new("leader".into(), followers.into()) })
    }

    fn of(plan: Plan) -> Self {
        let mut judge = Judge::new(Arc::new(plan), Promises::default());
        for side in [Side::Charger, backoffice("leader"), backoffice("follower"), backoffice("observer")] {
            judge.link_is(Tick(0), &side, true);
        }
        Self { judge, charger: Charger::new(ChargerSettings::default(), 1), now: Tick(0) }
    }

    fn heard(&mut self, from: &Side, text: &str) {
        self.judge.heard(self.now, from, text);
    }

    fn did(&mut self, effects: &[Effect]) -> Vec<String> {
        self.judge.batch(self.now, effects, &self.charger, &Books(&BTreeMap::new()));
        self.judge.take_broken()
    }
}

fn to_charger(text: &str) -> Effect {
    Effect::SayToCharger(text.to_owned())
}

fn to(name: &str, text: &str) -> Effect {
    Effect::SayToBackoffice(name.into(), text.to_owned())
}

fn note(action: &str, payload: &str, answer: &str, decider: Decider) -> Effect {
    Effect::Note(Note::Call(Box::new(CallNote {
        trace: TraceId::try_from("01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned()).unwrap(),
        from: Side::Charger,
        action: action.into(),
        received_unix_ms: 0,
        payload: payload.into(),
        outcome: Outcome::Result(answer.into()),
        decider,
        latency_us: 0,
        leader: "leader".into(),
        flags: vec![],
    })))
}

#[track_caller]
fn accused(broken: &[String], rule: &str) {
    assert!(broken.len() == 1 && broken[0].starts_with(rule), "wanted one breach of {rule}: {broken:#?}");
}

#[test]
fn a_call_answered_as_the_leader_did_is_fine() {
    let mut court = Court::new();
    court.heard(&Side::Charger, &format!(r#"[2,"1","Authorize",{AUTHORIZE}]"#));
    assert!(court.did(&[to("leader", &format!(r#"[2,"x","Authorize",{AUTHORIZE}]"#))]).is_empty());
    court.heard(&backoffice("leader"), &format!(r#"[3,"x",{ACCEPTED}]"#));
    let answer = to_charger(&format!(r#"[3,"1",{ACCEPTED}]"#));
    let note = note("Authorize", AUTHORIZE, ACCEPTED, Decider::Leader("leader".into()));
    assert!(court.did(&[answer.clone(), note]).is_empty());
    accused(&court.did(&[answer]), "I-3");
}

#[test]
fn a_followers_answer_is_not_the_leaders() {
    let mut court = Court::new();
    court.heard(&Side::Charger, &format!(r#"[2,"1","Authorize",{AUTHORIZE}]"#));
    court.did(&[to("follower", &format!(r#"[2,"x","Authorize",{AUTHORIZE}]"#))]);
    court.heard(&backoffice("follower"), &format!(r#"[3,"x",{ACCEPTED}]"#));
    let answer = to_charger(&format!(r#"[3,"1",{ACCEPTED}]"#));
    let note = note("Authorize", AUTHORIZE, ACCEPTED, Decider::Leader("leader".into()));
    accused(&court.did(&[answer, note]), "I-2");
}

#[test]
fn an_answer_without_a_note_is_not_traceable() {
    let mut court = Court::new();
    court.heard(&Side::Charger, r#"[2,"1","Heartbeat",{}]"#);
    accused(&court.did(&[to_charger(r#"[3,"1",{}]"#)]), "I-8");
}

#[test]
fn silence_is_noticed() {
    let mut court = Court::new();
    court.heard(&Side::Charger, r#"[2,"1","Heartbeat",{}]"#);
    court.judge.check_waiting(Tick(30_000_000), &court.charger);
    assert!(court.judge.take_broken().is_empty());
    court.judge.check_waiting(Tick(32_000_000), &court.charger);
    accused(&court.judge.take_broken(), "I-3");
}

#[test]
fn one_call_at_a_time_and_each_id_once() {
    let mut court = Court::new();
    court.heard(&Side::Charger, r#"[2,"1","Heartbeat",{}]"#);
    assert!(court.did(&[to("leader", r#"[2,"x","Heartbeat",{}]"#)]).is_empty());
    accused(&court.did(&[to("leader", r#"[2,"y","Heartbeat",{}]"#)]), "F-21");
    court.heard(&backoffice("leader"), r#"[3,"y",{}]"#);
    accused(&court.did(&[to("leader", r#"[2,"x","Heartbeat",{}]"#)]), "F-10");
}

#[test]
fn a_changed_copy_is_noticed() {
    let mut court = Court::new();
    court.heard(&Side::Charger, &format!(r#"[2,"1","Authorize",{AUTHORIZE}]"#));
    accused(&court.did(&[to("follower", r#"[2,"x","Authorize",{ "idTag":"A"}]"#)]), "I-6");
}

#[test]
fn commands_are_asked_for_by_those_who_may() {
    let stop = r#"{"transactionId":5}"#;
    for (name, action, payload, rule) in [
        ("leader", "RemoteStopTransaction", stop, None),
        ("follower", "RemoteStopTransaction", stop, Some("T-67")),
        ("follower", "ClearCache", "{}", Some("I-4")),
        ("observer", "ClearCache", "{}", Some("I-4")),
        ("leader", "ChangeConfiguration", r#"{"key":"AuthorizationKey","value":"x"}"#, Some("I-7")),
    ] {
        let mut court = Court::new();
        court.heard(&backoffice(name), &format!(r#"[2,"9","{action}",{payload}]"#));
        let broken = court.did(&[to_charger(&format!(r#"[2,"x","{action}",{payload}]"#))]);
        match rule {
            Some(rule) => accused(&broken, rule),
            None => assert!(broken.is_empty(), "{broken:?}"),
        }
    }
}

#[test]
fn a_number_is_told_for_one_transaction_only() {
    let mut court = Court::new();
    for (id, meter) in [(1, 100), (2, 200)] {
        let start = format!(r#"{{"connectorId":1,"idTag":"A","meterStart":{meter},"timestamp":"t"}}"#);
        let given = r#"{"transactionId":7,"idTagInfo":{"status":"Accepted"}}"#;
        court.heard(&Side::Charger, &format!(r#"[2,"{id}","StartTransaction",{start}]"#));
        court.did(&[to("leader", &format!(r#"[2,"x{id}","StartTransaction",{start}]"#))]);
        court.heard(&backoffice("leader"), &format!(r#"[3,"x{id}",{given}]"#));
        let note = note("StartTransaction", &start, given, Decider::Leader("leader".into()));
        let answer = format!(r#"[3,"{id}",{given}]"#);
        let broken = court.did(&[to_charger(&answer), note]);
        assert!(broken.is_empty(), "before it leaves: {broken:?}");
        court.judge.delivered(&Side::Charger, &answer, &Kept::default());
        let broken = court.judge.take_broken();
        let twice = broken.iter().filter(|what| what.starts_with("I-4")).count();
        assert_eq!(twice, id - 1, "{broken:?}");
    }
}

#[test]
fn nothing_is_acknowledged_before_it_is_kept() {
    let mut court = Court::new();
    court.judge.delivered(&Side::Charger, r#"[3,"1",{"transactionId":7}]"#, &Kept::default());
    accused(&court.judge.take_broken(), "I-5");
    let start = r#"[2,"1","StartTransaction",{"connectorId":1}]"#;
    for name in ["leader", "follower"] {
        court.judge.delivered(&backoffice(name), start, &Kept::default());
        accused(&court.judge.take_broken(), "T-22");
    }
}

const EVENT: &str = r#"{"type":"SettingSystemTime","techInfo":"1"}"#;

/// The charger's security event is heard, and its answer leaves.
fn acknowledge_event(court: &mut Court, kept: &Kept) {
    court.heard(&Side::Charger, &format!(r#"[2,"1","SecurityEventNotification",{EVENT}]"#));
    court.did(&[to("leader", &format!(r#"[2,"x","SecurityEventNotification",{EVENT}]"#))]);
    court.heard(&backoffice("leader"), r#"[3,"x",{}]"#);
    let note = note("SecurityEventNotification", EVENT, "{}", Decider::Leader("leader".into()));
    assert!(court.did(&[to_charger(r#"[3,"1",{}]"#), note]).is_empty());
    court.judge.delivered(&Side::Charger, r#"[3,"1",{}]"#, kept);
}

/// The event of [`acknowledge_event`], to be told to both followers.
fn event_kept(parked: Option<&str>) -> Kept {
    let mut kept = Kept::default();
    for name in ["follower", "observer"] {
        kept.commit(vec![Record::Delivery(Box::new(Delivery {
            backoffice: name.into(),
            number: 1,
            trace: TraceId::try_from("01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned()).unwrap(),
            action: "SecurityEventNotification".to_owned(),
            payload: EVENT.to_owned(),
            transaction: None,
            recognised: None,
            queued_unix_ms: 0,
            attempts: 0,
            parked: parked.map(str::to_owned),
        }))]);
    }
    kept
}

fn give(court: &mut Court, name: &str, id: &str) -> Vec<String> {
    let text = format!(r#"[2,"{id}","SecurityEventNotification",{EVENT}]"#);
    let broken = court.did(&[to(name, &text)]);
    assert!(broken.is_empty(), "{broken:?}");
    court.judge.delivered(&backoffice(name), &text, &Kept::default());
    court.judge.take_broken()
}

#[test]
fn an_event_is_acknowledged_only_when_it_is_kept_for_every_follower() {
    let mut court = Court::new();
    acknowledge_event(&mut court, &Kept::default());
    accused(&court.judge.take_broken(), "I-5");
    let mut court = Court::new();
    acknowledge_event(&mut court, &event_kept(None));
    assert!(court.judge.take_broken().is_empty());
}

#[test]
fn who_has_missed_something_is_named() {
    let mut court = Court::new();
    acknowledge_event(&mut court, &event_kept(None));
    assert!(give(&mut court, "follower", "y").is_empty());
    court.heard(&backoffice("follower"), r#"[3,"y",{}]"#);
    let members = ["leader", "follower", "observer"].map(|name| {
        let settings = BackofficeSettings { name: name.to_owned(), ..BackofficeSettings::default() };
        let backoffice = Backoffice::new(settings, 1);
        (name.into(), Member { backoffice, away_until: Tick(0), link: Link::default() })
    });
    let members = BTreeMap::from(members);
    let missed = court.judge.missed(&Books(&members), &event_kept(None));
    assert!(missed.len() == 1 && missed[0].starts_with("observer was never given"), "{missed:?}");
    let parked = court.judge.missed(&Books(&members), &event_kept(Some("attempts_spent")));
    assert!(parked.is_empty(), "{parked:?}");
}

#[test]
fn what_was_booked_comes_again_only_after_a_crash() {
    let mut court = Court::new();
    acknowledge_event(&mut court, &event_kept(None));
    assert!(give(&mut court, "follower", "y").is_empty());
    court.heard(&backoffice("follower"), r#"[4,"y","InternalError","",{}]"#);
    assert!(give(&mut court, "follower", "z").is_empty());
    court.heard(&backoffice("follower"), r#"[3,"z",{}]"#);
    accused(&give(&mut court, "follower", "w"), "T-60");
    court.heard(&backoffice("follower"), r#"[3,"w",{}]"#);
    court.judge.records_lost(&Kept::default());
    assert!(give(&mut court, "follower", "v").is_empty());
}

#[test]
fn nothing_is_parked_without_a_reason() {
    for (why, rule) in
        [("attempts_spent", Some("T-58")), ("no_idea", Some("T-58")), ("start_was_not_booked", None)]
    {
        let mut court = Court::new();
        let kept = event_kept(Some(why));
        acknowledge_event(&mut court, &kept);
        let follower = "follower".into();
        for delivery in kept.parked(&follower) {
            court.judge.parked(&follower, delivery);
        }
        match rule {
            Some(rule) => accused(&court.judge.take_broken(), rule),
            None => assert!(court.judge.take_broken().is_empty()),
        }
    }
}

#[test]
fn links_that_are_down_are_left_alone() {
    let mut court = Court::new();
    court.judge.link_is(Tick(0), &backoffice("follower"), false);
    let broken = court.did(&[to("follower", r#"[2,"x","Heartbeat",{}]"#)]);
    assert!(broken.len() == 1 && broken[0].contains("link is down"), "{broken:?}");
    let broken = court.did(&[Effect::Dial("stranger".into())]);
    assert!(broken.len() == 1 && broken[0].contains("not in the plan"), "{broken:?}");
    let broken = court.did(&[Effect::Dial("leader".into())]);
    assert!(broken.len() == 1 && broken[0].contains("up or being dialed"), "{broken:?}");
}
