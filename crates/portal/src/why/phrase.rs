//! The words that sentences about cards are made of.

use engine::BackofficeId;
use jiff::Timestamp;
use store::{LoggedAnswer, LoggedCall};

use super::Facts;
pub(super) use crate::words::{duration, shown};

/// Stands around a moment that a page writes itself, in the reader's own time; no text of a peer can look
/// like one but a page shows that as a moment at worst.
const MARK: char = '\u{E000}';

/// A sentence, taken apart: text, and in turn with it moments (UTC, milliseconds since 1970).
pub fn pieces(sentence: &str) -> Vec<Result<&str, i64>> {
    let pieces = sentence.split(MARK).enumerate();
    pieces
        .map(|(at, piece)| match piece.parse() {
            Ok(unix_ms) if at % 2 == 1 => Err(unix_ms),
            _ => Ok(piece),
        })
        .collect()
}

/// "at 12:03:04", with the date unless it is today.
pub(super) fn at(facts: &Facts, unix_ms: i64) -> String {
    if facts.marks_moments {
        return format!("at {MARK}{unix_ms}{MARK}");
    }
    let zoned = |unix_ms| Timestamp::from_millisecond(unix_ms).map(|time| time.to_zoned(facts.zone.clone()));
    match (zoned(unix_ms), zoned(facts.now_unix_ms)) {
        (Ok(time), Ok(now)) if time.date() == now.date() => time.strftime("at %H:%M:%S").to_string(),
        (Ok(time), _) => time.strftime("on %Y-%m-%d at %H:%M:%S").to_string(),
        (Err(_), _) => "at an unknown time".to_owned(),
    }
}

/// "12:03:04", with the date unless it is today.
pub(super) fn moment(facts: &Facts, unix_ms: i64) -> String {
    let at = at(facts, unix_ms);
    at.trim_start_matches("at ").trim_start_matches("on ").replace(" at ", " ")
}

/// "acme, which is Leader", or who leads instead now.
pub(super) fn leader(facts: &Facts, backoffice: &BackofficeId) -> String {
    match &facts.leader {
        Some(now) if now != backoffice => {
            format!("{}, which was Leader then ({} is now)", shown(backoffice.as_str()), shown(now.as_str()))
        }
        _ => format!("{}, which is Leader", shown(backoffice.as_str())),
    }
}

/// What a status says of a card (OCPP 1.6 §7.2).
pub(super) fn meaning(status: &str) -> Option<&'static str> {
    match status {
        "Accepted" => Some("the card may charge"),
        "Blocked" => Some("the card is blocked"),
        "Expired" => Some("the card has expired"),
        "Invalid" => Some("the card is not known"),
        "ConcurrentTx" => Some("the card is already in use in another session"),
        _ => None,
    }
}

/// The status with its meaning.
pub(super) fn status(status: &str) -> String {
    match meaning(status) {
        Some(meaning) => format!("{status} ({meaning})"),
        None => shown(status),
    }
}

/// "InternalError: database down".
pub(super) fn error(code: Option<&str>, description: Option<&str>) -> String {
    let code = shown(code.unwrap_or("an error without a code"));
    match description.filter(|description| !description.trim().is_empty()) {
        Some(description) => format!("{code}: {}", shown(description)),
        None => code,
    }
}

/// What one backoffice said, as in "acme …".
pub(super) fn said(answer: &LoggedAnswer) -> String {
    match answer.outcome.as_str() {
        "result" => match &answer.status {
            Some(given) => format!("answered {}", status(given)),
            None => "answered without a verdict on the card".to_owned(),
        },
        "error" => {
            let error = error(answer.error_code.as_deref(), answer.error_description.as_deref());
            format!("could not process it: {error}")
        }
        "timeout" => "did not answer in time".to_owned(),
        "disconnected" => "lost its connection before it answered".to_owned(),
        "not_connected" => "was not connected and was not asked".to_owned(),
        other => format!("did not answer: {}", shown(&other.replace('_', " "))),
    }
}

