//! What a plan says, in sentences: what a backoffice may do, who decides about cards, whose is what a charger has
//! one of (semantics §5.2, §6).

use engine::{
    Availability, BackofficeId, CardPattern, Grant, LocalList, MergeReply, Missing, Plan, ProfilePurpose,
    Profiles, Role, Scope, TurnsOn, VerdictRule,
};

use super::shown;

/// So many cards or keys are named.
const NAMED: usize = 8;

/// What commands are for, and which they are. What depends on more than the name has words of its own.
const COMMANDS: [(&str, &[&str]); 8] = [
    ("read its settings and charging limits", &["GetCompositeSchedule", "GetConfiguration"]),
    ("have it send a message now", &["ExtendedTriggerMessage", "TriggerMessage"]),
    ("start sessions", &["RemoteStartTransaction"]),
    ("reserve connectors", &["CancelReservation", "ReserveNow"]),
    ("put connectors in and out of service", &["ChangeAvailability"]),
    ("restart it", &["Reset"]),
    (
        "have its log uploaded and its certificates listed",
        &["GetDiagnostics", "GetInstalledCertificateIds", "GetLog"],
    ),
    ("install firmware", &["SignedUpdateFirmware", "UpdateFirmware"]),
];

/// What a follower may do at the charger, each as the end of "It may …"; empty when it may do nothing.
pub fn may(plan: &Plan, follower: &BackofficeId) -> Vec<String> {
    let Some(follower) = plan.follower(follower) else { return Vec::new() };
    let grant = &follower.grant;
    let mut may: Vec<String> = COMMANDS
        .iter()
        .filter_map(|(what, names)| {
            let granted: Vec<String> = names
                .iter()
                .filter(|name| grant.commands.contains(*name))
                .map(|name| (*name).to_owned())
                .collect();
            match granted.len() {
                0 => None,
                all if all == names.len() => Some((*what).to_owned()),
                _ => Some(format!("{what} ({} only)", list(&granted))),
            }
        })
        .collect();
    may.extend(settings(grant));
    may.extend(limits(plan, grant));
    may.extend(sessions(grant));
    if grant.commands.contains("DataTransfer") {
        match &grant.vendors {
            None => may.push("send messages of any manufacturer".to_owned()),
            Some(vendors) if vendors.is_empty() => {}
            Some(vendors) => may.push(format!("send messages of {}", named(vendors))),
        }
    }
    match &plan.sharing.local_list {
        LocalList::Of(owner) if *owner == follower.backoffice => {
            may.push("write the charger's list of cards".to_owned());
        }
        LocalList::Merge if follower.role != Role::Observer => {
            may.push("write a list of cards of its own".to_owned());
        }
        _ => {}
    }
    may
}

fn settings(grant: &Grant) -> Option<String> {
    grant.commands.contains("ChangeConfiguration").then(|| {
        let keys: Vec<String> = grant.keys.iter().map(|key| key.text().to_owned()).collect();
        let own = "set how often it hears of the charger and what is measured, for itself";
        if keys.is_empty() {
            own.to_owned()
        } else {
            format!("change the settings {}, and {own}", named(&keys))
        }
    })
}

fn limits(plan: &Plan, grant: &Grant) -> Option<String> {
    if !grant.commands.contains("SetChargingProfile") {
        return None;
    }
    match &plan.sharing.profiles {
        Profiles::Leader => None,
        Profiles::ByPurpose if grant.purposes.is_empty() => None,
        Profiles::ByPurpose => Some(format!("limit charging: {}", purposes(grant.purposes.iter().copied()))),
        Profiles::ByBand(_) => grant.levels.as_ref().map(|levels| {
            format!("limit charging at the stack levels {} to {}", levels.start(), levels.end())
        }),
        Profiles::Composite(_) => Some("limit charging; the lowest of all limits holds".to_owned()),
    }
}

fn sessions(grant: &Grant) -> Vec<String> {
    let mut may = Vec::new();
    if grant.commands.contains("RemoteStopTransaction") {
        match grant.sessions {
            Scope::All => may.push("end every session".to_owned()),
            Scope::Own => may.push("end its own sessions".to_owned()),
            Scope::None => {}
        }
    }
    if grant.commands.contains("UnlockConnector") {
        may.push(
            match grant.sessions {
                Scope::All => "release every cable",
                Scope::Own => "release the cables of its own sessions",
                Scope::None => "release cables where no session runs",
            }
            .to_owned(),
        );
    }
    may
}

