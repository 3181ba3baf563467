//! What `proxy.toml` says of card policies, grants and owners becomes part of the plan.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::{
    Availability, CardPolicy, Grant, LocalList, MergeReply, Missing, Plan, ProfilePurpose, Profiles,
    RefuseWith, Role, Scope, Sharing, Supply, TurnsOn, UndecidedStart, VerdictRule,
};

use super::read_in;

/// The plan of a rule with these followers and what follows them.
fn plan(followers: &[&str], more: &str) -> Arc<Plan> {
    let followers: Vec<String> = followers.iter().map(|text| format!("{{ backoffice = {text} }}")).collect();
    let text = format!(
        "[backoffices]\nvolt.url = \"wss://volt.example/{{charger}}\"\nbond.url = \"wss://bond.example/{{charger}}\"\n\
         [backoffices.acme]\nurl = \"wss://acme.example/{{charger}}\"\ncard_aliases = {{ 04AABBCC = \"DE-ABC-C1\" }}\n\
         [[chargers]]\nmatch = \"CP1\"\nleader = \"volt\"\nfollowers = [{}]\n{more}\n\
         [[chargers]]\nmatch = \"OTHERS\"\nleader = \"acme\"\nfollowers = [{{ backoffice = \"bond\" }}]\n",
        followers.join(", ")
    );
    let config = read_in(Path::new(""), &text).unwrap();
    assert_eq!(config.warnings, [], "{text}");
    config.routing.rule(&"CP1".into()).unwrap().plan.clone()
}

fn grant(follower: &str, sharing: &str) -> Grant {
    Grant::clone(&plan(&[follower], sharing).followers[0].grant)
}

#[test]
fn a_role_alone_is_its_preset() {
    for role in Role::ALL {
        let modes = if role == Role::Energy { "[chargers.sharing]\nprofiles = \"by_purpose\"" } else { "" };
        assert_eq!(grant(&format!("\"acme\", role = \"{}\"", role.label()), modes), Grant::of(role));
    }
    assert_eq!(grant("\"acme\"", ""), Grant::of(Role::Observer));
    let plan = plan(&["\"acme\""], "");
    assert_eq!((&plan.cards, &plan.sharing), (&CardPolicy::default(), &Sharing::default()));
}

#[test]
fn allow_and_deny_name_commands_and_classes() {
    let given = grant("\"acme\", allow = [\"Reset\", \"read\"], deny = [\"GetConfiguration\"]", "");
    assert_eq!(given.commands, ["GetCompositeSchedule", "Reset"].into());
    let session =
        grant("\"acme\", allow = [\"session\"], vendors = [\"v\"], sessions = \"own\"", "").commands;
    assert_eq!(session, ["DataTransfer", "RemoteStartTransaction", "RemoteStopTransaction"].into());
    let control =
        grant("\"acme\", role = \"control\", deny = [\"control\", \"trigger\", \"read\"]", "").commands;
    assert_eq!(
        control,
        ["DataTransfer", "Reset", "SignedUpdateFirmware", "UnlockConnector", "UpdateFirmware"].into()
    );
}

/// Whoever names what a command may be about need not name the command as well.
#[test]
fn what_a_command_may_be_about_grants_the_command() {
    let keys = grant("\"acme\", keys = [\"Light*\"]", "");
    assert_eq!(keys.commands, ["ChangeConfiguration"].into());
    assert!(keys.may_write("LightIntensity") && !keys.may_write("BlinkRepeat"));
    let vendors = grant("\"acme\", vendors = [\"com.example\"]", "");
    assert_eq!(vendors.commands, ["DataTransfer"].into());
    assert_eq!(vendors.vendors, Some(vec!["com.example".to_owned()]));
    let by_purpose = "[chargers.sharing]\nprofiles = \"by_purpose\"";
    let purposes = grant("\"acme\", purposes = [\"TxProfile\", \"TxDefaultProfile\"]", by_purpose);
    assert_eq!(purposes.purposes, [ProfilePurpose::Tx, ProfilePurpose::TxDefault].into());
    assert_eq!(purposes.commands, ["ClearChargingProfile", "SetChargingProfile"].into());
    let by_band = "[chargers.sharing]\nprofiles = \"by_band\"\nleader_stack_levels = \"0-2\"";
    let levels = grant("\"acme\", stack_levels = \"3\"", by_band);
    assert_eq!(levels.levels, Some(3..=3));
    assert_eq!(levels.commands, ["ClearChargingProfile", "SetChargingProfile"].into());
    // Who may set none leaves its role's purpose to the leader.
    let denied = grant("\"acme\", role = \"energy\", deny = [\"SetChargingProfile\"]", "");
    assert_eq!(denied.purposes, [].into());
}

