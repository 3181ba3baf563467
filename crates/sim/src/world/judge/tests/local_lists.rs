//! The charger's list names cards by their numbers, as the plan of now says what backoffices call them.

use std::sync::Arc;

use engine::{Aliases, LocalList, Moment, Sharing};

use super::*;

fn plan(aliases: &[(&str, &str)]) -> Plan {
    let pairs = aliases.iter().map(|(card, alias)| ((*card).to_owned(), (*alias).to_owned())).collect();
    let sharing = Sharing { local_list: LocalList::Merge, ..Sharing::default() };
    let aliases = BTreeMap::from([("leader".into(), Arc::new(Aliases::new(pairs)))]);
    Plan { sharing, aliases, ..Plan::new("leader".into(), Vec::new()) }
}

fn list(tag: &str) -> String {
    format!(
        r#"{{"listVersion":1,"updateType":"Full","localAuthorizationList":[{{"idTag":"{tag}","idTagInfo":{{"status":"Accepted"}}}}]}}"#
    )
}

/// What is said of it when the leader has a list with its name for ANNA, and the charger has one with this card.
fn judged(court: &mut Court, card: &str) -> Option<String> {
    court.charger = Charger::new(ChargerSettings::default(), 1);
    court.charger.connected(Moment::default());
    court.charger.heard(Moment::default(), &format!(r#"[2,"x","SendLocalList",{}]"#, list(card)));
    court.judge.check_list(&court.charger)
}

#[test]
fn a_name_for_a_card_counts_as_long_as_the_plan_says_so() {
    let mut court = Court::of(plan(&[("ANNA", "ALIAS-ANNA")]));
    court.heard(&backoffice("leader"), &format!(r#"[2,"1","SendLocalList",{}]"#, list("ALIAS-ANNA")));
    court.did(&[to("leader", r#"[3,"1",{"status":"Accepted"}]"#)]);
    assert_eq!(judged(&mut court, "ANNA"), None);
    for wrong in ["ALIAS-ANNA", "BERT"] {
        assert!(judged(&mut court, wrong).is_some_and(|broken| broken.starts_with("A-41")), "{wrong}");
    }
    court.judge.plan_changed(Tick(0), Arc::new(plan(&[])));
    assert_eq!(judged(&mut court, "ALIAS-ANNA"), None);
    assert!(judged(&mut court, "ANNA").is_some_and(|broken| broken.starts_with("A-41")));
}

/// What is said of it when who led follows in this role by the time its list is accepted, and the charger has another.
fn accepted_under(role: Role) -> Option<String> {
    let mut court = Court::of(plan(&[]));
    court.heard(&backoffice("leader"), &format!(r#"[2,"1","SendLocalList",{}]"#, list("ANNA")));
    let followers = vec![Follower::new("leader".into(), role)];
    let sharing = plan(&[]).sharing;
    court.judge.plan_changed(Tick(0), Arc::new(Plan { sharing, ..Plan::new("follower".into(), followers) }));
    court.did(&[
        Effect::Note(Note::LeaderChanged { from: "leader".into(), to: "follower".into() }),
        to("leader", r#"[3,"1",{"status":"Accepted"}]"#),
    ]);
    judged(&mut court, "BERT")
}

#[test]
fn the_list_of_one_that_may_have_none_any_more_does_not_count() {
    assert!(accepted_under(Role::Control).is_some_and(|broken| broken.starts_with("A-41")));
    assert_eq!(accepted_under(Role::Observer), None);
}
