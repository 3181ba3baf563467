//! Checks what a rule of `[[chargers]]` says of what a charger has one of: charging profiles, the local list,
//! its availability (semantics §6.4, §5.7, §6.10).

use std::ops::RangeInclusive;

use engine::{Availability, Follower, LocalList, MergeReply, Profiles, Role, Sharing, Supply};

use super::check::Remarks;
use super::explain::{quoted, suggestion};
use super::grants::{item, levels};
use super::schema::{self, AvailabilityName, OverruledName, ProfilesName};
use super::source::Node;

/// What the rule says, or `None` when it cannot be used.
pub(crate) fn sharing(
    file: &schema::File,
    rule: &schema::ChargerRule,
    followers: &[Follower],
    node: &Node,
    remarks: &mut Remarks<'_>,
) -> Option<Sharing> {
    let table = node.get("sharing").unwrap_or(node);
    let profiles = profiles(&rule.sharing, followers, table, node, remarks);
    let local_list = local_list(file, rule, followers, table, remarks);
    warn_of_no_effect(&rule.sharing, rule, table, node, remarks);
    let reply = match rule.sharing.overruled {
        OverruledName::Accepted => MergeReply::Accepted,
        OverruledName::Rejected => MergeReply::Rejected,
    };
    Some(Sharing {
        profiles: profiles?,
        local_list: local_list?,
        availability: match rule.sharing.availability {
            AvailabilityName::Last => Availability::Last,
            AvailabilityName::Merge => Availability::Merge(reply),
        },
        leader_clears_all: rule.sharing.leader_clears_all,
        reset_in_foreign_session: rule.sharing.reset_in_foreign_session,
        status_from_memory: rule.sharing.status_from_memory,
    })
}

fn profiles(
    rule: &schema::SharingRule,
    followers: &[Follower],
    table: &Node,
    node: &Node,
    remarks: &mut Remarks<'_>,
) -> Option<Profiles> {
    warn_of_refused_profiles(rule.profiles, followers, node, remarks);
    match rule.profiles {
        ProfilesName::Leader => Some(Profiles::Leader),
        ProfilesName::ByPurpose => {
            if followers.iter().all(|follower| follower.grant.purposes.is_empty()) {
                let message = "profiles = \"by_purpose\", but every purpose is the leader's; give a follower \
                               purposes = [\"ChargePointMaxProfile\"] or the role \"energy\"";
                remarks.warning(table.place("profiles"), message);
            }
            each_purpose_has_one_owner(followers, node, remarks).then_some(Profiles::ByPurpose)
        }
        ProfilesName::ByBand => {
            let at = table.place("leader_stack_levels");
            let own = match &rule.leader_stack_levels {
                Some(text) => remarks.note(at, levels("leader_stack_levels", text)),
                None => {
                    let message = "profiles is \"by_band\", but leader_stack_levels is missing; for example \
                                   leader_stack_levels = \"0-2\"";
                    remarks.error(table.place("profiles"), message);
                    None
                }
            };
            let one_owner = each_level_has_one_owner(own.as_ref(), followers, node, remarks);
            own.filter(|_| one_owner).map(Profiles::ByBand)
        }
        ProfilesName::Composite => {
            Some(Profiles::Composite(Supply { volts: rule.volts, phases: rule.phases }))
        }
    }
}

/// An energy manager whose profiles are all refused is there for nothing.
fn warn_of_refused_profiles(
    profiles: ProfilesName,
    followers: &[Follower],
    node: &Node,
    remarks: &mut Remarks<'_>,
) {
    for (index, follower) in followers.iter().enumerate() {
        let item = item(node, index);
        let grant = &follower.grant;
        let manages_energy = follower.role == Role::Energy && grant.commands.contains("SetChargingProfile");
        let hint = match profiles {
            ProfilesName::Leader if item.get("purposes").is_none() && item.get("stack_levels").is_none() => {
                "are refused: with profiles = \"leader\" they are all the leader's; choose \"by_purpose\", \
                 \"by_band\" or \"composite\" in [chargers.sharing]"
            }
            ProfilesName::ByPurpose if grant.purposes.is_empty() => {
                "are refused: no purpose is its own; name some, for example purposes = [\"ChargePointMaxProfile\"]"
            }
            ProfilesName::ByBand if grant.levels.is_none() => {
                "are refused: no stack level is its own; name some, for example stack_levels = \"3-5\""
            }
            _ => continue,
        };
        if manages_energy {
            let name = quoted(follower.backoffice.as_str());
            remarks.warning(
                item.place("role"),
                format!("{name} manages energy, but its charging profiles {hint}"),
            );
        }
    }
}

