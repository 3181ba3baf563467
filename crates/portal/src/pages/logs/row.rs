//! One call as a row: who called, what about, what everybody answered side by side, the leader first.

use engine::{BackofficeId, Side, payload};
use jiff::Timestamp;
use maud::{Markup, html};
use store::{LoggedAnswer, LoggedCall, LoggedDifference, LoggedOccurrence};

use super::choice::{permalink, place};
use super::payload::block;
use crate::layout::{Icon, copyable, icon, leader_badge};
use crate::pages::why_address;
use crate::words::{self, Decided, Kind, Said, Standing, details, duration, shown};

/// Of a payload so much stands in the row itself; all of it on the call's own page.
const INLINE: usize = 4_096;
/// So many differences stand in the row.
const DIFFERENCES: usize = 4;

/// A call with everything that can be unfolded.
pub(crate) fn call(call: &LoggedCall) -> Markup {
    html! {
        article.call id={ "call-" (call.trace) } data-before=(place(call)) data-href=(permalink(call.trace))
            aria-label={ (shown(&call.action)) " at " (clock(call.received_unix_ms)) } {
            div.call-when {
                a href=(permalink(call.trace)) title="open this call on its own page" {
                    (moment(call.received_unix_ms))
                }
                (direction(call))
            }
            div.call-what { (subject(call)) }
            div.call-answers { (answers(call)) }
            details.call-raw {
                summary { "Details" }
                (raw(call, Some(INLINE)))
            }
        }
    }
}

/// Something that happened between the calls.
pub(crate) fn occurrence(occurrence: &LoggedOccurrence) -> Markup {
    let is_alert = occurrence.kind == "alert";
    let shape = match occurrence.kind.as_str() {
        "alert" | "protocol_violation" => Icon::Alert,
        "charger_arrived" | "link_up" => Icon::Dot,
        "charger_left" | "link_down" | "hung_up" => Icon::Ring,
        _ => Icon::Star,
    };
    html! {
        p.occurrence.alert[is_alert] id={ "occurrence-" (occurrence.seq) } {
            (moment(occurrence.unix_ms))
            (icon(shape))
            span {
                bdi { (shown(&occurrence.who)) } ": "
                strong { (shown(words::meaning_of_occurrence(&occurrence.kind))) }
                @if !occurrence.detail.is_empty() { ": " bdi { (shown(&occurrence.detail)) } }
            }
        }
    }
}

/// What the call was about.
pub(super) fn subject(call: &LoggedCall) -> Markup {
    let further = details::of_call(&call.action, &call.payload);
    let further = further.trim_start_matches(", ");
    html! {
        p.subject {
            strong.action { bdi { (shown(&call.action)) } }
            @if let Some(meaning) = words::meaning_of_action(&call.action) { " " span.meaning { (meaning) } }
        }
        p.about {
            @if let Some(id_tag) = &call.id_tag { span.fact { span.label { "idTag" } " " (copyable(id_tag)) } " " }
            @if let Some(number) = call.connector_id { span.fact { span.label { "connector" } " " (number) } " " }
            @if let Some(number) = call.transaction_number {
                span.fact { span.label { "transaction" } " " (number) } " "
            }
            @if !further.is_empty() { span.fact.further { bdi { (further) } } }
            @if call.redacted { " " span.chip.redacted title="secrets were taken out before this was stored" { "redacted" } }
        }
        p.decided { (decision(call)) }
    }
}

pub(super) fn direction(call: &LoggedCall) -> Markup {
    html! {
        @match &call.from {
            Side::Charger => span.direction.from-charger {
                (icon(Icon::Right)) span { "from charger" }
            },
            Side::Backoffice(backoffice) => span.direction.from-backoffice {
                (icon(Icon::Left)) span { "from " bdi { (backoffice) } }
                @if *backoffice == call.leader { " " (leader_badge()) }
            },
        }
    }
}

/// Who decided, and how long whoever called waited for it.
pub(super) fn decision(call: &LoggedCall) -> Markup {
    let took = duration(call.latency_us);
    html! {
        @match Decided::about(call) {
            Decided::Leader(leader) => { "Decided by " strong { bdi { (leader) } } ", the leader, in " (took) "." },
            Decided::Follower(follower) => {
                "Decided by " strong { bdi { (follower) } } ", a follower that decides about this card, in " (took) "."
            },
            Decided::Charger => { "The charger answered, in " (took) "." },
            Decided::Proxy { rule, sentence } => {
                "The proxy itself answered, in " (took)
                @if let Some(sentence) = sentence { ": " (sentence) }
                "."
                @if !rule.is_empty() { " " span.rule title="the rule in docs/semantics.md" { "[" (shown(rule)) "]" } }
            },
            Decided::Nobody { why } => { "Nobody answered: " (shown(why)) "." },
        }
    }
}

