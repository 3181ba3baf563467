//! A call as a paragraph that can be read without knowing OCPP: what it was about in the first line,
//! who answered what below, the leader first, and where a follower differs.

use std::fmt::Write;

use engine::{Side, actions, payload};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use store::{LoggedAnswer, LoggedCall, LoggedDifference, LoggedOccurrence};

use super::{details, words};

/// An answer longer than this is cut; `--json` shows all of it.
const LONGEST_VALUE: usize = 200;

/// A call and every answer to it.
pub(crate) fn of_call(call: &LoggedCall, zone: &TimeZone) -> String {
    let mut text = format!("{}  ", time(call.received_unix_ms, zone));
    match &call.from {
        Side::Charger => text.push_str("charger"),
        Side::Backoffice(backoffice) => {
            let leads = if *backoffice == call.leader { " (leader)" } else { "" };
            write!(text, "{backoffice}{leads} to charger").expect("a String takes all text");
        }
    }
    write!(text, ": {}", shown(&call.action)).expect("a String takes all text");
    if let Some(meaning) = words::meaning_of_action(&call.action) {
        write!(text, " – {meaning}").expect("a String takes all text");
    }
    text.push_str(&subject(call));
    text.push_str(&details::of_call(&call.action, &call.payload));
    text.push('\n');
    text.push_str(&what_the_originator_got(call));
    for answer in &call.answers {
        let missed =
            call.from == Side::Charger && call.decider != "leader" && came_too_late(&call.action, answer);
        text.push_str(&answer_line(&call.action, answer, missed));
    }
    text
}

/// An answer that came after its call was shown.
pub(crate) fn of_late_answer(
    action: &str,
    received_unix_ms: i64,
    answer: &LoggedAnswer,
    zone: &TimeZone,
) -> String {
    let time = time(received_unix_ms, zone);
    let missed = came_too_late(action, answer);
    format!("{time}  (continued) {}\n{}", shown(action), answer_line(action, answer, missed))
}

/// Whether the charger had been answered, or was gone, when the leader answered. Reports on a job are
/// no such case: nobody waits for the answer to those.
fn came_too_late(action: &str, answer: &LoggedAnswer) -> bool {
    let from_charger = actions::known(action).and_then(|action| action.from_charger.as_ref());
    let is_waited_for = from_charger.is_none_or(|action| action.copies != actions::Copies::Owner);
    answer.led && answer.verdict == "leader" && is_answer(&answer.outcome) && is_waited_for
}

fn is_answer(outcome: &str) -> bool {
    matches!(outcome, "result" | "error")
}

/// Something that happened to the charger or to the link of a backoffice: one line.
pub(crate) fn of_occurrence(occurrence: &LoggedOccurrence, zone: &TimeZone) -> String {
    let LoggedOccurrence { unix_ms, kind, who, detail, .. } = occurrence;
    let (time, who) = (time(*unix_ms, zone), shown(who));
    let what = shown(words::meaning_of_occurrence(kind));
    match detail.as_str() {
        "" => format!("{time}  {who}: {what}\n"),
        detail => format!("{time}  {who}: {what}: {}\n", shown(detail)),
    }
}

fn subject(call: &LoggedCall) -> String {
    let mut text = String::new();
    let mut add = |what: &str, value: Option<String>| {
        if let Some(value) = value {
            write!(text, ", {what} {value}").expect("a String takes all text");
        }
    };
    add("card", call.id_tag.as_deref().map(shown));
    add("connector", call.connector_id.map(|number| number.to_string()));
    add("transaction", call.transaction_number.map(|number| number.to_string()));
    text
}

