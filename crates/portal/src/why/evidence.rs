//! What a verdict rests on, as rows that can be read one by one.

use engine::{Side, payload};
use store::{LoggedAnswer, LoggedCall, LoggedOccurrence};

use crate::words;

use super::attempts::{Attempt, is_repetition, verdict_of};
use super::phrase::{duration, error, said, shown, status};
use super::{Evidence, Facts, state};

/// Rows, oldest first, with the decisive one marked.
pub(super) fn of_attempt(facts: &Facts, attempt: &Attempt<'_>, decisive: &LoggedCall) -> Vec<Evidence> {
    let mut rows: Vec<Evidence> = Vec::new();
    for call in &attempt.calls {
        of_call(&mut rows, call, std::ptr::eq(*call, decisive));
    }
    let first = attempt.began_unix_ms();
    let last = attempt.calls.last().map_or(first, |call| call.received_unix_ms);
    rows.extend(state::obstacles(facts, first).iter().map(of_obstacle));
    rows.extend(state::occurrences(facts, first, last).into_iter().map(of_occurrence));
    rows
}

/// What the charger said, what it got, and what every backoffice answered.
fn of_call(rows: &mut Vec<Evidence>, call: &LoggedCall, is_decisive: bool) {
    let tag = call.id_tag.as_deref().map(|tag| format!(" {}", shown(tag))).unwrap_or_default();
    let connector = call.connector_id.map(|number| format!(" on connector {number}")).unwrap_or_default();
    let what = match call.action.as_str() {
        "Authorize" => format!("The charger asked whether card{tag} may charge (Authorize)."),
        "StartTransaction" => {
            format!(
                "The charger reported that a session of card{tag} has begun{connector} (StartTransaction)."
            )
        }
        "StopTransaction" => match payload::text(&call.payload, "reason") {
            Some(reason) => {
                format!("The charger ended the session, reason {} (StopTransaction).", shown(&reason))
            }
            None => "The charger ended the session (StopTransaction).".to_owned(),
        },
        other => format!("{}.", shown(other)),
    };
    let row = |sentence: String, is_decisive: bool| Evidence {
        unix_ms: call.received_unix_ms,
        sentence,
        trace: Some(call.trace),
        is_decisive,
    };
    rows.push(row(what, false));
    let decider = |answer: &LoggedAnswer| match call.decider.as_str() {
        "leader" => answer.led,
        "follower" => call.decided_by.as_deref() == Some(answer.backoffice.as_str()),
        _ => false,
    };
    let has_decided = call.answers.iter().any(decider);
    if !has_decided {
        rows.push(row(what_the_charger_got(call), is_decisive));
    }
    for answer in &call.answers {
        let role = match answer.led {
            true => "Leader",
            false if decider(answer) => "follower, decides about this card",
            false => "follower",
        };
        let mut sentence = format!("{} ({role}) {}", shown(answer.backoffice.as_str()), said(answer));
        if matches!(answer.outcome.as_str(), "result" | "error") {
            sentence.push_str(&format!(", after {}", duration(answer.latency_us)));
        }
        let was_heard = decider(answer);
        if answer.led && !was_heard && answer.outcome == "result" {
            sentence.push_str(match words::standing(call, answer) {
                words::Standing::Overruled => "; it does not decide about this card alone",
                _ => "; the charger had its answer already",
            });
        }
        rows.push(row(sentence + ".", is_decisive && was_heard));
    }
}

fn what_the_charger_got(call: &LoggedCall) -> String {
    let got = match (call.outcome.as_str(), verdict_of(call)) {
        ("result", Some(given)) => status(&given),
        ("result", None) => "an answer without a verdict".to_owned(),
        ("error", _) => error(call.error_code.as_deref(), call.error_description.as_deref()),
        (why, _) => return format!("The charger got no answer: {}.", unanswered(why)),
    };
    let who = match call.decider.as_str() {
        "leader" => format!("{} (Leader)", shown(call.decided_by.as_deref().unwrap_or(call.leader.as_str()))),
        "follower" => {
            format!(
                "{} (follower, decides about this card)",
                shown(call.decided_by.as_deref().unwrap_or_default())
            )
        }
        _ if call.decided_by.as_deref() == Some("local_allow") => {
            "the proxy, by its list of cards".to_owned()
        }
        _ if call.decided_by.as_deref() == Some("A-14") => "the proxy, since nobody decided".to_owned(),
        _ if is_repetition(call) => {
            "the proxy, as before: the charger had asked the same already,".to_owned()
        }
        _ => match call.decided_by.as_deref() {
            Some(rule) => format!("the proxy in the Leader's place (rule {})", shown(rule)),
            None => "the proxy in the Leader's place".to_owned(),
        },
    };
    format!("The charger got from {who}: {got}.")
}

/// Why a call of the charger stayed without an answer.
pub(super) fn unanswered(outcome: &str) -> &str {
    match outcome {
        "disconnected" => "its connection was lost before",
        "leader_lost" => "the Leader was away, so the proxy closed the charger's connection",
        "leader_timeout" => "the Leader was too slow, so the proxy closed the charger's connection",
        "shutdown" => "the proxy was being stopped",
        "store_failed" => "the proxy could not write to its store, so it closed the charger's connection",
        "timeout" => "it took too long",
        other => other,
    }
}

pub(super) fn of_obstacle(obstacle: &state::Obstacle<'_>) -> Evidence {
    let mut sentence = obstacle.words() + ".";
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Evidence {
        unix_ms: obstacle.call.received_unix_ms,
        sentence,
        trace: Some(obstacle.call.trace),
        is_decisive: false,
    }
}

/// A command that matters for the card.
pub(super) fn of_command(call: &LoggedCall, sentence: String) -> Evidence {
    Evidence { unix_ms: call.received_unix_ms, sentence, trace: Some(call.trace), is_decisive: false }
}

pub(super) fn of_occurrence(one: &LoggedOccurrence) -> Evidence {
    let is_charger = one.who == Side::Charger.to_string();
    let who = if is_charger { "The charger".to_owned() } else { shown(&one.who) };
    let detail = match one.detail.as_str() {
        "" => String::new(),
        detail => format!(": {}", shown(&detail.replace('_', " "))),
    };
    let sentence = match one.kind.as_str() {
        "charger_arrived" => format!("{who} connected{detail}."),
        "charger_left" => format!("{who} disconnected{detail}."),
        "link_up" => format!("{who} was connected{detail}."),
        "link_down" => format!("{who} was not connected{detail}."),
        "leader_changed" => format!("{who} leads from then on{detail}."),
        "hung_up" if is_charger => format!("The charger's connection was closed{detail}."),
        "hung_up" => format!("The connection of {who} was closed{detail}."),
        "alert" => format!("Alert{detail}."),
        kind => format!("{who}: {}{detail}.", shown(&kind.replace('_', " "))),
    };
    Evidence { unix_ms: one.unix_ms, sentence, trace: None, is_decisive: false }
}