#[test]
fn the_rest_of_a_grant_is_read() {
    let given = grant(
        "\"acme\", role = \"roaming\", sessions = \"all\", commands_per_minute = 10, refuse_with = \"callerror\"",
        "",
    );
    let roaming = Grant::of(Role::Roaming);
    let refuse_with = RefuseWith::CallError;
    assert_eq!(given, Grant { sessions: Scope::All, commands_per_minute: 10, refuse_with, ..roaming });
    assert_eq!(grant("\"acme\", role = \"control\", sessions = \"none\"", "").sessions, Scope::None);
}

#[test]
fn who_decides_about_cards_becomes_part_of_the_plan() {
    let followers = ["\"acme\", role = \"roaming\"", "\"bond\", role = \"control\""];
    let cards = |text: &str| plan(&followers, &format!("[chargers.cards]\n{text}")).cards.clone();
    let full = cards(
        "policy = \"ordered\"\ndeciders = [\"bond\", \"volt\"]\nnext_on = \"silence\"\nwait = \"2s\"\n\
         accept = [\"04AABB*\", \"04AA..04AF\"]\nroutes = [{ cards = [\"DE-ABC-*\"], backoffice = \"acme\" }]\n\
         fallback = [\"acme\"]\nundecided_start = \"refuse\"\nleader_may_stop_foreign = false",
    );
    assert_eq!(full.rule, VerdictRule::Ordered(TurnsOn::Silence));
    assert_eq!(full.deciders, ["bond".into(), "volt".into()]);
    assert_eq!(full.wait, Duration::from_secs(2));
    assert!(full.allow[0].matches("04aabbcc") && full.allow[1].matches("04AC"));
    assert!(full.routes[0].cards[0].matches("de-abc-1") && full.routes[0].backoffice.as_str() == "acme");
    assert_eq!(full.fallback, ["acme".into()]);
    assert_eq!((full.undecided_start, full.leader_may_stop_foreign), (UndecidedStart::Refuse, false));
    let rules = [
        ("policy = \"leader_only\"", VerdictRule::LeaderOnly),
        ("policy = \"any_accept\"\ndeciders = [\"volt\", \"bond\"]", VerdictRule::AnyAccept),
        ("policy = \"all_accept\"", VerdictRule::AllAccept(Missing::Refuse)),
        ("policy = \"all_accept\"\nmissing = \"ignore\"", VerdictRule::AllAccept(Missing::Ignore)),
        ("policy = \"ordered\"", VerdictRule::Ordered(TurnsOn::Refusal)),
        ("policy = \"first_answer\"\ndeciders = [\"bond\"]", VerdictRule::FirstAnswer),
    ];
    assert_eq!(rules.len(), 6);
    for (text, rule) in rules {
        assert_eq!(cards(text).rule, rule, "{text}");
    }
    assert_eq!(cards("undecided_start = \"accept\"").undecided_start, UndecidedStart::Accept);
}

#[test]
fn whose_is_what_becomes_part_of_the_plan() {
    let followers = ["\"acme\", role = \"control\"", "\"bond\", stack_levels = \"3-5\""];
    let by_band = "[chargers.sharing]\nprofiles = \"by_band\"\nleader_stack_levels = \"0-2\"";
    assert_eq!(plan(&followers, by_band).sharing.profiles, Profiles::ByBand(0..=2));
    let sharing = |text: &str| plan(&followers[..1], &format!("[chargers.sharing]\n{text}")).sharing.clone();
    let full = sharing(
        "profiles = \"composite\"\nvolts = 240\nphases = 1\nlocal_list = \"acme\"\navailability = \"merge\"\n\
         overruled = \"rejected\"\nleader_clears_all = true\nreset_in_foreign_session = false\n\
         status_from_memory = true",
    );
    let expected = Sharing {
        profiles: Profiles::Composite(Supply { volts: 240, phases: 1 }),
        local_list: LocalList::Of("acme".into()),
        availability: Availability::Merge(MergeReply::Rejected),
        leader_clears_all: true,
        reset_in_foreign_session: false,
        status_from_memory: true,
    };
    assert_eq!(full, expected);
    let merged = sharing("local_list = \"merge\"\navailability = \"merge\"");
    assert_eq!(merged.local_list, LocalList::Merge);
    assert_eq!(merged.availability, Availability::Merge(MergeReply::Accepted));
}

#[test]
fn other_numbers_of_cards_go_with_their_backoffice() {
    let with = plan(&["\"acme\"", "\"bond\""], "");
    let aliases = &with.aliases[&"acme".into()];
    assert_eq!(
        (aliases.of("04aabbcc"), aliases.meant_by("de-abc-c1")),
        (Some("DE-ABC-C1"), Some("04AABBCC"))
    );
    assert_eq!(with.aliases.len(), 1);
    assert!(plan(&["\"bond\""], "").aliases.is_empty(), "who is not there has none");
}
