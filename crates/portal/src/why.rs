//! Why was the card rejected? A sentence, its evidence and what to do next, from what was logged: the ladder
//! of semantics §5.8. Knows no database and no clock, so that every rung can be tried.

mod attempts;
pub mod cards;
mod deciders;
mod evidence;
mod gather;
mod ladder;
mod next;
mod phrase;
mod state;

use engine::{BackofficeId, ChargerId, Plan, TraceId};
use jiff::tz::TimeZone;
use serde::Serialize;
use store::{LoggedCall, LoggedOccurrence};
use utoipa::ToSchema;

pub use gather::{Question, facts};
pub use phrase::pieces;

/// What is known when somebody asks.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Which charger.
    pub charger: ChargerId,
    /// The card, as somebody read or typed it; `None` asks for the last rejection, whatever the card.
    pub id_tag: Option<String>,
    /// One call of the attempt that is meant; `None` asks for the last rejection.
    pub attempt: Option<TraceId>,
    /// The charger's calls and its backoffices' commands, in any order.
    pub calls: Vec<LoggedCall>,
    /// What happened to the charger and its links.
    pub occurrences: Vec<LoggedOccurrence>,
    /// Cards that were accepted somewhere, to compare a misread one with.
    pub known: Vec<KnownCard>,
    /// Whether the charger is connected now, as far as that is known.
    pub is_online: Option<bool>,
    /// Who leads now, as far as that is known.
    pub leader: Option<BackofficeId>,
    /// The plan that holds now, as far as it is known.
    pub plan: Option<Plan>,
    /// Since when the log was searched; UTC, milliseconds since 1970.
    pub since_unix_ms: i64,
    /// Now; UTC, milliseconds since 1970.
    pub now_unix_ms: i64,
    /// In which times are told.
    pub zone: TimeZone,
    /// Times are left to the page, see [`pieces`].
    pub marks_moments: bool,
    /// Whoever asks sits at the command line, and is sent to its commands rather than to pages.
    pub at_command_line: bool,
}

impl Facts {
    /// Where to look: a page, or the command that shows the same; a page without one is the portal's.
    fn page(&self, page: &str) -> String {
        if !self.at_command_line {
            return page.to_owned();
        }
        let charger = phrase::shown(self.charger.as_str());
        match page {
            "Logs" | "Chargers > View > Logs" => format!("`ocpp-proxy logs {charger}`"),
            "Cards without a number" => format!("`ocpp-proxy why {charger}`"),
            "Transactions" => format!("`ocpp-proxy logs {charger} --action StartTransaction`"),
            "Chargers > View > Proxy" => "The portal's Chargers > View > Proxy".to_owned(),
            other => format!("the portal's {other}"),
        }
    }

    /// The number by which this backoffice knows the card (semantics A-24).
    fn number_at<'a>(&'a self, backoffice: &BackofficeId, tag: &'a str) -> &'a str {
        let aliases = self.plan.as_ref().and_then(|plan| plan.aliases.get(backoffice));
        aliases.and_then(|aliases| aliases.of(tag)).unwrap_or(tag)
    }
}

/// A card that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCard {
    /// Its number.
    pub id_tag: String,
    /// Where it was accepted last.
    pub charger: ChargerId,
    /// By which leader.
    pub by: BackofficeId,
    /// When; UTC, milliseconds since 1970.
    pub unix_ms: i64,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Verdict {
    /// One or two sentences for a person.
    pub sentence: String,
    /// The kind of cause.
    pub cause: Cause,
    /// Who decided.
    pub who_decided: WhoDecided,
    /// The card of the attempt, as the charger sent it, or as it was asked for.
    pub id_tag: Option<String>,
    /// When it was decided; UTC, milliseconds since 1970.
    pub unix_ms: Option<i64>,
    /// The call that was decided.
    #[schema(value_type = Option<String>)]
    pub trace: Option<TraceId>,
    /// What the sentence rests on, oldest first.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub next: Next,
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Evidence {
    /// When; UTC, milliseconds since 1970.
    pub unix_ms: i64,
    /// What.
    pub sentence: String,
    /// The call in the log, if it is one.
    #[schema(value_type = Option<String>)]
    pub trace: Option<TraceId>,
    /// The verdict rests on this above all.
    pub is_decisive: bool,
}

/// What to do, by who is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct Next {
    /// In any case.
    pub everyone: Vec<String>,
    /// When it is the card of an employee or a resident, whom the site knows.
    pub employee: Vec<String>,
    /// When anybody may charge here, with a card of any issuer.
    pub public_site: Vec<String>,
    /// The card to add to a list of allowed cards, and whose.
    pub whitelist: Option<Whitelist>,
}