/// The answers side by side. Where not the leader decided, what was answered in its place comes first.
pub(super) fn answers(call: &LoggedCall) -> Markup {
    let leader_answered = call.answers.iter().any(|answer| answer.led);
    let decided = Decided::about(call);
    let in_its_place = match decided {
        Decided::Charger => Some("the charger"),
        Decided::Proxy { .. } => Some("the proxy"),
        Decided::Nobody { .. } if call.answers.is_empty() => Some("nobody"),
        Decided::Leader(leader) if !leader_answered => Some(leader),
        _ => None,
    };
    let label = status_label(&call.action);
    html! {
        @if let Some(who) = in_its_place {
            div.answer.(class(&Said::to_originator(call))).counts {
                p.who {
                    bdi { (who) } @if matches!(decided, Decided::Leader(_)) { " " (leader_badge()) }
                    " " span.took { (duration(call.latency_us)) }
                }
                (said(&Said::to_originator(call), label))
            }
        }
        @for answer in ordered(&call.answers) { (one_answer(call, answer, label)) }
    }
}

/// The leader's first, then by name, so that the same backoffice stands in the same place in each row.
fn ordered(answers: &[LoggedAnswer]) -> Vec<&LoggedAnswer> {
    let mut answers: Vec<&LoggedAnswer> = answers.iter().collect();
    answers.sort_by(|one, other| {
        (!one.led, one.backoffice.as_str(), one.seq).cmp(&(!other.led, other.backoffice.as_str(), other.seq))
    });
    answers
}

fn one_answer(call: &LoggedCall, answer: &LoggedAnswer, label: &str) -> Markup {
    let what = Said::by_backoffice(&call.action, answer);
    let differs = words::is_alarming(&answer.verdict);
    let was_asked = answer.outcome != "not_connected";
    let standing = words::standing(call, answer);
    let verdict = match (standing, answer.verdict.as_str()) {
        _ if !was_asked => "",
        (Standing::Overruled, _) => "does not decide about this card",
        (Standing::TooLate, _) | (_, "late") => "too late to count",
        (_, verdict) => words::meaning_of_verdict(verdict),
    };
    let counts = standing == Standing::Counted;
    html! {
        div.answer.(class(&what)).counts[counts].differs[differs] {
            p.who {
                bdi { (answer.backoffice) } @if answer.led { " " (leader_badge()) }
                @if was_asked { " " span.took { (duration(answer.latency_us)) } }
            }
            (said(&what, label))
            @if differs {
                p.verdict.differs { (icon(Icon::Differs)) span { (shown(verdict)) } }
            } @else if !verdict.is_empty() {
                p.verdict { (shown(verdict)) }
            }
            (differences(&answer.differences, &answer.backoffice, Some(DIFFERENCES)))
        }
    }
}

/// Where a follower's answer differs from the leader's.
pub(super) fn differences(
    differences: &[LoggedDifference],
    follower: &BackofficeId,
    limit: Option<usize>,
) -> Markup {
    let shown_of_them = limit.unwrap_or(differences.len());
    let value = |value: &Option<String>| value.as_deref().map_or("nothing".to_owned(), shown);
    html! {
        @if !differences.is_empty() {
            ul.differences {
                @for difference in differences.iter().take(shown_of_them) {
                    li {
                        code { (pointer(&difference.pointer)) } ": leader "
                        mark.theirs { (value(&difference.leader)) } ", " bdi { (follower) } " "
                        mark.ours { (value(&difference.follower)) }
                    }
                }
                @if differences.len() > shown_of_them {
                    li { "and " (differences.len() - shown_of_them) " more" }
                }
            }
        }
    }
}

fn pointer(pointer: &str) -> String {
    let field = pointer.trim_start_matches('/').replace('/', ".");
    if field.is_empty() { "the whole answer".to_owned() } else { shown(&field) }
}

/// What OCPP calls the status in the answer to this message.
fn status_label(action: &str) -> &'static str {
    match action {
        "Authorize" | "StartTransaction" | "StopTransaction" => "idTagInfo status",
        _ => "",
    }
}

