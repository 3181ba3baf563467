//! Who decides about cards, as it is written in `proxy.toml` (semantics §5).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who decides whether a card may charge. Asked in this order: `accept`, `routes`, `policy`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("line" = "[chargers.cards]"))]
pub(crate) struct CardsRule {
    /// Whose verdict holds, in Authorize, StartTransaction and StopTransaction alike. A backoffice that answers
    /// with an error, too late or not at all has given no verdict.
    pub(crate) policy: PolicyName,
    /// Who has a say where more than the leader has, the first choice first. Without this key the leader, and then
    /// every follower that is no observer.
    #[schemars(extend("line" = "deciders = [\"volt\", \"acme\"]"))]
    pub(crate) deciders: Vec<String>,
    /// With `all_accept`: what a decider that gives no verdict counts as.
    pub(crate) missing: MissingName,
    /// With `ordered`: when the next decider's verdict is taken. That a decider gives none always turns to the
    /// next.
    pub(crate) next_on: NextOnName,
    /// How long the charger's answer waits for the verdicts of followers. A number with `s`, from `1s` to `8s`: a
    /// driver waits at the reader.
    pub(crate) wait: String,
    /// Cards that the proxy itself accepts, whatever anybody answers: a number, many by `*` and `?`, or a range of
    /// numbers of equal length, `FROM..TO`. Capitals and small letters are equal.
    #[schemars(extend("line" = "accept = [\"04AABB*\"]"))]
    pub(crate) accept: Vec<String>,
    /// Cards about which one backoffice decides, whatever `policy` says; the first that matches counts.
    #[schemars(extend("line" = "routes = [{ cards = [\"DE-ABC-*\"], backoffice = \"acme\" }]"))]
    pub(crate) routes: Vec<CardRouteRule>,
    /// Who is believed about a card while who is to decide about it is away, the first choice first.
    #[schemars(extend("line" = "fallback = [\"acme\"]"))]
    pub(crate) fallback: Vec<String>,
    /// What a StartTransaction is told when nobody has decided about its card. The charger has started already.
    pub(crate) undecided_start: UndecidedStartName,
    /// Whether the leader may stop a transaction about whose card another has decided.
    pub(crate) leader_may_stop_foreign: bool,
}

impl Default for CardsRule {
    fn default() -> Self {
        Self {
            policy: PolicyName::default(),
            deciders: Vec::new(),
            missing: MissingName::default(),
            next_on: NextOnName::default(),
            wait: "4s".to_owned(),
            accept: Vec::new(),
            routes: Vec::new(),
            fallback: Vec::new(),
            undecided_start: UndecidedStartName::default(),
            leader_may_stop_foreign: true,
        }
    }
}

/// Cards about which one backoffice decides.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("line" = "routes = [{ cards = [\"DE-ABC-*\"], backoffice = \"acme\" }]"))]
pub(crate) struct CardRouteRule {
    /// Which cards, written as in `accept`.
    #[schemars(extend("line" = "cards = [\"DE-ABC-*\"]"))]
    #[serde(default)]
    pub(crate) cards: Vec<String>,
    /// Who decides about them.
    #[schemars(example = &"acme")]
    pub(crate) backoffice: String,
}

/// Whose verdict holds.
#[derive(Serialize, Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("mistaken" = {
    "tag_routed": "cards are routed beside any policy: routes = [{ cards = [\"DE-ABC-*\"], backoffice = \"acme\" }]",
    "local_allow": "cards are accepted beside any policy: accept = [\"04AABB*\"]",
    "cache_on_outage": "earlier verdicts are remembered with any policy, and hold while who decides is away; unknown_cards of [[chargers]] says what holds for other cards"
}))]
pub(crate) enum PolicyName {
    /// The leader's.
    #[default]
    LeaderOnly,
    /// Accepted as soon as one decider accepts; else the leader's refusal, or the gravest of the others.
    AnyAccept,
    /// Accepted when all deciders accept.
    AllAccept,
    /// The first decider's; the next one's as `next_on` says.
    Ordered,
    /// That of whoever answers first.
    FirstAnswer,
}

impl PolicyName {
    /// The word of the file.
    pub(crate) fn word(self) -> &'static str {
        match self {
            PolicyName::LeaderOnly => "leader_only",
            PolicyName::AnyAccept => "any_accept",
            PolicyName::AllAccept => "all_accept",
            PolicyName::Ordered => "ordered",
            PolicyName::FirstAnswer => "first_answer",
        }
    }
}

/// What a decider that gives no verdict counts as.
#[derive(Serialize, Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MissingName {
    /// As one that refuses.
    #[default]
    Refuse,
    /// As one that has no say.
    Ignore,
}

/// When the next decider's verdict is taken.
#[derive(Serialize, Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NextOnName {
    /// When one refuses, too.
    #[default]
    Refusal,
    /// Only when one gives no verdict.
    Silence,
}

/// What a StartTransaction is told about whose card nobody decided.
#[derive(Serialize, Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UndecidedStartName {
    /// What the leader says; while it is away Accepted, and settled when it is back.
    #[default]
    Leader,
    /// `Accepted`.
    Accept,
    /// `Invalid`.
    Refuse,
}
