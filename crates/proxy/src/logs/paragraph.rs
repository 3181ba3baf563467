//! A call as a paragraph that can be read without knowing OCPP: what it was about in the first line,
//! who answered what below, the leader first, and where a follower differs.

use std::fmt::Write;

use engine::Side;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use portal::words::{self, Decided, Said, Standing, details, duration, shown};
use store::{LoggedAnswer, LoggedCall, LoggedDifference, LoggedOccurrence};

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
        text.push_str(&answer_line(&call.action, answer, words::standing(call, answer)));
    }
    for flag in &call.flags {
        writeln!(text, "    remark: {} [{}]", shown(words::meaning_of_flag(flag)), shown(flag))
            .expect("a String takes all text");
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
    let standing = words::standing_of_late(action, answer);
    format!("{time}  (continued) {}\n{}", shown(action), answer_line(action, answer, standing))
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
    let who = match Decided::about(call) {
        Decided::Charger => "charger".to_owned(),
        Decided::Proxy { rule, sentence } => {
            why = match sentence {
                Some(sentence) => format!(" – {sentence} [{rule}]"),
                None if rule.is_empty() => String::new(),
                None => format!(" [{}]", shown(rule)),
            };
            "the proxy itself".to_owned()
        }
        Decided::Leader(_) if call.answers.iter().any(|answer| answer.led) => return String::new(),
        Decided::Leader(leader) => format!("{leader} (leader)"),
        Decided::Follower(follower) if has_answered(call, follower) => return String::new(),
        Decided::Follower(follower) => format!("{follower} (decides about this card)"),
        Decided::Nobody { why } => return format!("    nobody answered: {}\n", shown(why)),
    };
    format!("    {who}: {}{why}  ({})\n", Said::to_originator(call), duration(call.latency_us))
}

fn has_answered(call: &LoggedCall, backoffice: &str) -> bool {
    call.answers.iter().any(|answer| answer.backoffice.as_str() == backoffice)
}

fn answer_line(action: &str, answer: &LoggedAnswer, standing: Standing) -> String {
    let role = match standing {
        _ if answer.led => " (leader)",
        Standing::Counted => " (decides about this card)",
        _ => "",
    };
    let said = Said::by_backoffice(action, answer);
    let mark = if words::is_alarming(&answer.verdict) { "≠ " } else { "  " };
    let verdict = match answer.verdict.as_str() {
        // It was not asked: there is nothing to judge, and no time it took.
        _ if answer.outcome == "not_connected" => {
            return format!("  {mark}{}{role}: {said}\n", answer.backoffice);
        }
        _ if standing == Standing::Overruled => ", which does not decide about this card".to_owned(),
        verdict if standing == Standing::TooLate || verdict == "late" => ", too late to count".to_owned(),
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

pub(crate) fn time(unix_ms: i64, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(unix_ms) {
        Ok(moment) => moment.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        Err(_) => format!("{unix_ms} ms"),
    }
}

#[cfg(test)]
mod tests;