/// For a command, and when it was not the leader who answered; otherwise the leader's line says it.
fn what_the_originator_got(call: &LoggedCall) -> String {
    let mut why = String::new();
    let who = match call.decider.as_str() {
        "charger" => "charger".to_owned(),
        "proxy" => {
            let rule = call.decided_by.as_deref().unwrap_or_default();
            why = match words::meaning_of_rule(rule) {
                Some(sentence) => format!(" – {sentence} [{rule}]"),
                None if rule.is_empty() => String::new(),
                None => format!(" [{}]", shown(rule)),
            };
            "the proxy itself".to_owned()
        }
        "leader" if call.answers.iter().any(|answer| answer.led) => return String::new(),
        "leader" => format!("{} (leader)", call.decided_by.as_deref().unwrap_or(call.leader.as_str())),
        _ => {
            return format!("    nobody answered: {}\n", shown(words::meaning_of_outcome(&call.outcome)));
        }
    };
    // The status of the row may be the one that the call reported.
    let status = call
        .answer
        .as_deref()
        .and_then(|answer| payload::id_tag_status(answer).or_else(|| payload::text(answer, "status")));
    let answer = said(
        &call.action,
        &call.outcome,
        status.as_deref(),
        call.transaction_number.filter(|_| call.action == "StartTransaction"),
        call.error_code.as_deref(),
        call.error_description.as_deref(),
    );
    format!("    {who}: {answer}{why}  ({})\n", duration(call.latency_us))
}

fn answer_line(action: &str, answer: &LoggedAnswer, came_too_late: bool) -> String {
    let role = if answer.led { " (leader)" } else { "" };
    let said = said(
        action,
        &answer.outcome,
        answer.status.as_deref(),
        answer.transaction_number,
        answer.error_code.as_deref(),
        answer.error_description.as_deref(),
    );
    let mark = if words::is_alarming(&answer.verdict) { "≠ " } else { "  " };
    let verdict = match answer.verdict.as_str() {
        // It was not asked: there is nothing to judge, and no time it took.
        _ if answer.outcome == "not_connected" => {
            return format!("  {mark}{}{role}: {said}\n", answer.backoffice);
        }
        verdict if came_too_late || verdict == "late" => ", too late to count".to_owned(),
        verdict => match words::meaning_of_verdict(verdict) {
            "" => String::new(),
            meaning => format!(" – {}", shown(meaning)),
        },
    };
    let mut text =
        format!("  {mark}{}{role}: {said}{verdict}  ({})\n", answer.backoffice, duration(answer.latency_us));
    for difference in &answer.differences {
        text.push_str(&difference_line(difference, &answer.backoffice));
    }
    text
}

fn difference_line(difference: &LoggedDifference, follower: &engine::BackofficeId) -> String {
    let value = |value: &Option<String>| value.as_deref().map_or("nothing".to_owned(), shown);
    let field = difference.pointer.trim_start_matches('/').replace('/', ".");
    let field = if field.is_empty() { "the whole answer".to_owned() } else { shown(&field) };
    format!(
        "      ≠ {field}: leader {}, {follower} {}\n",
        value(&difference.leader),
        value(&difference.follower)
    )
}

fn said(
    action: &str,
    outcome: &str,
    status: Option<&str>,
    transaction: Option<i64>,
    error_code: Option<&str>,
    error_description: Option<&str>,
) -> String {
    let mut text = match (outcome, status) {
        ("result", Some(status)) => match words::meaning_of_status(action, status) {
            Some(meaning) => format!("{} ({meaning})", shown(status)),
            None => shown(status),
        },
        ("result", None) => "received".to_owned(),
        ("error", _) => {
            let mut text = format!("error {}", shown(error_code.unwrap_or("without a code")));
            if let Some(description) = error_description.filter(|description| !description.is_empty()) {
                write!(text, ": {}", shown(description)).expect("a String takes all text");
            }
            text
        }
        (why, _) => format!("no answer: {}", shown(words::meaning_of_outcome(why))),
    };
    if let Some(number) = transaction {
        write!(text, ", transaction {number}").expect("a String takes all text");
    }
    text
}

/// Text from a peer, fit for a terminal: no control characters, not endless.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(LONGEST_VALUE) {
        if character.is_control() {
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

pub(crate) fn time(unix_ms: i64, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(unix_ms) {
        Ok(moment) => moment.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        Err(_) => format!("{unix_ms} ms"),
    }
}

fn duration(microseconds: i64) -> String {
    match microseconds {
        ..1_000 => "under 1 ms".to_owned(),
        1_000..10_000_000 => format!("{} ms", microseconds / 1_000),
        _ => format!("{} s", microseconds / 1_000_000),
    }
}

#[cfg(test)]
mod tests;
