//! Checks what a rule of `[[chargers]]` says of who is let in (semantics §7.2).

use std::collections::BTreeMap;

use engine::{BackofficeId, ChargerId, Follower, KeyChange, KeyRules};
use gateway::{EntranceTerms, Pattern, Secret, SecurityProfile, UnknownChargers, new_charger};

use super::check::Remarks;
use super::explain::quoted;
use super::placeholder::{is_placeholder, placeholder};
use super::schema::{self, KeyChangeName, OnLeaderLostName, UnknownChargersName};
use super::source::Node;

/// OCPP's least length of a key, in bytes (security white paper A00): in hexadecimal twice as many characters.
const KEY_BYTES: usize = 16;
/// OCPP's greatest length of a key.
const MOST_KEY_BYTES: usize = 20;
/// How to come to a good one.
const NEW_KEY: &str = "`openssl rand -hex 20` makes one of 40 hexadecimal digits, which stand for 20 bytes";

/// What the rule says, or `None` when it cannot be used.
pub(crate) fn terms(
    rule: &schema::ChargerRule,
    pattern: Option<&Pattern>,
    node: &Node,
    remarks: &mut Remarks<'_>,
) -> Option<EntranceTerms> {
    let profile = profile(rule.security_profile);
    let unknown = unknown(rule, profile, node, remarks);
    let has_name = !rule.basic_user.is_empty() && !rule.basic_user.contains(':');
    if !has_name {
        let message = "basic_user must be a user name without a colon, such as \"{charger}\"";
        remarks.error(node.place("basic_user"), message);
    }
    let keys = keys(rule, pattern, node, remarks);
    if profile == SecurityProfile::ClientCertificate && !rule.keys.is_empty() {
        let message = "with security_profile = 3 nobody is asked for the keys, the charger's certificate says who it is; but \
                       the chargers that keys names are known by it, so leave the names";
        remarks.warning(node.place("keys"), message);
    }
    Some(EntranceTerms {
        profile,
        unknown: unknown?,
        basic_user: has_name.then(|| rule.basic_user.clone())?,
        hide_unknown: rule.hide_unknown,
        keys: keys?,
    })
}

/// Where the leader alone knows the chargers' keys nobody does while it is away.
fn warn_of_no_judge(file: &schema::File, rule: &schema::ChargerRule, node: &Node, remarks: &mut Remarks<'_>) {
    let profile = profile(rule.security_profile);
    let is_shown = file.backoffices.get(&rule.leader).is_some_and(|leader| leader.forward_authorization);
    if is_shown && profile == SecurityProfile::None && rule.on_leader_lost != OnLeaderLostName::Mirror {
        let message = format!(
            "{} alone judges what chargers prove themselves with (forward_authorization): while it is away whoever \
             gives a charger's name is let in; write on_leader_lost = \"mirror\", or a higher security_profile",
            quoted(&rule.leader)
        );
        remarks.warning(node.place("leader"), message);
    }
}

/// What becomes of the keys that backoffices set, or `None` when a charger's own key would be shown to several.
pub(crate) fn key_rules(
    file: &schema::File,
    rule: &schema::ChargerRule,
    followers: &[Follower],
    node: &Node,
    remarks: &mut Remarks<'_>,
) -> Option<KeyRules> {
    warn_of_no_judge(file, rule, node, remarks);
    let names =
        std::iter::once(rule.leader.as_str()).chain(followers.iter().map(|one| one.backoffice.as_str()));
    let is_shown = |name: &&str| file.backoffices.get(*name).is_some_and(|one| one.forward_authorization);
    let forwarded: Vec<&str> = names.filter(is_shown).collect();
    if let [one, other, ..] = forwarded.as_slice() {
        let message = format!(
            "{} and {} both have forward_authorization: each could pass for the charger at the other; a key belongs to one",
            quoted(one),
            quoted(other)
        );
        remarks.error(node.place("leader"), message);
        return None;
    }
    let change = match rule.authorization_key_change {
        KeyChangeName::Terminate => KeyChange::Terminate,
        KeyChangeName::Passthrough => KeyChange::Passthrough,
    };
    Some(KeyRules { change, forwarded: forwarded.into_iter().map(BackofficeId::from).collect() })
}

/// Whether there is a listener that lets in who proves as much as a rule wants. Of the whole file: commands that read the
/// rules alone know no listeners.
pub(crate) fn check_listeners(file: &schema::File, root: &Node, remarks: &mut Remarks<'_>) {
    for (index, rule) in file.chargers.iter().enumerate() {
        let needs = match (profile(rule.security_profile), &file.listen.tls) {
            (SecurityProfile::TlsWithBasic | SecurityProfile::ClientCertificate, None) => "[listen.tls]",
            (SecurityProfile::ClientCertificate, Some(tls)) if tls.client_ca.is_none() => {
                "client_ca in [listen.tls]"
            }
            _ => continue,
        };
        let node = root.get("chargers").and_then(|rules| rules.item(index)).unwrap_or(root);
        let message = format!(
            "security_profile = {} lets nobody in without {needs}, which there is not",
            rule.security_profile
        );
        remarks.error(node.place("security_profile"), message);
    }
}

