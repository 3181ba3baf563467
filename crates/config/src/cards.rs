//! Checks who decides about cards: `[chargers.cards]` of a rule, and the other numbers by which a backoffice
//! knows them (semantics §5.2, A-24).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use engine::{
    Aliases, BackofficeId, CardPattern, CardPolicy, CardRoute, Follower, InvalidPattern, Missing, Role,
    TurnsOn, UndecidedStart, VerdictRule,
};

use super::check::Remarks;
use super::explain::{quoted, suggestion};
use super::grants::item;
use super::outage::duration;
use super::schema::{self, CardsRule, MissingName, NextOnName, PolicyName, UndecidedStartName};
use super::source::Node;

/// A driver waits at the reader, and the charger has its answer within ten seconds.
const WAIT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(8);
/// Longest number of a card (OCPP 1.6 §7.28, CiString20).
const LONGEST_CARD: usize = 20;

/// What the rule says, or `None` when it cannot be used.
pub(crate) fn cards(
    file: &schema::File,
    rule: &schema::ChargerRule,
    followers: &[Follower],
    node: &Node,
    remarks: &mut Remarks<'_>,
) -> Option<CardPolicy> {
    let table = node.get("cards").unwrap_or(node);
    let cards = &rule.cards;
    let parties = Parties { file, rule, followers };
    let wait = remarks.note(table.place("wait"), duration("wait", &cards.wait, &WAIT, "4s"));
    let deciders = parties.names("deciders", &cards.deciders, table, remarks);
    let fallback = parties.names("fallback", &cards.fallback, table, remarks);
    let allow = patterns("accept", &cards.accept, table, remarks);
    let routes = routes(&parties, table, remarks);
    if node.get("cards").is_some() {
        warn_of_no_effect(cards, followers, table, remarks);
        warn_of_strangers(cards, followers, table, node, remarks);
    }
    Some(CardPolicy {
        allow: allow?,
        routes: routes?,
        rule: match cards.policy {
            PolicyName::LeaderOnly => VerdictRule::LeaderOnly,
            PolicyName::AnyAccept => VerdictRule::AnyAccept,
            PolicyName::AllAccept => VerdictRule::AllAccept(match cards.missing {
                MissingName::Refuse => Missing::Refuse,
                MissingName::Ignore => Missing::Ignore,
            }),
            PolicyName::Ordered => VerdictRule::Ordered(match cards.next_on {
                NextOnName::Refusal => TurnsOn::Refusal,
                NextOnName::Silence => TurnsOn::Silence,
            }),
            PolicyName::FirstAnswer => VerdictRule::FirstAnswer,
        },
        deciders: deciders?,
        fallback: fallback?,
        wait: wait?,
        undecided_start: match cards.undecided_start {
            UndecidedStartName::Leader => UndecidedStart::Leader,
            UndecidedStartName::Accept => UndecidedStart::Accept,
            UndecidedStartName::Refuse => UndecidedStart::Refuse,
        },
        leader_may_stop_foreign: cards.leader_may_stop_foreign,
    })
}

/// What the backoffices of a rule call the cards that they know by other numbers.
pub(crate) fn aliases(
    file: &schema::File,
    rule: &schema::ChargerRule,
) -> BTreeMap<BackofficeId, Arc<Aliases>> {
    std::iter::once(&rule.leader)
        .chain(rule.followers.iter().map(|follower| &follower.backoffice))
        .filter_map(|name| {
            let aliases = &file.backoffices.get(name)?.card_aliases;
            let pairs = aliases.iter().map(|(card, alias)| (card.clone(), alias.clone())).collect();
            (!aliases.is_empty()).then(|| (name.as_str().into(), Arc::new(Aliases::new(pairs))))
        })
        .collect()
}

