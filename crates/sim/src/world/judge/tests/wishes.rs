//! What one wants out of service is, as long as the plan names it or it leads.

use engine::{Availability, MergeReply, Sharing};

use super::*;

fn plan(leader: &str) -> Plan {
    let sharing = Sharing { availability: Availability::Merge(MergeReply::Accepted), ..Sharing::default() };
    Plan { sharing, ..Plan::new(leader.into(), Vec::new()) }
}

/// What is said of it that the charger is in service.
fn in_service(court: &Court) -> Vec<String> {
    court.judge.check_holdings(&court.charger, 0)
}

#[test]
fn a_wish_ends_with_the_lead_of_who_is_not_in_the_plan() {
    let mut court = Court::of(plan("leader"));
    court.judge.promises.merges_are_kept = true;
    court.judge.plan_changed(Tick(0), Arc::new(plan("other")));
    let wish = r#"{"connectorId":0,"type":"Inoperative"}"#;
    court.heard(&backoffice("leader"), &format!(r#"[2,"1","ChangeAvailability",{wish}]"#));
    court.did(&[to("leader", r#"[3,"1",{"status":"Accepted"}]"#)]);
    accused(&in_service(&court), "K-70");
    court.did(&[Effect::Note(Note::LeaderChanged { from: "leader".into(), to: "other".into() })]);
    assert!(in_service(&court).is_empty());
}
