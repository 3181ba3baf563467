//! The leader is away: what the proxy may not say in its place, and who may not lead.

use engine::{Failover, OnLeaderLost, UnknownCards};

use super::*;

const BOOT: &str = r#"{"chargePointVendor":"V","chargePointModel":"M"}"#;
const BOOT_ACCEPTED: &str = r#"{"status":"Accepted","currentTime":"2026-11-22T12:00:00Z","interval":300}"#;
const TIME: &str = r#"{"currentTime":"2026-11-22T12:00:00Z"}"#;

fn seconds(seconds: u64) -> Tick {
    Tick(seconds * 1_000_000)
}

/// The leader has accepted the charger.
fn booted(outage: Outage) -> Court {
    let mut court = Court::under(outage);
    court.heard(&Side::Charger, &format!(r#"[2,"b","BootNotification",{BOOT}]"#));
    court.did(&[to("leader", &format!(r#"[2,"xb","BootNotification",{BOOT}]"#))]);
    court.heard(&backoffice("leader"), &format!(r#"[3,"xb",{BOOT_ACCEPTED}]"#));
    let note = note("BootNotification", BOOT, BOOT_ACCEPTED, Decider::Leader("leader".into()));
    assert!(court.did(&[to_charger(&format!(r#"[3,"b",{BOOT_ACCEPTED}]"#)), note]).is_empty());
    court
}

fn leader_goes(court: &mut Court) {
    court.judge.link_is(court.now, &backoffice("leader"), false);
    court.judge.check_waiting(court.now, &court.charger);
    assert!(court.judge.take_broken().is_empty());
}

/// The proxy answers a call of the charger's by a rule of its own.
fn stood_in(court: &mut Court, rule: &'static str, action: &str, request: &str, answer: &str) -> Vec<String> {
    court.heard(&Side::Charger, &format!(r#"[2,"1","{action}",{request}]"#));
    court.did(&[
        to_charger(&format!(r#"[3,"1",{answer}]"#)),
        note(action, request, answer, Decider::Proxy(rule)),
    ])
}

#[test]
fn nobody_answers_for_a_leader_that_is_there() {
    let rules = ["T-65", "T-66", "E16", "E17", "E18"];
    for rule in rules {
        let mut court = booted(Outage::default());
        accused(&stood_in(&mut court, rule, "Heartbeat", "{}", TIME), rule);
    }
    let mut court = booted(Outage::default());
    leader_goes(&mut court);
    assert!(stood_in(&mut court, "T-65", "Heartbeat", "{}", TIME).is_empty());
}

#[test]
fn a_leader_that_is_away_is_not_called_slow() {
    for is_away in [false, true] {
        let mut court = booted(Outage::default());
        if is_away {
            leader_goes(&mut court);
        }
        court.heard(&Side::Charger, r#"[2,"1","Heartbeat",{}]"#);
        court.now = seconds(10);
        let broken = court.did(&[
            to_charger(&format!(r#"[3,"1",{TIME}]"#)),
            note("Heartbeat", "{}", TIME, Decider::Proxy("E16")),
        ]);
        if is_away {
            accused(&broken, "E16: the proxy answered Heartbeat though leader is away");
        } else {
            assert!(broken.is_empty(), "{broken:?}");
        }
    }
}

#[test]
fn what_nobody_decided_is_not_said() {
    let start = r#"{"connectorId":1,"idTag":"A","meterStart":0,"timestamp":"t"}"#;
    let blocked = r#"{"idTagInfo":{"status":"Blocked"},"transactionId":2147483000}"#;
    let wrong = [
        ("Authorize", AUTHORIZE, ACCEPTED),
        ("Heartbeat", "{}", "{}"),
        ("BootNotification", BOOT, r#"{"status":"Accepted"}"#),
        ("StartTransaction", start, blocked),
        ("StopTransaction", r#"{"transactionId":1}"#, ACCEPTED),
        ("DataTransfer", r#"{"vendorId":"V"}"#, r#"{"status":"Accepted"}"#),
    ];
    for (action, request, answer) in wrong {
        let mut court = booted(Outage::default());
        leader_goes(&mut court);
        accused(&stood_in(&mut court, "T-65", action, request, answer), "T-65: in place of leader");
    }
    // Where the plan says so, and nothing is remembered, the card is accepted.
    let mut court = booted(Outage { unknown_cards: UnknownCards::Accept, ..Outage::default() });
    leader_goes(&mut court);
    assert!(stood_in(&mut court, "T-65", "Authorize", AUTHORIZE, ACCEPTED).is_empty());
}

#[test]
fn a_charger_that_nobody_accepted_is_not_accepted() {
    let mut court = Court::new();
    leader_goes(&mut court);
    let broken = stood_in(&mut court, "T-65", "BootNotification", BOOT, BOOT_ACCEPTED);
    accused(&broken, "T-65: in place of leader");
}

#[test]
fn a_charger_is_sent_away_only_by_a_plan_that_mirrors_and_after_the_grace() {
    let hang_up = [Effect::HangUp(Side::Charger, Reason::LeaderLost)];
    let mirror = || Outage {
        on_leader_lost: OnLeaderLost::Mirror,
        grace: Duration::from_secs(60),
        ..Outage::default()
    };
    for (outage, at, is_wrong) in
        [(Outage::default(), 100, true), (mirror(), 30, true), (mirror(), 61, false)]
    {
        let mut court = booted(outage);
        leader_goes(&mut court);
        court.now = seconds(at);
        let broken = court.did(&hang_up);
        if is_wrong {
            accused(&broken, "T-65: the charger was sent away");
        } else {
            assert!(broken.is_empty(), "{broken:?}");
        }
    }
    let mut court = booted(mirror());
    leader_goes(&mut court);
    court.judge.check_waiting(seconds(121), &court.charger);
    assert!(court.judge.take_broken().is_empty());
    court.judge.check_waiting(seconds(123), &court.charger);
    accused(&court.judge.take_broken(), "T-65: leader is away");
}

fn failover() -> Outage {
    let failover = Failover { to: vec!["observer".into()], after: Duration::from_secs(60), back_after: None };
    Outage { on_leader_lost: OnLeaderLost::Failover(failover), ..Outage::default() }
}

fn passes(court: &mut Court, to: &str) -> Vec<String> {
    court.did(&[Effect::Note(Note::LeaderChanged { from: "leader".into(), to: to.into() })])
}

#[test]
fn only_who_is_listed_and_there_leads_in_the_leaders_place() {
    let mut court = booted(Outage::default());
    leader_goes(&mut court);
    accused(&passes(&mut court, "observer"), "T-65: observer leads and may not");
    let mut court = booted(failover());
    leader_goes(&mut court);
    accused(&passes(&mut court, "follower"), "T-65: follower leads and is not listed");
    let mut court = booted(failover());
    leader_goes(&mut court);
    court.judge.link_is(court.now, &backoffice("observer"), false);
    accused(&passes(&mut court, "observer"), "T-65: observer leads and is not there");
    let mut court = booted(failover());
    leader_goes(&mut court);
    assert!(passes(&mut court, "observer").is_empty());
}

#[test]
fn a_lead_that_is_not_given_back_may_stay_until_the_charger_comes_again() {
    let mut court = booted(failover());
    assert!(court.judge.leads_at_rest(true));
    leader_goes(&mut court);
    passes(&mut court, "observer");
    assert!(court.judge.leads_at_rest(false));
    assert!(!court.judge.leads_at_rest(true));
    court.judge.plan_changed(court.now, Arc::new(Plan::new("leader".into(), vec![])));
    assert!(!court.judge.leads_at_rest(false));
}

#[test]
fn who_says_that_it_led_did() {
    let mut court = booted(failover());
    leader_goes(&mut court);
    let note = Note::LeaderChanged { from: "follower".into(), to: "observer".into() };
    let broken = court.did(&[Effect::Note(note)]);
    accused(&broken, "follower is said to have led");
}
