//! Who has a value of its own is shown it; the leader's signs of life are the charger's.

use super::*;

/// What is said of it when a backoffice that was told that it has 60 is shown 300.
fn shown_another(court: &mut Court) -> Vec<String> {
    let read = r#"{"key":["HeartbeatInterval"]}"#;
    court.heard(&backoffice("follower"), &format!(r#"[2,"2","GetConfiguration",{read}]"#));
    let setting = r#"{"key":"HeartbeatInterval","readonly":false,"value":"300"}"#;
    court.did(&[to("follower", &format!(r#"[3,"2",{{"configurationKey":[{setting}]}}]"#))])
}

fn told_that_it_has_60() -> Court {
    let mut court = Court::new();
    let write = r#"{"key":"HeartbeatInterval","value":"60"}"#;
    court.heard(&backoffice("follower"), &format!(r#"[2,"1","ChangeConfiguration",{write}]"#));
    let broken = court.did(&[to("follower", r#"[3,"1",{"status":"Accepted"}]"#)]);
    assert!(!broken.iter().any(|what| what.starts_with("K-10")), "{broken:?}");
    court
}

fn of_settings(broken: &[String]) -> usize {
    broken.iter().filter(|what| what.contains("but its own value is")).count()
}

#[test]
fn what_is_not_its_own_is_noticed() {
    assert_eq!(of_settings(&shown_another(&mut told_that_it_has_60())), 1);
    // The session ends, and the next one is led as before.
    let mut court = told_that_it_has_60();
    court.judge.session_gone(Tick(0), false);
    court.judge.link_is(Tick(0), &backoffice("follower"), true);
    assert_eq!(of_settings(&shown_another(&mut court)), 1);
}

#[test]
fn who_leads_from_the_next_session_on_is_shown_the_chargers_signs_of_life() {
    let mut court = told_that_it_has_60();
    let led = vec![Follower::new("leader".into(), Role::Control)];
    court.judge.plan_changed(Tick(0), Arc::new(Plan::new("follower".into(), led)));
    assert_eq!(of_settings(&shown_another(&mut court)), 1, "it does not lead yet");
    court.judge.session_gone(Tick(0), false);
    court.judge.link_is(Tick(0), &backoffice("follower"), true);
    assert_eq!(of_settings(&shown_another(&mut court)), 0);
}

/// What is said of it at rest when a follower is told that it has 15, and the charger has what it came with.
fn accepted_under(role: Role) -> Option<String> {
    let mut court = Court::new();
    let write = r#"{"key":"MeterValueSampleInterval","value":"15"}"#;
    court.heard(&backoffice("follower"), &format!(r#"[2,"1","ChangeConfiguration",{write}]"#));
    let plan = Plan::new("leader".into(), vec![Follower::new("follower".into(), role)]);
    court.judge.plan_changed(Tick(0), Arc::new(plan));
    court.did(&[to("follower", r#"[3,"1",{"status":"Accepted"}]"#)]);
    court.judge.check_settings(&court.charger)
}

#[test]
fn who_may_want_nothing_any_more_is_owed_nothing() {
    assert!(accepted_under(Role::Control).is_some_and(|broken| broken.starts_with("§6.3")));
    assert_eq!(accepted_under(Role::Observer), None);
}

/// What is said of it when who led without being in the plan follows later, with this role in between, and is shown the
/// charger's value.
fn back_after_it_led(meanwhile: Option<Role>) -> usize {
    let mut court = Court::new();
    let follows = |role| vec![Follower::new("leader".into(), role)];
    let plan = |followers| Arc::new(Plan::new("follower".into(), followers));
    court.judge.plan_changed(Tick(0), plan(meanwhile.map(follows).unwrap_or_default()));
    let write = r#"{"key":"ClockAlignedDataInterval","value":"300"}"#;
    court.heard(&backoffice("leader"), &format!(r#"[2,"1","ChangeConfiguration",{write}]"#));
    court.did(&[
        to("leader", r#"[3,"1",{"status":"Accepted"}]"#),
        Effect::Note(Note::LeaderChanged { from: "leader".into(), to: "follower".into() }),
    ]);
    court.judge.plan_changed(Tick(0), plan(follows(Role::Control)));
    court.heard(&backoffice("leader"), r#"[2,"2","GetConfiguration",{"key":["ClockAlignedDataInterval"]}]"#);
    let setting = r#"{"key":"ClockAlignedDataInterval","readonly":false,"value":"0"}"#;
    of_settings(&court.did(&[to("leader", &format!(r#"[3,"2",{{"configurationKey":[{setting}]}}]"#))]))
}

#[test]
fn who_led_out_of_the_plan_has_nothing_of_its_own_later() {
    assert_eq!(back_after_it_led(None), 0);
    assert_eq!(back_after_it_led(Some(Role::Control)), 1);
}
