//! Checks the followers of a rule of `[[chargers]]`: who they are and what they may do (semantics §6.1).

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use engine::actions::{Action, Class, OCPP16, known};
use engine::session::{PLUG_AND_CHARGE, is_never_forwarded, is_virtual};
use engine::{Follower, Grant, KeyPattern, ProfilePurpose, RefuseWith, Role, Scope};

use super::check::Remarks;
use super::explain::{quoted, suggestion};
use super::plan::check_name;
use super::schema::{self, PurposeName, RefuseWithName, RoleName, ScopeName};
use super::source::Node;

/// The followers in the order of the file, and whether all of them can be used. One that cannot is there all the
/// same: what is wrong with what names it is found, too.
pub(crate) fn followers(
    file: &schema::File,
    rule: &schema::ChargerRule,
    node: &Node,
    remarks: &mut Remarks<'_>,
) -> (Vec<Follower>, bool) {
    let mut valid = true;
    let mut followers: Vec<Follower> = Vec::new();
    for (index, follower) in rule.followers.iter().enumerate() {
        let name = &follower.backoffice;
        let item = item(node, index);
        let at = item.place("backoffice");
        valid &= check_name(file, "backoffice", name, at, remarks);
        if *name == rule.leader {
            remarks.error(at, format!("{} leads here already; a backoffice leads or follows", quoted(name)));
            valid = false;
        } else if followers.iter().any(|follower| follower.backoffice.as_str() == name) {
            remarks.error(at, format!("{} follows here already; name each backoffice once", quoted(name)));
            valid = false;
        }
        let grant = grant(follower, item, remarks);
        valid &= grant.is_some();
        let role = role(follower.role);
        let grant = Arc::new(grant.unwrap_or_else(|| Grant::of(role)));
        followers.push(Follower { backoffice: name.as_str().into(), role, grant });
    }
    valid &= each_key_has_one_writer(&followers, node, remarks);
    (followers, valid)
}

/// Where a follower stands in its rule.
pub(crate) fn item(rule: &Node, index: usize) -> &Node {
    rule.get("followers").and_then(|list| list.item(index)).unwrap_or(rule)
}

/// Levels from the lowest to the highest, `"3-5"`, or a single one.
pub(crate) fn levels(key: &str, found: &str) -> Result<RangeInclusive<i64>, String> {
    let (low, high) = found.split_once('-').unwrap_or((found, found));
    let read = |text: &str| text.trim().parse::<i64>().ok().filter(|level| *level >= 0);
    match (read(low), read(high)) {
        (Some(low), Some(high)) if low <= high => Ok(low..=high),
        _ => Err(format!(
            "{key} is {}; it must be the lowest and the highest stack level, such as \"3-5\"",
            quoted(found)
        )),
    }
}

/// What the role grants, and what the rule adds and takes.
fn grant(rule: &schema::FollowerRule, node: &Node, remarks: &mut Remarks<'_>) -> Option<Grant> {
    let mut grant = Grant::of(role(rule.role));
    let allowed = commands("allow", &rule.allow, node, remarks);
    let denied = commands("deny", &rule.deny, node, remarks);
    let both = rule.deny.iter().enumerate().find(|(_, word)| rule.allow.contains(word));
    if let Some((index, word)) = both {
        let message = format!("deny names {}, which allow names, too; remove one of them", quoted(word));
        remarks.error(place(node, "deny", index), message);
    }
    let keys = keys(rule, node, remarks);
    let vendors = vendors(rule, node, remarks);
    let levels = match &rule.stack_levels {
        None => Some(None),
        Some(text) => remarks.note(node.place("stack_levels"), levels("stack_levels", text)).map(Some),
    };
    grant.commands.extend(allowed?);
    grant.keys = keys?;
    grant.levels = levels?;
    // Whoever names what a command may be about grants the command.
    if !grant.keys.is_empty() {
        grant.commands.insert("ChangeConfiguration");
    }
    if let Some(vendors) = vendors? {
        if !vendors.is_empty() {
            grant.commands.insert("DataTransfer");
        }
        grant.vendors = Some(vendors);
    }
    if let Some(purposes) = &rule.purposes {
        grant.purposes = purposes.iter().map(|name| purpose(*name)).collect();
    }
    if rule.purposes.as_ref().is_some_and(|purposes| !purposes.is_empty()) || grant.levels.is_some() {
        grant.commands.extend(["SetChargingProfile", "ClearChargingProfile"]);
    }
    let denied = denied?;
    grant.commands.retain(|name| !denied.contains(name));
    if let Some(sessions) = rule.sessions {
        grant.sessions = scope(sessions);
    }
    warn_of_no_effect(rule, &grant, node, remarks);
    if !grant.commands.contains("SetChargingProfile") {
        // What it cannot set is not its own, or nobody could set it.
        grant.purposes.clear();
        grant.levels = None;
    }
    grant.commands_per_minute = rule.commands_per_minute;
    grant.refuse_with = match rule.refuse_with {
        RefuseWithName::Status => RefuseWith::Status,
        RefuseWithName::CallError => RefuseWith::CallError,
    };
    both.is_none().then_some(grant)
}