fn profile(number: u8) -> SecurityProfile {
    match number {
        0 => SecurityProfile::None,
        1 => SecurityProfile::Basic,
        2 => SecurityProfile::TlsWithBasic,
        _ => SecurityProfile::ClientCertificate,
    }
}

fn unknown(
    rule: &schema::ChargerRule,
    profile: SecurityProfile,
    node: &Node,
    remarks: &mut Remarks<'_>,
) -> Option<UnknownChargers> {
    match rule.unknown_chargers {
        UnknownChargersName::Refuse => Some(UnknownChargers::Refuse),
        UnknownChargersName::Admit
            if matches!(profile, SecurityProfile::None | SecurityProfile::ClientCertificate) =>
        {
            Some(UnknownChargers::Admit)
        }
        UnknownChargersName::Admit => {
            let message = format!(
                "unknown_chargers = \"admit\" cannot be with security_profile = {}: a charger that nobody knows has no \
                 key; admit it with `ocpp-proxy chargers`, or list it under keys",
                rule.security_profile
            );
            remarks.error(node.place("unknown_chargers"), message);
            None
        }
    }
}

fn keys(
    rule: &schema::ChargerRule,
    pattern: Option<&Pattern>,
    node: &Node,
    remarks: &mut Remarks<'_>,
) -> Option<BTreeMap<ChargerId, Secret>> {
    let mut keys: Option<BTreeMap<ChargerId, Secret>> = Some(BTreeMap::new());
    let mut seen: Vec<String> = Vec::new();
    for (name, key) in &rule.keys {
        let at = node.get("keys").unwrap_or(node).place(name);
        let charger = remarks.note(at, new_charger(name).map_err(|error| format!("keys: {error}")));
        let is_matched = pattern.is_none_or(|pattern| pattern.is_match(name.trim()));
        if charger.is_some() && !is_matched {
            remarks.error(at, format!("keys names {}, which the rule's match does not", quoted(name)));
        }
        let folded = name.trim().to_ascii_lowercase();
        let is_twice = seen.contains(&folded);
        if is_twice {
            remarks.error(
                at,
                format!("keys names {} twice; capitals and small letters are equal", quoted(name)),
            );
        }
        seen.push(folded);
        if key.trim().is_empty() {
            remarks.error(at, format!("the key of {} is empty", quoted(name)));
        } else if is_placeholder(key) {
            remarks.warning(at, placeholder(&format!("the key of {}", quoted(name)), NEW_KEY));
        } else if let Some(wrong) = unusual(key) {
            remarks.warning(at, format!("the key of {} {wrong}; {NEW_KEY}", quoted(name)));
        }
        let usable = is_matched && !is_twice && !key.trim().is_empty();
        keys = keys.zip(charger.filter(|_| usable)).map(|(mut all, charger)| {
            all.insert(charger, Secret::new(key.clone()));
            all
        });
    }
    keys
}

/// What is unusual about a key: many chargers take no other than OCPP's 16 to 20 bytes.
fn unusual(key: &str) -> Option<&'static str> {
    let is_hexadecimal = key.bytes().all(|byte| byte.is_ascii_hexdigit());
    if key.len() < KEY_BYTES {
        Some("is short: OCPP wants 16 to 20 bytes, in hexadecimal 32 to 40 digits")
    } else if key.len() > 2 * MOST_KEY_BYTES {
        Some("is long: OCPP wants 16 to 20 bytes, in hexadecimal 32 to 40 digits")
    } else if is_hexadecimal && !key.len().is_multiple_of(2) {
        Some(
            "has an odd number of hexadecimal digits: perhaps one is missing, and a charger that sends it as bytes is not \
             recognised",
        )
    } else {
        None
    }
}

/// Takes the keys out and leaves the names: whoever asks for the rules need not be allowed to read the keys.
pub(crate) fn keep_names(chargers: &mut Node) {
    use super::source::Value;
    let Value::Array(rules) = &mut chargers.value else { return };
    for keys in rules.iter_mut().filter_map(|rule| rule.get_mut("keys")) {
        let Value::Table(entries) = &mut keys.value else { continue };
        for entry in entries {
            entry.node.value = Value::Text("0".repeat(KEY_BYTES));
        }
    }
}