/// Each number stands once on each side, or a backoffice's commands could mean two cards.
pub(crate) fn check_aliases(backoffice: &schema::Backoffice, node: &Node, remarks: &mut Remarks<'_>) -> bool {
    let Some(table) = node.get("card_aliases") else { return true };
    let mut valid = true;
    let mut earlier: Vec<(&String, &String)> = Vec::new();
    for (card, alias) in &backoffice.card_aliases {
        let Some(entry) = table.entry(card) else { continue };
        let (at_card, at_alias) = (entry.key_span.start, entry.node.span.start);
        let wrong = if let Some(why) = no_card(card) {
            Some((at_card, format!("card_aliases names {}, but {why}", quoted(card))))
        } else if let Some(why) = no_card(alias) {
            Some((at_alias, format!("card_aliases calls a card {}, but {why}", quoted(alias))))
        } else if earlier.iter().any(|(other, _)| other.eq_ignore_ascii_case(card)) {
            let message = format!("{} stands here twice; capitals and small letters are equal", quoted(card));
            Some((at_card, message))
        } else {
            earlier.iter().find(|(_, other)| other.eq_ignore_ascii_case(alias)).map(|(other, _)| {
                let message = format!(
                    "{} stands for {} already; a backoffice needs a number of its own for each card",
                    quoted(alias),
                    quoted(other)
                );
                (at_alias, message)
            })
        };
        if let Some((at, message)) = wrong {
            remarks.error(at, message);
            valid = false;
        } else if card.eq_ignore_ascii_case(alias) {
            remarks.warning(at_alias, format!("{} is the card's own number; remove it", quoted(alias)));
        }
        earlier.push((card, alias));
    }
    valid
}

fn no_card(number: &str) -> Option<String> {
    match number.chars().count() {
        0 => Some("a card's number is not empty".to_owned()),
        length if length > LONGEST_CARD => {
            Some(format!("a card's number has at most {LONGEST_CARD} characters, not {length}"))
        }
        _ => None,
    }
}

/// Who can be named by a rule.
struct Parties<'a> {
    file: &'a schema::File,
    rule: &'a schema::ChargerRule,
    followers: &'a [Follower],
}

impl Parties<'_> {
    /// Every name, each of one that has a say about cards, and each once.
    fn names(
        &self,
        key: &str,
        names: &[String],
        table: &Node,
        remarks: &mut Remarks<'_>,
    ) -> Option<Vec<BackofficeId>> {
        let mut valid = true;
        for (index, name) in names.iter().enumerate() {
            let at = place(table, key, index);
            if names[..index].contains(name) {
                let what = quoted(name);
                remarks.error(
                    at,
                    format!("{key} names {what} twice; name each backoffice once, the first choice first"),
                );
                valid = false;
            } else {
                valid &= self.check(key, name, at, remarks);
            }
        }
        valid.then(|| names.iter().map(|name| name.as_str().into()).collect())
    }

    /// Whether the name is that of one that has a say about cards (semantics A-10).
    fn check(&self, key: &str, name: &str, at: usize, remarks: &mut Remarks<'_>) -> bool {
        let what = quoted(name);
        let follower = self.followers.iter().find(|follower| follower.backoffice.as_str() == name);
        let wrong = match follower {
            _ if name == self.rule.leader => return true,
            Some(follower) if follower.role == Role::Observer => {
                format!("{key} names {what}, an observer, which has no say about cards; give it another role")
            }
            Some(_) => return true,
            None if self.file.backoffices.contains_key(name) => {
                format!("{key} names {what}, which neither leads nor follows here; add it to followers")
            }
            None => {
                let names = self.followers.iter().map(|follower| follower.backoffice.as_str());
                let near = suggestion(name, names.chain([self.rule.leader.as_str()]));
                format!("{key} names the unknown backoffice {what}{near}")
            }
        };
        remarks.error(at, wrong);
        false
    }
}

fn place(table: &Node, key: &str, index: usize) -> usize {
    table.get(key).and_then(|list| list.item(index)).unwrap_or(table).span.start
}

fn patterns(
    key: &str,
    texts: &[String],
    table: &Node,
    remarks: &mut Remarks<'_>,
) -> Option<Vec<CardPattern>> {
    let mut patterns = Some(Vec::new());
    for (index, text) in texts.iter().enumerate() {
        let pattern = CardPattern::new(text).map_err(|why| match why {
            InvalidPattern::Empty => {
                format!("{key} holds an empty number; write that of a card, or remove it")
            }
            _ => format!("{key} holds {}, but {why}", quoted(text)),
        });
        let pattern = remarks.note(place(table, key, index), pattern);
        patterns = patterns.zip(pattern).map(|(mut patterns, pattern)| {
            patterns.push(pattern);
            patterns
        });
    }
    patterns
}