/// Who decides about cards, a sentence each, in the order in which they are tried.
pub fn cards(plan: &Plan, leader: &BackofficeId) -> Vec<String> {
    let policy = &plan.cards;
    let mut said = Vec::new();
    if !policy.allow.is_empty() {
        said.push(format!("The proxy itself accepts the cards {}.", patterns(&policy.allow)));
    }
    for route in &policy.routes {
        said.push(format!("{} decides about the cards {}.", id(&route.backoffice), patterns(&route.cards)));
    }
    let every = if said.is_empty() { "every card" } else { "every other card" };
    let all: Vec<String> = plan.deciders().into_iter().map(id).collect();
    let (and, or) = (list(&all), all.join(" or "));
    said.push(match policy.rule {
        VerdictRule::LeaderOnly => format!("{}, which is Leader, decides about {every}.", id(leader)),
        _ if all.len() == 1 => format!("{and} decides about {every}."),
        VerdictRule::AnyAccept => {
            format!("About {every}: it may charge as soon as {or} accepts it. If nobody does, the Leader's refusal counts first.")
        }
        VerdictRule::AllAccept(missing) => {
            let silent = match missing {
                Missing::Refuse => "Who does not answer counts as refusing.",
                Missing::Ignore => "Who does not answer has no say.",
            };
            format!("About {every}: it may charge only if {and} accept it. {silent}")
        }
        VerdictRule::Ordered(on) => {
            let on = match on {
                TurnsOn::Refusal => "refuses or does not answer",
                TurnsOn::Silence => "does not answer",
            };
            format!("About {every} decides the first of {and}; where one {on}, the next.")
        }
        VerdictRule::FirstAnswer => format!("About {every} decides whichever of {and} answers first."),
    });
    if !policy.fallback.is_empty() {
        let names: Vec<String> = policy.fallback.iter().map(id).collect();
        let is = if names.len() == 1 { "is" } else { "are" };
        said.push(format!("While who is to decide is away, {} {is} believed.", list(&names)));
    }
    if !policy.leader_may_stop_foreign {
        said.push(format!("{} may not end sessions about whose card another decided.", id(leader)));
    }
    for (backoffice, _) in plan.aliases.iter().filter(|(backoffice, _)| plan.names(backoffice)) {
        said.push(format!("{} knows some cards by other numbers; the proxy translates.", id(backoffice)));
    }
    said
}

/// Whose is what a charger has one of: what it is, and whose.
pub fn sharing(plan: &Plan, leader: &BackofficeId) -> Vec<(&'static str, String)> {
    let sharing = &plan.sharing;
    let leads = id(leader);
    let list = match &sharing.local_list {
        LocalList::Leader => format!("{leads} writes it"),
        LocalList::Of(owner) => format!("{} writes it", id(owner)),
        LocalList::Merge => format!(
            "the proxy writes it, from the lists of all; where two name a card, that of {leads} counts"
        ),
    };
    let availability = match sharing.availability {
        Availability::Last => "who commands last puts a connector in or out of service".to_owned(),
        Availability::Merge(reply) => {
            let told = match reply {
                MergeReply::Accepted => "is told Accepted, and the wish is remembered",
                MergeReply::Rejected => "is told Rejected",
            };
            format!(
                "a connector is out of service as long as one wants so; who wants it back meanwhile {told}"
            )
        }
    };
    let mut said = vec![
        ("Charging limits", profiles(plan, leader)),
        ("List of cards", list),
        ("Availability", availability),
    ];
    if !sharing.reset_in_foreign_session {
        said.push(("Restart", format!("not by {leads} while a session of another runs")));
    }
    said
}

fn profiles(plan: &Plan, leader: &BackofficeId) -> String {
    let leads = id(leader);
    let others = || plan.followers.iter().filter(|follower| follower.backoffice != *leader);
    let mut owned: Vec<String> = Vec::new();
    match &plan.sharing.profiles {
        Profiles::Leader => return format!("{leads} alone sets them"),
        Profiles::Composite(supply) => {
            let (volts, phases) = (supply.volts, supply.phases);
            let phases = if phases == 1 { "1 phase".to_owned() } else { format!("{phases} phases") };
            return format!(
                "everybody sets them, and the charger gets the lowest of all ({volts} V, {phases})"
            );
        }
        Profiles::ByPurpose => {
            let taken =
                |purpose: &ProfilePurpose| others().any(|other| other.grant.purposes.contains(purpose));
            let rest = ProfilePurpose::ALL.into_iter().filter(|purpose| !taken(purpose));
            let owners =
                others().map(|other| (id(&other.backoffice), purposes(other.grant.purposes.iter().copied())));
            for (who, what) in std::iter::once((leads, purposes(rest))).chain(owners) {
                if !what.is_empty() {
                    owned.push(format!("{who} sets {what}"));
                }
            }
        }
        Profiles::ByBand(levels) => {
            owned.push(format!("{leads} has the stack levels {} to {}", levels.start(), levels.end()));
            for other in others() {
                if let Some(levels) = &other.grant.levels {
                    owned.push(format!(
                        "{} has {} to {}",
                        id(&other.backoffice),
                        levels.start(),
                        levels.end()
                    ));
                }
            }
        }
    }
    owned.join("; ")
}

fn purposes(purposes: impl Iterator<Item = ProfilePurpose>) -> String {
    let words: Vec<String> = purposes
        .map(|purpose| {
            let what = match purpose {
                ProfilePurpose::ChargePointMax => "of the whole charger",
                ProfilePurpose::TxDefault => "of sessions in general",
                ProfilePurpose::Tx => "of a single session",
            };
            format!("that {what} ({})", purpose.label())
        })
        .collect();
    list(&words)
}

fn patterns(patterns: &[CardPattern]) -> String {
    named(&patterns.iter().map(|pattern| pattern.text().to_owned()).collect::<Vec<_>>())
}

fn id(backoffice: &BackofficeId) -> String {
    shown(backoffice.as_str())
}

/// The first of them, and how many more there are.
fn named(names: &[String]) -> String {
    let mut shortened: Vec<String> = names.iter().take(NAMED).map(|name| shown(name)).collect();
    if names.len() > NAMED {
        shortened.push(format!("{} more", names.len() - NAMED));
    }
    list(&shortened)
}

fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests;