fn place(node: &Node, key: &str, index: usize) -> usize {
    node.get(key).and_then(|list| list.item(index)).unwrap_or(node).span.start
}

/// The commands that are named one by one or by their class.
fn commands(
    key: &str,
    words: &[String],
    node: &Node,
    remarks: &mut Remarks<'_>,
) -> Option<BTreeSet<&'static str>> {
    let mut names = Some(BTreeSet::new());
    for (index, word) in words.iter().enumerate() {
        let at = place(node, key, index);
        let class: Vec<&'static str> = of_class(word).collect();
        let named = match known(word) {
            _ if !class.is_empty() => Ok(class),
            Some(action) => granted(action).map(|name| vec![name]),
            None => Err(unknown(word)),
        };
        match named {
            Ok(named) => names.iter_mut().for_each(|names| names.extend(&named)),
            // To forbid what nobody may is no mistake worth stopping for.
            Err(why) if key == "deny" && known(word).is_some() => {
                remarks.warning(at, format!("deny names {}, {why}", quoted(word)));
            }
            Err(why) => {
                remarks.error(at, format!("{key} names {}, {why}", quoted(word)));
                names = None;
            }
        }
    }
    names
}

fn of_class(word: &str) -> impl Iterator<Item = &'static str> {
    OCPP16
        .iter()
        .filter(move |row| {
            row.from_backoffice.as_ref().is_some_and(|rules| rules.class.label() == Some(word))
        })
        .map(|row| row.name)
}