/// A card to allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Whitelist {
    /// The number by which this backoffice knows it: as the charger sends it, or as `card_aliases` says.
    pub id_tag: String,
    /// In this backoffice.
    #[schema(value_type = String)]
    pub backoffice: BackofficeId,
}

/// Who decided about the card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WhoDecided {
    /// The backoffice that led.
    Leader {
        /// Its name.
        #[schema(value_type = String)]
        backoffice: BackofficeId,
    },
    /// Another backoffice: by a policy that lets it decide about this card, or by a command.
    Follower {
        /// Its name.
        #[schema(value_type = String)]
        backoffice: BackofficeId,
    },
    /// The proxy, in the leader's place.
    Proxy {
        /// By which rule of semantics.md.
        rule: String,
    },
    /// The charger, by itself.
    Charger,
    /// Nobody: there was no decision.
    Nobody,
}

/// The kinds of causes; each has a rung of semantics §5.8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The leader answered Blocked, Expired, Invalid or ConcurrentTx to Authorize.
    RefusedByLeader,
    /// A follower that decides about the card refused in its answer to Authorize.
    RefusedByFollower,
    /// Whoever decided refused at StartTransaction.
    RefusedAtStart,
    /// The leader refused a session that the proxy had accepted in its place.
    RefusedLate,
    /// The proxy refused in the leader's place.
    RefusedByProxy,
    /// The leader answered with an error, or with something that is no verdict.
    LeaderError,
    /// The leader did not answer in time.
    LeaderTimeout,
    /// Several decide about the card, and none of them has, or not all who must.
    Undecided,
    /// The leader was away, and nobody else could decide.
    LeaderAway,
    /// The charger's connection ended before the answer.
    LinkLost,
    /// The proxy could not pass on the answer.
    ProxyTrouble,
    /// The charger did not ask: it refused by itself, or has not read the card.
    ChargerRefused,
    /// The connector or its reader was not in order.
    ConnectorNotAvailable,
    /// The connector was reserved for another card.
    Reserved,
    /// The charger was not connected.
    ChargerOffline,
    /// The charger's own list says otherwise than the backoffice.
    LocalListConflict,
    /// The charger sent another number than the card's, or none that can be.
    Misread,
    /// The session was accepted and stopped later for the card.
    StoppedLater,
    /// The card was accepted, and no session began.
    AcceptedNotStarted,
    /// The charger accepted by itself.
    AcceptedByCharger,
    /// The card was accepted.
    Accepted,
    /// Nothing is known of the charger.
    NothingKnown,
}

impl Cause {
    /// Whether a backoffice, or the proxy in its place, said no.
    fn is_refusal(self) -> bool {
        use Cause::{RefusedAtStart, RefusedByFollower, RefusedByLeader, RefusedByProxy, RefusedLate};
        matches!(self, RefusedByLeader | RefusedByFollower | RefusedAtStart | RefusedLate | RefusedByProxy)
    }

    /// Whether the card was turned away, by whomever.
    pub fn is_rejection(self) -> bool {
        !matches!(self, Cause::Accepted | Cause::AcceptedByCharger | Cause::NothingKnown)
    }
}

/// A card that was turned away, however often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TurnedAway {
    /// Its number, as the charger sent it last.
    pub id_tag: String,
    /// How often.
    pub times: u64,
    /// When last; UTC, milliseconds since 1970.
    pub unix_ms: i64,
    /// The call that was decided then.
    pub trace: TraceId,
    /// What the charger was told then: a status, an error code, or nothing.
    pub told: Option<String>,
    /// It was accepted after that.
    pub is_accepted_since: bool,
}

/// The cards that were turned away in these calls of one charger, the last one first.
pub fn turned_away(calls: &[LoggedCall]) -> Vec<TurnedAway> {
    let mut cards: Vec<TurnedAway> = Vec::new();
    for attempt in attempts::attempts(calls) {
        let call = attempt.decisive();
        let known = cards.iter().position(|card| cards::is_same(&card.id_tag, &attempt.tag));
        let mut card = match known {
            Some(at) => cards.remove(at),
            None if attempt.is_rejected() => TurnedAway {
                id_tag: String::new(),
                times: 0,
                unix_ms: 0,
                trace: call.trace,
                told: None,
                is_accepted_since: false,
            },
            None => continue,
        };
        card.is_accepted_since = !attempt.is_rejected();
        if attempt.is_rejected() {
            card.times += 1;
            card.unix_ms = call.received_unix_ms;
            card.trace = call.trace;
            card.told = attempts::verdict_of(call).or_else(|| call.error_code.clone());
            card.id_tag = attempt.tag;
        }
        cards.push(card);
    }
    cards.sort_by_key(|card| std::cmp::Reverse(card.unix_ms));
    cards
}

/// Answers the question from what is known.
pub fn explain(facts: &Facts) -> Verdict {
    ladder::climb(facts)
}

#[cfg(test)]
mod tests;