/// The policy by which the verdict came about, where more than the leader decides.
pub(super) fn policy(call: &LoggedCall) -> Option<&str> {
    let known = ["all_accept", "any_accept", "decided_before", "first_answer", "ordered", "tag_routed"];
    let more = ["local_allow", "remote_start", "reservation", "cache_on_outage"];
    let is_policy = |flag: &&str| known.contains(flag) || more.contains(flag);
    call.flags.iter().map(String::as_str).find(is_policy)
}

/// How `proxy.toml` writes what a remark names.
pub(super) fn written(policy: &str) -> &str {
    match policy {
        "tag_routed" => "routes",
        "local_allow" => "accept",
        "cache_on_outage" => "remembered",
        other => other,
    }
}

/// Why a follower's verdict counts: the end of "acme, a follower …".
pub(super) fn mandate(call: &LoggedCall) -> &'static str {
    match policy(call) {
        Some("all_accept") => "whose word counts, since all who decide have to accept the card (all_accept)",
        Some("any_accept") => "that has a say about cards (any_accept)",
        Some("decided_before") => "that decided about this card shortly before",
        Some("first_answer") => "that answered first (first_answer)",
        Some("ordered") => "whose turn it was to decide (ordered)",
        Some("remote_start") => "that had started the session remotely",
        Some("reservation") => "that had reserved the connector for the card",
        Some("tag_routed") => "to which proxy.toml routes this card",
        _ => "that decides about this card",
    }
}

/// What the followers answered, where it helps to know: a sentence that begins with a space, or nothing.
pub(super) fn followers(facts: &Facts, call: &LoggedCall) -> String {
    let decided = |answer: &LoggedAnswer| {
        call.decider == "follower" && call.decided_by.as_deref() == Some(answer.backoffice.as_str())
    };
    let deciders = super::deciders::of(facts, call);
    let decides = |answer: &LoggedAnswer| deciders.contains(&&answer.backoffice);
    let names = |is_it: &dyn Fn(&LoggedAnswer) -> bool| -> Vec<String> {
        let those = call.answers.iter().filter(|answer| !answer.led && !decided(answer) && is_it(answer));
        those.map(|answer| shown(answer.backoffice.as_str())).collect()
    };
    let accepted = names(&|answer| answer.status.as_deref() == Some("Accepted"));
    let refused = names(&|answer| {
        answer.outcome == "result" && answer.status.as_deref().is_some_and(|s| s != "Accepted")
    });
    let mut text = super::deciders::others(facts, call);
    if policy(call).is_some() {
        for answer in call.answers.iter().filter(|answer| !answer.led && !decided(answer) && !decides(answer))
        {
            let Some(given) = answer.status.as_deref().filter(|_| answer.outcome == "result") else {
                continue;
            };
            let (name, given) = (shown(answer.backoffice.as_str()), shown(given));
            text.push_str(&match super::deciders::is_late(call, answer) {
                true => format!(" {name} answered {given}, too late for the charger."),
                false if deciders.is_empty() => format!(" {name} answered {given}."),
                false => format!(" {name}, which does not decide about this card, answered {given}."),
            });
        }
        return text;
    }
    let has_changed = facts.leader.as_ref().is_some_and(|now| *now != call.leader);
    let are = match (accepted.len(), has_changed) {
        (0, _) => None,
        (1, false) => Some("it is a follower"),
        (1, true) => Some("it was a follower then"),
        (_, false) => Some("they are followers"),
        (_, true) => Some("they were followers then"),
    };
    if let Some(are) = are {
        text.push_str(&format!(" {} answered Accepted, but {are}.", list(&accepted)));
    }
    if !refused.is_empty() {
        text.push_str(&format!(" {} would have refused it too.", list(&refused)));
    }
    text
}

/// "a, b and c".
pub(super) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Why the proxy answered in the leader's place, as the end of "acme, which is Leader, …"
/// (semantics §2.9).
pub(super) fn absence(rule: &str) -> Option<&'static str> {
    match rule {
        "T-65" => Some("was away"),
        "T-66" => Some("was still being told what it had missed"),
        "E16" | "E17" => Some("did not answer in time"),
        "E18" => Some("could not process it"),
        _ => None,
    }
}