fn each_purpose_has_one_owner(followers: &[Follower], node: &Node, remarks: &mut Remarks<'_>) -> bool {
    let mut valid = true;
    for (index, follower) in followers.iter().enumerate() {
        for purpose in &follower.grant.purposes {
            let other = followers[..index].iter().find(|other| other.grant.purposes.contains(purpose));
            let Some(other) = other else { continue };
            let item = item(node, index);
            let at = item.get("purposes").unwrap_or(item).span.start;
            let message = format!(
                "{} and {} would both own {}; a purpose has one owner: say with purposes = […] who has which, or \
                 choose profiles = \"composite\"",
                quoted(other.backoffice.as_str()),
                quoted(follower.backoffice.as_str()),
                purpose.label()
            );
            remarks.error(at, message);
            valid = false;
        }
    }
    valid
}

fn each_level_has_one_owner(
    leader: Option<&RangeInclusive<i64>>,
    followers: &[Follower],
    node: &Node,
    remarks: &mut Remarks<'_>,
) -> bool {
    let mut valid = true;
    let mut owned: Vec<(String, &RangeInclusive<i64>)> =
        leader.map(|levels| ("the leader".to_owned(), levels)).into_iter().collect();
    for (index, follower) in followers.iter().enumerate() {
        let Some(levels) = &follower.grant.levels else { continue };
        let name = quoted(follower.backoffice.as_str());
        let both =
            owned.iter().find(|(_, other)| levels.start() <= other.end() && other.start() <= levels.end());
        if let Some((other, theirs)) = both {
            let message = format!(
                "the stack levels {} of {name} overlap those of {other}, {}; a level has one owner: give them levels \
                 apart from each other",
                written(levels),
                written(theirs)
            );
            remarks.error(item(node, index).place("stack_levels"), message);
            valid = false;
        }
        owned.push((name, levels));
    }
    valid
}

fn written(levels: &RangeInclusive<i64>) -> String {
    format!("\"{}-{}\"", levels.start(), levels.end())
}

fn local_list(
    file: &schema::File,
    rule: &schema::ChargerRule,
    followers: &[Follower],
    table: &Node,
    remarks: &mut Remarks<'_>,
) -> Option<LocalList> {
    let name = rule.sharing.local_list.as_str();
    let what = quoted(name);
    let wrong = match followers.iter().find(|follower| follower.backoffice.as_str() == name) {
        _ if name == "leader" => return Some(LocalList::Leader),
        _ if name == "merge" => return Some(LocalList::Merge),
        Some(follower) if follower.role == Role::Observer => {
            format!("local_list names {what}, an observer, which writes nothing; give it another role")
        }
        Some(follower) => return Some(LocalList::Of(follower.backoffice.clone())),
        None if name == rule.leader => {
            format!("local_list names {what}, which leads here; write local_list = \"leader\"")
        }
        None if file.backoffices.contains_key(name) => {
            format!("local_list names {what}, which does not follow here; add it to followers")
        }
        None => {
            let names = followers.iter().map(|follower| follower.backoffice.as_str());
            let near = suggestion(name, names.chain(["leader", "merge"]));
            format!("local_list is {what}; it must be \"leader\", \"merge\" or the name of a follower{near}")
        }
    };
    remarks.error(table.place("local_list"), wrong);
    None
}

/// Whoever writes a key that has no effect expects one.
fn warn_of_no_effect(
    sharing: &schema::SharingRule,
    rule: &schema::ChargerRule,
    table: &Node,
    node: &Node,
    remarks: &mut Remarks<'_>,
) {
    let profiles = sharing.profiles;
    let mut needs = |table: &Node, key: &str, holds: bool, what: String| {
        if let Some(written) = table.entry(key).filter(|_| !holds) {
            let message = format!("{key} has no effect without {what}; write that, or remove {key}");
            remarks.warning(written.key_span.start, message);
        }
    };
    let mode = |name: ProfilesName| format!("profiles = {:?}", name.word());
    if node.get("sharing").is_some() {
        let by_band = ProfilesName::ByBand;
        needs(table, "leader_stack_levels", profiles == by_band, mode(by_band));
        for key in ["volts", "phases"] {
            needs(table, key, profiles == ProfilesName::Composite, mode(ProfilesName::Composite));
        }
        let merge = AvailabilityName::Merge;
        needs(table, "overruled", sharing.availability == merge, "availability = \"merge\"".to_owned());
    }
    for index in 0..rule.followers.len() {
        for (key, wanted) in [("purposes", ProfilesName::ByPurpose), ("stack_levels", ProfilesName::ByBand)] {
            let what = format!("{} in [chargers.sharing]", mode(wanted));
            needs(item(node, index), key, profiles == wanted, what);
        }
    }
}
