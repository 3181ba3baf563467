//! What somebody answered and who decided, as words; the same on the command line and on the pages.

use std::fmt;

use engine::{Side, actions, payload};
use store::{LoggedAnswer, LoggedCall};

use super::{meaning_of_outcome, meaning_of_rule, meaning_of_status};

/// A value longer than this is cut.
const LONGEST_VALUE: usize = 200;

/// What an answer comes down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Yes.
    Accepted,
    /// No.
    Refused,
    /// Neither: it was taken note of, or it says something else.
    Received,
    /// It could not be answered: CALLERROR.
    Error,
    /// There is no answer.
    Unanswered,
}

/// An answer in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What it comes down to.
    pub kind: Kind,
    /// The word that was said: OCPP's status or error code, or that there is none.
    pub word: String,
    /// What that means, where it is known.
    pub meaning: Option<String>,
    /// The transaction number that was issued.
    pub transaction: Option<i64>,
}

impl Said {
    /// What a backoffice answered to a call with this action.
    pub fn by_backoffice(action: &str, answer: &LoggedAnswer) -> Self {
        Self::new(
            action,
            &answer.outcome,
            answer.status.as_deref(),
            answer.error_code.as_deref(),
            answer.error_description.as_deref(),
            answer.transaction_number,
        )
    }

    /// What whoever called got.
    pub fn to_originator(call: &LoggedCall) -> Self {
        // The status of the row may be the one that the call reported.
        let status = call
            .answer
            .as_deref()
            .and_then(|answer| payload::id_tag_status(answer).or_else(|| payload::text(answer, "status")));
        Self::new(
            &call.action,
            &call.outcome,
            status.as_deref(),
            call.error_code.as_deref(),
            call.error_description.as_deref(),
            call.transaction_number.filter(|_| call.action == "StartTransaction"),
        )
    }

    fn new(
        action: &str,
        outcome: &str,
        status: Option<&str>,
        error_code: Option<&str>,
        error_description: Option<&str>,
        transaction: Option<i64>,
    ) -> Self {
        let (kind, word, meaning) = match (outcome, status) {
            ("result", Some(status)) => {
                (kind_of(status), shown(status), meaning_of_status(action, status).map(str::to_owned))
            }
            ("result", None) => (Kind::Received, "received".to_owned(), None),
            ("error", _) => {
                let code = shown(error_code.unwrap_or("without a code"));
                let description = error_description.filter(|description| !description.is_empty());
                (Kind::Error, format!("error {code}"), description.map(shown))
            }
            (why, _) => (Kind::Unanswered, "no answer".to_owned(), Some(shown(meaning_of_outcome(why)))),
        };
        Self { kind, word, meaning, transaction }
    }
}

/// What a status comes down to (OCPP 1.6 §7); the same as [`store::OutcomeIs`] takes it.
fn kind_of(status: &str) -> Kind {
    match status {
        "Accepted" | "AcceptedCanceled" | "RebootRequired" | "Scheduled" | "Unlocked" => Kind::Accepted,
        "Pending" => Kind::Received,
        _ => Kind::Refused,
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, word, meaning, transaction } = self;
        match (kind, meaning) {
            (_, None) => f.write_str(word)?,
            (Kind::Error | Kind::Unanswered, Some(meaning)) => write!(f, "{word}: {meaning}")?,
            (_, Some(meaning)) => write!(f, "{word} ({meaning})")?,
        }
        match transaction {
            Some(number) => write!(f, ", transaction {number}"),
            None => Ok(()),
        }
    }
}

/// Whose answer the originator of a call got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided<'a> {
    /// The leader's.
    Leader(&'a str),
    /// A follower's, which decides about this card.
    Follower(&'a str),
    /// The charger's (to a command).
    Charger,
    /// The proxy's own.
    Proxy {
        /// The rule of docs/semantics.md by which it answered; may be empty.
        rule: &'a str,
        /// That rule as a sentence, where it has one.
        sentence: Option<&'static str>,
    },
    /// Nobody's.
    Nobody {
        /// Why.
        why: &'a str,
    },
}

impl<'a> Decided<'a> {
    /// Who decided about this call.
    pub fn about(call: &'a LoggedCall) -> Self {
        let by = call.decided_by.as_deref();
        match call.decider.as_str() {
            "charger" => Self::Charger,
            "leader" => Self::Leader(by.unwrap_or(call.leader.as_str())),
            "follower" => Self::Follower(by.unwrap_or_default()),
            "proxy" => {
                let rule = by.unwrap_or_default();
                Self::Proxy { rule, sentence: meaning_of_rule(rule) }
            }
            _ => Self::Nobody { why: meaning_of_outcome(&call.outcome) },
        }
    }
}

/// What an answer meant for the charger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The charger got it.
    Counted,
    /// The leader's came when the charger had been answered, or was gone.
    TooLate,
    /// The leader's did not decide: about this card somebody else does.
    Overruled,
    /// It was compared with the one that counted.
    Compared,
}

/// What an answer meant for the charger, or for the backoffice that commanded.
pub fn standing(call: &LoggedCall, answer: &LoggedAnswer) -> Standing {
    let is_result = matches!(answer.outcome.as_str(), "result" | "error");
    let decided = Decided::about(call);
    match decided {
        Decided::Follower(by) if by == answer.backoffice.as_str() => Standing::Counted,
        Decided::Follower(_) | Decided::Proxy { rule: "local_allow" | "A-14", .. }
            if answer.led && is_result && answer.verdict != "late" =>
        {
            Standing::Overruled
        }
        Decided::Leader(_) if answer.led => Standing::Counted,
        _ if call.from == Side::Charger && came_too_late(&call.action, answer) => Standing::TooLate,
        _ if answer.led => Standing::Counted,
        _ => Standing::Compared,
    }
}

/// The same of an answer that came after its call was shown.
pub fn standing_of_late(action: &str, answer: &LoggedAnswer) -> Standing {
    match came_too_late(action, answer) {
        true => Standing::TooLate,
        false if answer.led => Standing::Counted,
        false => Standing::Compared,
    }
}

/// Whether the charger had been answered, or was gone, when the leader answered a call that somebody
/// else decided. Reports on a job are no such case: nobody waits for the answer to those.
fn came_too_late(action: &str, answer: &LoggedAnswer) -> bool {
    let from_charger = actions::known(action).and_then(|action| action.from_charger.as_ref());
    let is_waited_for = from_charger.is_none_or(|action| action.copies != actions::Copies::Owner);
    let is_answer = matches!(answer.outcome.as_str(), "result" | "error");
    answer.led && answer.verdict == "leader" && is_answer && is_waited_for
}

/// Text from a peer, fit for people: nothing that a terminal obeys or that turns around what stands beside it, not
/// endless.
pub fn shown(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(LONGEST_VALUE) {
        if character.is_control() || gateway::is_invisible(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if text.chars().nth(LONGEST_VALUE).is_some() {
        shown.push('…');
    }
    shown
}

/// How long something took, from microseconds.
pub fn duration(microseconds: i64) -> String {
    match microseconds {
        ..1_000 => "under 1 ms".to_owned(),
        1_000..10_000_000 => format!("{} ms", microseconds / 1_000),
        _ => format!("{} s", microseconds / 1_000_000),
    }
}
