//! Who decides whether a card may charge (semantics §5).

use std::time::Duration;

use crate::{BackofficeId, limits};

/// Who decides whether a card may charge. Tried from top to bottom: the proxy's own list, the routes, the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardPolicy {
    /// Cards that the proxy itself accepts, whatever anybody answers (`local_allow`).
    pub allow: Vec<CardPattern>,
    /// Cards about which a certain backoffice decides; the first match counts (`tag_routed`).
    pub routes: Vec<CardRoute>,
    /// What holds for all other cards.
    pub rule: VerdictRule,
    /// Who has a say, the first choice first; empty for the leader and then every follower that is no
    /// observer (semantics A-10).
    pub deciders: Vec<BackofficeId>,
    /// Who is believed about a card while who is to decide about it is away (semantics §5.5).
    pub fallback: Vec<BackofficeId>,
    /// How long the charger's answer waits for the opinions of followers (`policy_follower_wait`).
    pub wait: Duration,
    /// What a StartTransaction is told about whose card nobody has said anything.
    pub undecided_start: UndecidedStart,
    /// Whether the leader may stop a transaction of whose card another decided (semantics A-21).
    pub leader_may_stop_foreign: bool,
}

impl Default for CardPolicy {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            routes: Vec::new(),
            rule: VerdictRule::LeaderOnly,
            deciders: Vec::new(),
            fallback: Vec::new(),
            wait: limits::FOLLOWER_OPINION,
            undecided_start: UndecidedStart::default(),
            leader_may_stop_foreign: true,
        }
    }
}

/// Cards about which one backoffice decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardRoute {
    /// Which cards.
    pub cards: Vec<CardPattern>,
    /// Who decides.
    pub backoffice: BackofficeId,
}

/// Whose verdict holds (semantics §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerdictRule {
    /// The leader's.
    #[default]
    LeaderOnly,
    /// Accepted as soon as one decider accepts; else the leader's refusal, else the gravest.
    AnyAccept,
    /// Accepted only when all deciders accept.
    AllAccept(Missing),
    /// That of the first decider; of the next one where that one does not settle it.
    Ordered(TurnsOn),
    /// Whoever answers first.
    FirstAnswer,
}

impl VerdictRule {
    /// The word of `proxy.toml`.
    pub fn label(self) -> &'static str {
        match self {
            VerdictRule::LeaderOnly => "leader_only",
            VerdictRule::AnyAccept => "any_accept",
            VerdictRule::AllAccept(_) => "all_accept",
            VerdictRule::Ordered(_) => "ordered",
            VerdictRule::FirstAnswer => "first_answer",
        }
    }
}

/// What a decider that gives no opinion counts as, where all have to accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// As one that refuses.
    #[default]
    Refuse,
    /// As one that has no say.
    Ignore,
}

/// When the next decider's verdict is taken. That a decider says nothing always turns to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TurnsOn {
    /// When one refuses, too.
    #[default]
    Refusal,
    /// Only when one says nothing: CALLERROR, no answer in time, not connected.
    Silence,
}

/// What a StartTransaction is told when nobody decided about its card. The charger has started already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UndecidedStart {
    /// What the leader says; while it is away Accepted, and settled when it is back (semantics T-67).
    #[default]
    Leader,
    /// Accepted.
    Accept,
    /// Invalid.
    Refuse,
}

/// Cards: one by its number, many by `*` and `?`, or a range `FROM..TO` of numbers of equal length. Capitals
/// and small letters are equal (OCPP 1.6 §7.28, CiString20).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardPattern {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Like(String),
    Range(String, String),
}

/// Why a text is no [`CardPattern`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// An idTag has at most 20 characters (OCPP 1.6 §7.28).
    #[error("a card's number has at most 20 characters")]
    TooLong,
    /// The ends of a range do not fit together.
    #[error("the two ends of a range must be of equal length, the lower one first")]
    BadRange,
}

impl CardPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it can match no card.
    pub fn new(text: &str) -> Result<Self, InvalidPattern> {
        let small = text.trim().to_lowercase();
        let longest = small.split("..").map(|part| part.chars().count()).max().unwrap_or(0);
        if small.is_empty() {
            return Err(InvalidPattern::Empty);
        }
        if longest > 20 {
            return Err(InvalidPattern::TooLong);
        }
        let kind = match small.split_once("..") {
            Some((from, to)) if from.len() != to.len() || from > to || from.is_empty() => {
                return Err(InvalidPattern::BadRange);
            }
            Some((from, to)) => Kind::Range(from.to_owned(), to.to_owned()),
            None => Kind::Like(small),
        };
        Ok(Self { text: text.trim().to_owned(), kind })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it names this card.
    pub fn matches(&self, tag: &str) -> bool {
        let tag = tag.to_lowercase();
        match &self.kind {
            Kind::Like(pattern) => is_like(&tag, pattern),
            Kind::Range(from, to) => tag.len() == from.len() && *from <= tag && tag <= *to,
        }
    }
}

/// `*` stands for any text, `?` for one character.
fn is_like(text: &str, pattern: &str) -> bool {
    wildmatch::WildMatch::new(pattern).matches(text)
}

/// Cards that one backoffice knows by other numbers (semantics A-24). Each number stands once on each side.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aliases {
    pairs: Vec<(String, String)>,
}

impl Aliases {
    /// The pairs: the card's own number, and what the backoffice calls it.
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self { pairs }
    }

    /// What the backoffice calls this card; `None` where it knows it by its own number.
    pub fn of(&self, tag: &str) -> Option<&str> {
        self.pairs.iter().find(|(card, _)| card.eq_ignore_ascii_case(tag)).map(|(_, alias)| alias.as_str())
    }

    /// The card that the backoffice means.
    pub fn meant_by(&self, alias: &str) -> Option<&str> {
        self.pairs.iter().find(|(_, other)| other.eq_ignore_ascii_case(alias)).map(|(card, _)| card.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_cards() {
        let cases = [
            ("04AABB", "04aabb", true),
            ("04AABB", "04aabbcc", false),
            ("DE-ABC-*", "de-abc-c00012", true),
            ("DE-ABC-*", "DE-XYZ-1", false),
            ("04??", "04AB", true),
            ("04??", "04ABC", false),
            ("04AA..04af", "04AC", true),
            ("04AA..04AF", "04B0", false),
            ("04AA..04AF", "04AC0", false),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .filter(|(pattern, tag, expected)| CardPattern::new(pattern).unwrap().matches(tag) != *expected)
            .collect();
        assert_eq!((cases.len(), wrong), (9, Vec::new()));
        let invalid = [
            ("", InvalidPattern::Empty),
            ("123456789012345678901", InvalidPattern::TooLong),
            ("05..04", InvalidPattern::BadRange),
            ("04..045", InvalidPattern::BadRange),
        ];
        for (text, why) in invalid {
            assert_eq!(CardPattern::new(text), Err(why), "{text}");
        }
    }
}