/// The command, if followers can be granted it.
fn granted(action: &'static Action) -> Result<&'static str, String> {
    match action.from_backoffice.as_ref().map(|rules| rules.class) {
        None => Err("which chargers send, not backoffices; remove it".to_owned()),
        Some(Class::LocalList) => Err("but a charger has one local list, and whose it is stands in \
             [chargers.sharing]: local_list = \"NAME\" or \"merge\""
            .to_owned()),
        Some(Class::LeaderOwns) => Err("which is the leader's alone; remove it".to_owned()),
        Some(Class::Never) => Err("which is never sent to a charger; remove it".to_owned()),
        Some(Class::Read | Class::Trigger | Class::Control | Class::Session | Class::Dangerous) => {
            Ok(action.name)
        }
    }
}

fn unknown(word: &str) -> String {
    if matches!(word, "*" | "all" | "dangerous") {
        return "but what takes the charger from whoever uses it is named by itself (Reset, UnlockConnector, \
                UpdateFirmware, SignedUpdateFirmware), the rest as \"read\", \"trigger\", \"control\", \"session\""
            .to_owned();
    }
    let commands = OCPP16.iter().filter(|row| row.from_backoffice.is_some()).map(|row| row.name);
    let near = suggestion(word, commands.chain(["read", "trigger", "control", "session"]));
    let near = if near.is_empty() {
        "; write a command as OCPP does, such as \"Reset\", or a class: \"read\", \"trigger\", \"control\", \"session\""
    } else {
        &near
    };
    format!("which is no command of OCPP 1.6{near}")
}

fn keys(rule: &schema::FollowerRule, node: &Node, remarks: &mut Remarks<'_>) -> Option<Vec<KeyPattern>> {
    let mut valid = true;
    for (index, key) in rule.keys.iter().enumerate() {
        let at = place(node, "keys", index);
        let found = quoted(key);
        if key.trim().is_empty() {
            remarks
                .error(at, "keys holds an empty name; write a configuration key such as \"LightIntensity\"");
            valid = false;
        } else if is_never_forwarded(key) {
            let message = format!(
                "keys names {found}, which is never written through the proxy: it could part the charger from it; \
                 remove it"
            );
            remarks.error(at, message);
            valid = false;
        } else if is_virtual(key) {
            let message = format!(
                "keys names {found} without need: every backoffice has a value of its own; remove it"
            );
            remarks.warning(at, message);
        }
    }
    valid.then(|| rule.keys.iter().map(|key| KeyPattern::new(key.trim())).collect())
}

#[expect(clippy::option_option, reason = "cannot be used, or as the role says, or these")]
fn vendors(
    rule: &schema::FollowerRule,
    node: &Node,
    remarks: &mut Remarks<'_>,
) -> Option<Option<Vec<String>>> {
    let Some(vendors) = &rule.vendors else { return Some(None) };
    let mut valid = true;
    for (index, vendor) in vendors.iter().enumerate() {
        let wrong = if vendor.is_empty() {
            "vendors holds an empty name; write a vendorId such as \"com.example\"".to_owned()
        } else if vendor == PLUG_AND_CHARGE {
            format!("vendors names {}, whose messages are the leader's alone; remove it", quoted(vendor))
        } else {
            continue;
        };
        remarks.error(place(node, "vendors", index), wrong);
        valid = false;
    }
    valid.then(|| Some(vendors.clone()))
}

/// Whoever writes a key that has no effect expects one.
fn warn_of_no_effect(rule: &schema::FollowerRule, grant: &Grant, node: &Node, remarks: &mut Remarks<'_>) {
    let needs = [
        ("keys", &["ChangeConfiguration"][..]),
        ("vendors", &["DataTransfer"]),
        ("purposes", &["SetChargingProfile"]),
        ("stack_levels", &["SetChargingProfile"]),
    ];
    for (key, commands) in needs {
        let Some(written) = node.entry(key) else { continue };
        let is_denied = commands.iter().any(|name| rule.deny.iter().any(|word| is_or_holds(word, name)));
        if is_denied && commands.iter().all(|name| !grant.commands.contains(name)) {
            let message = format!("{key} has no effect, since deny takes {} away; remove one", commands[0]);
            remarks.warning(written.key_span.start, message);
        }
    }
    let sessions = ["RemoteStopTransaction", "UnlockConnector"];
    if let Some(written) = node.entry("sessions")
        && sessions.iter().all(|name| !grant.commands.contains(name))
    {
        let message = "sessions has no effect: it may send neither RemoteStopTransaction nor UnlockConnector; add one \
                       to allow, or remove sessions";
        remarks.warning(written.key_span.start, message);
    }
    let has_no_vendor = grant.vendors.as_ref().is_some_and(Vec::is_empty);
    if let Some(index) = rule.allow.iter().position(|word| word == "DataTransfer").filter(|_| has_no_vendor) {
        let message =
            "allow names \"DataTransfer\", but that of every vendor is refused; add vendors = [\"…\"]";
        remarks.warning(place(node, "allow", index), message);
    }
}

fn is_or_holds(word: &str, name: &str) -> bool {
    word == name || of_class(word).any(|command| command == name)
}

/// Two that write the same setting undo what the other has done.
fn each_key_has_one_writer(followers: &[Follower], node: &Node, remarks: &mut Remarks<'_>) -> bool {
    let mut valid = true;
    for (index, follower) in followers.iter().enumerate() {
        for (at, key) in follower.grant.keys.iter().enumerate() {
            let other = followers[..index].iter().find_map(|other| {
                other.grant.keys.iter().find(|pattern| pattern.overlaps(key)).map(|pattern| (other, pattern))
            });
            let Some((other, pattern)) = other else { continue };
            let (key, pattern) = (quoted(key.text()), quoted(pattern.text()));
            let message = format!(
                "keys names {key}, and those of {} name {pattern}; a setting has one writer besides the leader: name \
                 it for one of them",
                quoted(other.backoffice.as_str())
            );
            remarks.error(place(item(node, index), "keys", at), message);
            valid = false;
        }
    }
    valid
}

fn role(name: RoleName) -> Role {
    match name {
        RoleName::Control => Role::Control,
        RoleName::Energy => Role::Energy,
        RoleName::Roaming => Role::Roaming,
        RoleName::Maintenance => Role::Maintenance,
        RoleName::Observer => Role::Observer,
    }
}

fn purpose(name: PurposeName) -> ProfilePurpose {
    match name {
        PurposeName::ChargePointMax => ProfilePurpose::ChargePointMax,
        PurposeName::TxDefault => ProfilePurpose::TxDefault,
        PurposeName::Tx => ProfilePurpose::Tx,
    }
}

fn scope(name: ScopeName) -> Scope {
    match name {
        ScopeName::None => Scope::None,
        ScopeName::Own => Scope::Own,
        ScopeName::All => Scope::All,
    }
}