fn routes(parties: &Parties<'_>, table: &Node, remarks: &mut Remarks<'_>) -> Option<Vec<CardRoute>> {
    let cards = &parties.rule.cards;
    let mut routes = Some(Vec::new());
    for (index, route) in cards.routes.iter().enumerate() {
        let node = table.get("routes").and_then(|list| list.item(index)).unwrap_or(table);
        let mut valid = parties.check("routes", &route.backoffice, node.place("backoffice"), remarks);
        if route.cards.is_empty() {
            let message = "a route without cards; name them, for example cards = [\"DE-ABC-*\"]";
            remarks.error(node.place("cards"), message);
            valid = false;
        }
        for (at, text) in route.cards.iter().enumerate() {
            let is_it = |other: &String| other.trim().eq_ignore_ascii_case(text.trim());
            let at = place(node, "cards", at);
            let what = quoted(text);
            if let Some(first) = cards.routes[..index].iter().find(|route| route.cards.iter().any(is_it)) {
                let message = format!(
                    "the cards {what} are routed to {} already; one backoffice decides about a card: remove it from \
                     one of the routes",
                    quoted(&first.backoffice)
                );
                remarks.error(at, message);
                valid = false;
            } else if cards.accept.iter().any(is_it) {
                let message = format!(
                    "the route of {what} is never reached: accept names these cards, too; remove it there or here"
                );
                remarks.warning(at, message);
            }
        }
        let cards = patterns("cards", &route.cards, node, remarks).filter(|_| valid);
        routes = routes.zip(cards).map(|(mut routes, cards)| {
            routes.push(CardRoute { cards, backoffice: route.backoffice.as_str().into() });
            routes
        });
    }
    routes
}

/// Whoever writes a key that has no effect expects one.
fn warn_of_no_effect(cards: &CardsRule, followers: &[Follower], table: &Node, remarks: &mut Remarks<'_>) {
    let asks_others = cards.policy != PolicyName::LeaderOnly;
    let waits = asks_others || !cards.routes.is_empty() || !cards.fallback.is_empty();
    let policy = |name: PolicyName| format!("without policy = {:?}; write that", name.word());
    let needs = [
        ("missing", cards.policy == PolicyName::AllAccept, policy(PolicyName::AllAccept)),
        ("next_on", cards.policy == PolicyName::Ordered, policy(PolicyName::Ordered)),
        (
            "deciders",
            asks_others,
            "with policy = \"leader_only\"; choose another policy, such as \"ordered\"".to_owned(),
        ),
        (
            "wait",
            waits,
            "with policy = \"leader_only\" and no routes, since no follower is waited for; choose another policy"
                .to_owned(),
        ),
    ];
    for (key, holds, what) in needs {
        if let Some(written) = table.entry(key).filter(|_| !holds) {
            remarks.warning(written.key_span.start, format!("{key} has no effect {what}, or remove {key}"));
        }
    }
    let has_say = |follower: &Follower| follower.role != Role::Observer;
    if asks_others && cards.deciders.is_empty() && !followers.iter().any(has_say) {
        let message = format!(
            "policy = {:?} has no effect: there is nobody but the leader to decide, since observers have no say; give a \
             follower another role",
            cards.policy.word()
        );
        remarks.warning(table.place("policy"), message);
    }
}

/// A roaming platform speaks for strangers, and would be asked about everybody's cards (semantics A-25).
fn warn_of_strangers(
    cards: &CardsRule,
    followers: &[Follower],
    table: &Node,
    node: &Node,
    remarks: &mut Remarks<'_>,
) {
    if !matches!(cards.policy, PolicyName::AnyAccept | PolicyName::FirstAnswer) {
        return;
    }
    for (index, follower) in followers.iter().enumerate() {
        let name = follower.backoffice.as_str();
        let decides = cards.deciders.is_empty() || cards.deciders.iter().any(|decider| decider == name);
        if follower.role == Role::Roaming && decides {
            let (policy, name) = (cards.policy.word(), quoted(name));
            let message = format!(
                "{name} is a roaming platform, and with policy = {policy:?} it gets the number of every card and may \
                 accept any; leave it out of deciders and route its cards to it: routes = [{{ cards = [\"…\"], \
                 backoffice = {name} }}] (semantics A-25)"
            );
            let at = if cards.deciders.is_empty() {
                item(node, index).place("role")
            } else {
                table.place("deciders")
            };
            remarks.warning(at, message);
        }
    }
}
