//! What people read about a plan.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::actions::OCPP16;
use engine::{CardRoute, Follower, KeyPattern, Sharing, Supply};

use super::*;

fn plan(followers: &[(&str, Role)]) -> Plan {
    let followers = followers.iter().map(|(name, role)| Follower::new((*name).into(), *role)).collect();
    Plan::new("volt".into(), followers)
}

/// Every command that can be granted is said of somebody who may send it, and once.
#[test]
fn no_command_is_left_unsaid() {
    let by_rule = ["ChangeConfiguration", "ClearChargingProfile", "DataTransfer", "RemoteStopTransaction"];
    let more = ["SetChargingProfile", "UnlockConnector"];
    let said: Vec<&str> =
        COMMANDS.iter().flat_map(|(_, names)| names.iter().copied()).chain(by_rule).chain(more).collect();
    let grantable: BTreeSet<&str> = Role::ALL.iter().flat_map(|role| Grant::of(*role).commands).collect();
    assert_eq!(said.iter().copied().collect::<BTreeSet<_>>(), grantable);
    assert_eq!(said.len(), grantable.len());
    assert!(said.iter().all(|name| OCPP16.iter().any(|row| row.name == *name)));
}

#[test]
fn roles_are_told_as_what_they_allow() {
    let mut plan = plan(&[
        ("ems", Role::Energy),
        ("roam", Role::Roaming),
        ("care", Role::Maintenance),
        ("eye", Role::Observer),
    ]);
    plan.sharing.profiles = Profiles::ByPurpose;
    let said = |plan: &Plan, name: &str| may(plan, &name.into()).join("; ");
    let reads = "read its settings and charging limits; have it send a message now";
    let own = "set how often it hears of the charger and what is measured, for itself";
    assert_eq!(
        said(&plan, "ems"),
        format!("{reads}; {own}; limit charging: that of the whole charger (ChargePointMaxProfile)")
    );
    assert_eq!(
        said(&plan, "roam"),
        format!(
            "{reads}; start sessions; reserve connectors; {own}; end its own sessions; release the cables of its own \
             sessions"
        )
    );
    assert_eq!(
        said(&plan, "care"),
        format!(
            "{reads}; put connectors in and out of service; restart it; have its log uploaded and its certificates \
             listed (GetDiagnostics and GetLog only); install firmware; {own}"
        )
    );
    assert_eq!((said(&plan, "eye"), said(&plan, "volt")), (String::new(), String::new()));
    let grant = Arc::make_mut(&mut plan.followers[3].grant);
    grant.commands = ["ChangeConfiguration", "DataTransfer"].into();
    grant.keys = vec![KeyPattern::new("Light*"), KeyPattern::new("Blink")];
    grant.vendors = Some(vec!["com.example".to_owned()]);
    plan.sharing.local_list = LocalList::Of("eye".into());
    assert_eq!(
        said(&plan, "eye"),
        format!(
            "change the settings Light* and Blink, and {own}; send messages of com.example; write the charger's list of \
             cards"
        )
    );
}

#[test]
fn who_decides_about_cards_is_told_in_order() {
    let mut plan = plan(&[("acme", Role::Control), ("bond", Role::Roaming)]);
    let volt = BackofficeId::from("volt");
    assert_eq!(cards(&plan, &volt), ["volt, which is Leader, decides about every card."]);
    let rules = [
        (
            VerdictRule::AnyAccept,
            "About every card: it may charge as soon as volt or acme or bond accepts it. If nobody does, the Leader's refusal counts first.",
        ),
        (
            VerdictRule::AllAccept(Missing::Refuse),
            "About every card: it may charge only if volt, acme and bond accept it. Who does not answer counts as refusing.",
        ),
        (
            VerdictRule::AllAccept(Missing::Ignore),
            "About every card: it may charge only if volt, acme and bond accept it. Who does not answer has no say.",
        ),
        (
            VerdictRule::Ordered(TurnsOn::Refusal),
            "About every card decides the first of volt, acme and bond; where one refuses or does not answer, the next.",
        ),
        (
            VerdictRule::Ordered(TurnsOn::Silence),
            "About every card decides the first of volt, acme and bond; where one does not answer, the next.",
        ),
        (
            VerdictRule::FirstAnswer,
            "About every card decides whichever of volt, acme and bond answers first.",
        ),
    ];
    assert_eq!(rules.len(), 6);
    for (rule, sentence) in rules {
        plan.cards.rule = rule;
        assert_eq!(cards(&plan, &volt), [sentence]);
    }
    plan.cards.rule = VerdictRule::LeaderOnly;
    plan.cards.allow = vec![CardPattern::new("04AA*").unwrap()];
    let routed = vec![CardPattern::new("DE-*").unwrap(), CardPattern::new("NL-*").unwrap()];
    plan.cards.routes = vec![CardRoute { cards: routed, backoffice: "bond".into() }];
    plan.cards.fallback = vec!["acme".into()];
    plan.cards.leader_may_stop_foreign = false;
    assert_eq!(
        cards(&plan, &volt),
        [
            "The proxy itself accepts the cards 04AA*.",
            "bond decides about the cards DE-* and NL-*.",
            "volt, which is Leader, decides about every other card.",
            "While who is to decide is away, acme is believed.",
            "volt may not end sessions about whose card another decided.",
        ]
    );
}

#[test]
fn owners_are_told() {
    let mut plan = plan(&[("ems", Role::Energy)]);
    let volt = BackofficeId::from("volt");
    let limits = |plan: &Plan| sharing(plan, &volt)[0].1.clone();
    assert_eq!(
        sharing(&plan, &volt),
        [
            ("Charging limits", "volt alone sets them".to_owned()),
            ("List of cards", "volt writes it".to_owned()),
            ("Availability", "who commands last puts a connector in or out of service".to_owned()),
        ]
    );
    plan.sharing.profiles = Profiles::ByPurpose;
    assert_eq!(
        limits(&plan),
        "volt sets that of sessions in general (TxDefaultProfile) and that of a single session (TxProfile); ems sets \
         that of the whole charger (ChargePointMaxProfile)"
    );
    plan.sharing.profiles = Profiles::ByBand(0..=2);
    Arc::make_mut(&mut plan.followers[0].grant).levels = Some(3..=5);
    assert_eq!(limits(&plan), "volt has the stack levels 0 to 2; ems has 3 to 5");
    plan.sharing = Sharing {
        profiles: Profiles::Composite(Supply { volts: 230, phases: 3 }),
        local_list: LocalList::Merge,
        availability: Availability::Merge(MergeReply::Rejected),
        reset_in_foreign_session: false,
        ..Sharing::default()
    };
    let said: Vec<String> = sharing(&plan, &volt).into_iter().map(|(_, whose)| whose).collect();
    assert_eq!(
        said,
        [
            "everybody sets them, and the charger gets the lowest of all (230 V, 3 phases)",
            "the proxy writes it, from the lists of all; where two name a card, that of volt counts",
            "a connector is out of service as long as one wants so; who wants it back meanwhile is told Rejected",
            "not by volt while a session of another runs",
        ]
    );
}
