//! Checks `[[chargers]]`: matches, leaders, followers, and rules that are never reached.

use std::sync::Arc;

use engine::{Follower, Plan, Role};
use gateway::{LeaderSource, Pattern, Rule};

use super::check::Remarks;
use super::explain::{quoted, suggestion};
use super::outage::outage;
use super::schema::{self, LeaderSourceName, RoleName};
use super::source::Node;

/// Every rule in the order of the file; `None` when one of them cannot be used.
pub(crate) fn check_all(file: &schema::File, root: &Node, remarks: &mut Remarks<'_>) -> Option<Vec<Rule>> {
    if file.chargers.is_empty() {
        remarks.warning(root.place("chargers"), "there is no [[chargers]] rule: every charger is refused");
        return Some(Vec::new());
    }
    let nodes = root.get("chargers")?;
    let mut earlier: Vec<Earlier> = Vec::new();
    let mut rules = Some(Vec::new());
    for (index, rule) in file.chargers.iter().enumerate() {
        let node = nodes.item(index)?;
        let at = node.place("match");
        let pattern = pattern(&rule.r#match, at, remarks);
        if let Some(pattern) = &pattern {
            warn_if_never_reached(&rule.r#match, pattern, at, &earlier, remarks);
            let line = remarks.line(at);
            earlier.push(Earlier { text: rule.r#match.clone(), line, pattern: pattern.clone() });
        }
        let plan = plan(file, rule, node, remarks);
        rules = rules.zip(pattern.zip(plan)).map(|(mut all, (pattern, plan))| {
            let leader_source = leader_source(rule.leader_source);
            all.push(Rule { pattern, plan: Arc::new(plan), leader_source });
            all
        });
    }
    rules
}

fn pattern(text: &str, at: usize, remarks: &mut Remarks<'_>) -> Option<Pattern> {
    if text.trim().is_empty() {
        remarks.error(at, "match is empty; write an identity, a glob such as \"SITE1-*\", or \"*\" for all");
        return None;
    }
    match Pattern::new(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            remarks.error(at, format!("match {} is no glob: {}", quoted(text), error.kind()));
            None
        }
    }
}

struct Earlier {
    text: String,
    line: usize,
    pattern: Pattern,
}

fn warn_if_never_reached(
    text: &str,
    pattern: &Pattern,
    at: usize,
    earlier: &[Earlier],
    remarks: &mut Remarks<'_>,
) {
    let first = earlier.iter().find(|rule| {
        rule.text.eq_ignore_ascii_case(text)
            || rule.text.chars().all(|c| c == '*')
            || (pattern.identity().is_some() && rule.pattern.is_match(text))
    });
    if let Some(Earlier { text: first, line, .. }) = first {
        let (text, first) = (quoted(text), quoted(first));
        let message = format!("{text} is never reached: {first} in line {line} matches first");
        remarks.warning(at, message);
    }
}

fn plan(
    file: &schema::File,
    rule: &schema::ChargerRule,
    node: &Node,
    remarks: &mut Remarks<'_>,
) -> Option<Plan> {
    let mut valid = check_name(file, "leader", &rule.leader, node.place("leader"), remarks);
    let mut followers: Vec<Follower> = Vec::new();
    for (index, follower) in rule.followers.iter().enumerate() {
        let name = &follower.backoffice;
        let at = node.get("followers").and_then(|list| list.item(index)).unwrap_or(node).place("backoffice");
        valid &= check_name(file, "backoffice", name, at, remarks);
        if *name == rule.leader {
            remarks.error(at, format!("{} leads here already; a backoffice leads or follows", quoted(name)));
            valid = false;
        } else if followers.iter().any(|follower| follower.backoffice.as_str() == name) {
            remarks.error(at, format!("{} follows here already; name each backoffice once", quoted(name)));
            valid = false;
        }
        followers.push(Follower::new(name.as_str().into(), role(follower.role)));
    }
    let outage = outage(file, rule, node, remarks)?;
    valid.then(|| Plan { outage, ..Plan::new(rule.leader.as_str().into(), followers) })
}

fn check_name(file: &schema::File, key: &str, name: &str, at: usize, remarks: &mut Remarks<'_>) -> bool {
    if file.backoffices.contains_key(name) {
        return true;
    }
    let near = suggestion(name, file.backoffices.keys().map(String::as_str));
    let hint = if file.backoffices.is_empty() { "; write [backoffices.NAME] with its url" } else { &near };
    remarks.error(at, format!("{key} names the unknown backoffice {}{hint}", quoted(name)));
    false
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

fn leader_source(name: LeaderSourceName) -> LeaderSource {
    match name {
        LeaderSourceName::Portal => LeaderSource::Portal,
        LeaderSourceName::File => LeaderSource::File,
    }
}
