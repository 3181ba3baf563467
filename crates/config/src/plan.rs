//! Checks `[[chargers]]`: matches, leaders, followers, and rules that are never reached.

use std::sync::Arc;

use engine::Plan;
use gateway::{LeaderSource, Pattern, Rule};

use super::cards::{aliases, cards};
use super::check::Remarks;
use super::entrance::{key_rules, terms};
use super::explain::{quoted, suggestion};
use super::grants::followers;
use super::outage::outage;
use super::schema::{self, LeaderSourceName};
use super::sharing::sharing;
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
        let terms = terms(rule, pattern.as_ref(), node, remarks);
        rules = rules.zip(pattern.zip(plan).zip(terms)).map(|(mut all, ((pattern, plan), terms))| {
            let leader_source = leader_source(rule.leader_source);
            all.push(Rule { pattern, plan: Arc::new(plan), leader_source, entrance: Arc::new(terms) });
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
    let valid = check_name(file, "leader", &rule.leader, node.place("leader"), remarks);
    let (followers, follow) = followers(file, rule, node, remarks);
    let outage = outage(file, rule, node, remarks);
    let cards = cards(file, rule, &followers, node, remarks);
    let sharing = sharing(file, rule, &followers, node, remarks);
    let keys = key_rules(file, rule, &followers, node, remarks);
    let plan = Plan {
        leader: rule.leader.as_str().into(),
        followers,
        outage: outage?,
        cards: cards?,
        sharing: sharing?,
        keys: keys?,
        aliases: aliases(file, rule),
    };
    (valid && follow).then_some(plan)
}

/// Whether there is a backoffice of that name.
pub(crate) fn check_name(
    file: &schema::File,
    key: &str,
    name: &str,
    at: usize,
    remarks: &mut Remarks<'_>,
) -> bool {
    if file.backoffices.contains_key(name) {
        return true;
    }
    let near = suggestion(name, file.backoffices.keys().map(String::as_str));
    let hint = if file.backoffices.is_empty() { "; write [backoffices.NAME] with its url" } else { &near };
    remarks.error(at, format!("{key} names the unknown backoffice {}{hint}", quoted(name)));
    false
}

fn leader_source(name: LeaderSourceName) -> LeaderSource {
    match name {
        LeaderSourceName::Portal => LeaderSource::Portal,
        LeaderSourceName::File => LeaderSource::File,
    }
}