fn said(what: &Said, label: &str) -> Markup {
    let label = if matches!(what.kind, Kind::Accepted | Kind::Refused) { label } else { "" };
    let is_status_of_card = !label.is_empty();
    html! {
        p.said {
            @if is_status_of_card { span.label { (label) } " " }
            span.status { (icon(shape(what.kind))) span { bdi { (what.word) } } }
        }
        @if let Some(meaning) = &what.meaning { p.meaning { bdi { (meaning) } } }
        @if let Some(number) = what.transaction { p.fact { span.label { "transaction" } " " (number) } }
    }
}

/// Told by shape as well, for whoever does not see the colour.
fn shape(kind: Kind) -> Icon {
    match kind {
        Kind::Accepted => Icon::Check,
        Kind::Refused => Icon::Cross,
        Kind::Received => Icon::Dot,
        Kind::Error => Icon::Alert,
        Kind::Unanswered => Icon::Clock,
    }
}

fn class(said: &Said) -> &'static str {
    match said.kind {
        Kind::Accepted => "accepted",
        Kind::Refused => "refused",
        Kind::Received => "received",
        Kind::Error => "error",
        Kind::Unanswered => "unanswered",
    }
}

/// Everything as it was logged; with a limit, cut there, and with the way to all of it.
pub(super) fn raw(call: &LoggedCall, limit: Option<usize>) -> Markup {
    let originator = match &call.from {
        Side::Charger => "the charger".to_owned(),
        Side::Backoffice(backoffice) => backoffice.to_string(),
    };
    html! {
        div.raw {
            section {
                h4 { "What was said" }
                (block(&call.payload, call.redacted, limit))
            }
            section {
                h4 { "What " bdi { (originator) } " got" }
                @if let Some(answer) = &call.answer { (block(answer, call.redacted, limit)) }
                @else { p { (Said::to_originator(call)) } }
            }
            @for answer in ordered(&call.answers) {
                section {
                    h4 { "What " bdi { (answer.backoffice) } " answered" @if answer.led { " " (leader_badge()) } }
                    @match (&answer.payload, answer.same) {
                        (Some(payload), _) => (block(payload, answer.redacted, limit)),
                        (None, true) if answer.led => p.muted { "Exactly what the charger got." },
                        (None, true) => p.muted { "Exactly what the leader answered." },
                        (None, false) => p { (Said::by_backoffice(&call.action, answer)) },
                    }
                    @if limit.is_none() { (differences(&answer.differences, &answer.backoffice, None)) }
                }
            }
        }
        p.raw-foot {
            @if limit.is_some() { a href=(permalink(call.trace)) { "Permalink" } " · " }
            @if let Some(id_tag) = call.id_tag.as_deref().filter(|_| may_be_asked_why(call)) {
                a href={ (why_address(&call.charger, id_tag)) "&call=" (call.trace) } { "Why was this card rejected?" } " · "
            }
            "trace " code { (call.trace) }
            @if !call.flags.is_empty() { " · remarks: " (call.flags.iter().map(|flag| shown(words::meaning_of_flag(flag))).collect::<Vec<_>>().join("; ")) }
        }
    }
}

/// Somebody refused the card.
pub(super) fn may_be_asked_why(call: &LoggedCall) -> bool {
    let refused = |status: Option<&str>| status.is_some_and(|status| status != "Accepted");
    let is_about_a_card = !status_label(&call.action).is_empty();
    is_about_a_card
        && (refused(call.answer.as_deref().and_then(payload::id_tag_status).as_deref())
            || call.answers.iter().any(|answer| refused(answer.status.as_deref())))
}

/// The time of day, the day beside it; in UTC, or as `app.js` puts it, in the reader's own time.
pub(super) fn moment(unix_ms: i64) -> Markup {
    let Ok(at) = Timestamp::from_millisecond(unix_ms) else {
        return html! { span { "at an impossible time" } };
    };
    html! {
        time.stamp datetime=(at.to_string()) title=(at.strftime("%Y-%m-%d %H:%M:%S%.3f UTC")) data-show="stamp" {
            span.clock { (at.strftime("%H:%M:%S")) } " " span.day { (at.strftime("%Y-%m-%d")) }
        }
    }
}

fn clock(unix_ms: i64) -> String {
    let at = Timestamp::from_millisecond(unix_ms).unwrap_or_default();
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
