//! Where more than one backoffice decides about a card: what each of them said (semantics §5.2).

use engine::{BackofficeId, TurnsOn, VerdictRule};
use store::{LoggedAnswer, LoggedCall};

use super::Facts;
use super::phrase::{error, shown};

/// The policies under which several decide.
const SEVERAL: [&str; 4] = ["all_accept", "any_accept", "first_answer", "ordered"];

/// Those who decide about the card of this call, by the plan that holds now; empty where one alone decides, or
/// where the plan is not known or has changed since.
pub(super) fn of<'a>(facts: &'a Facts, call: &LoggedCall) -> Vec<&'a BackofficeId> {
    let policy = super::phrase::policy(call).filter(|policy| SEVERAL.contains(policy));
    let plan = facts.plan.as_ref().filter(|plan| policy == Some(plan.cards.rule.label()));
    plan.map(|plan| plan.deciders()).filter(|deciders| deciders.len() > 1).unwrap_or_default()
}

/// Whether the charger got this backoffice's verdict.
pub(super) fn has_decided(call: &LoggedCall, backoffice: &BackofficeId) -> bool {
    matches!(call.decider.as_str(), "leader" | "follower") && super::ladder::decider(call) == *backoffice
}

/// Whether the answer came when the charger had its own.
pub(super) fn is_late(call: &LoggedCall, answer: &LoggedAnswer) -> bool {
    matches!(answer.outcome.as_str(), "result" | "error")
        && (answer.verdict == "late" || answer.latency_us > call.latency_us)
}

fn answer_of<'a>(call: &'a LoggedCall, backoffice: &BackofficeId) -> Option<&'a LoggedAnswer> {
    call.answers.iter().rfind(|answer| answer.backoffice == *backoffice)
}

/// What one said, or why it said nothing, without its name.
fn said(facts: &Facts, call: &LoggedCall, backoffice: &BackofficeId) -> String {
    let Some(answer) = answer_of(call, backoffice) else { return "did not answer".to_owned() };
    let late = if is_late(call, answer) { ", too late for the charger" } else { "" };
    match (answer.outcome.as_str(), answer.status.as_deref()) {
        ("result", Some(given)) => format!("answered {}{late}", shown(given)),
        ("result", None) => format!("answered without a verdict on the card{late}"),
        ("error", _) => {
            let error = error(answer.error_code.as_deref(), answer.error_description.as_deref());
            format!("could not process it: {error}")
        }
        ("not_connected", _) => "was not connected".to_owned(),
        ("disconnected", _) => "lost its connection before it answered".to_owned(),
        _ if answer.led => "did not answer in time".to_owned(),
        _ => match &facts.plan {
            Some(plan) => format!("did not answer within {} s", plan.cards.wait.as_secs()),
            None => "did not answer in time".to_owned(),
        },
    }
}

/// Those who gave the charger no verdict in time although they decide.
pub(super) fn silent<'a>(facts: &'a Facts, call: &LoggedCall) -> Vec<&'a BackofficeId> {
    let is_silent = |backoffice: &&BackofficeId| {
        let answer = answer_of(call, backoffice);
        answer.is_none_or(|answer| {
            answer.outcome != "result" || answer.status.is_none() || is_late(call, answer)
        })
    };
    of(facts, call).into_iter().filter(is_silent).collect()
}

/// What the others who decide said: sentences that begin with a space.
pub(super) fn others(facts: &Facts, call: &LoggedCall) -> String {
    let others = of(facts, call).into_iter().filter(|backoffice| !has_decided(call, backoffice));
    let word =
        if matches!(call.decider.as_str(), "leader" | "follower") { "also decides" } else { "decides" };
    others
        .map(|one| {
            let leads = if *one == call.leader { "leads and " } else { "" };
            format!(" {}, which {leads}{word}, {}.", shown(one.as_str()), said(facts, call, one))
        })
        .collect()
}

/// Why the others' answers did not count, as the end of a sentence.
pub(super) fn reason(policy: &str) -> &'static str {
    match policy {
        "any_accept" => "but it is enough that one accepts the card",
        "all_accept" => "but all who decide have to accept the card",
        "first_answer" => "but the first answer counts",
        "ordered" => "but it was not its turn",
        "local_allow" => "but the list of cards in proxy.toml comes first",
        "cache_on_outage" => "but it does not decide about this card",
        _ => "but another decides about this card",
    }
}

/// Where every one of several would do: whom the card needs.
pub(super) fn either(facts: &Facts, call: &LoggedCall) -> Option<String> {
    let deciders = of(facts, call);
    if super::phrase::policy(call) != Some("any_accept") || deciders.is_empty() {
        return None;
    }
    let of_each = |one: &&BackofficeId| format!("{} ({})", shown(one.as_str()), said(facts, call, one));
    let each: Vec<String> = deciders.iter().map(of_each).collect();
    let enough = if each.len() == 2 { "Either" } else { "Any one" };
    Some(format!("{enough} is enough to accept the card: {}.", each.join(" or ")))
}

/// What to do about those who said nothing in time, where their word could have changed the verdict.
pub(super) fn bring_back(facts: &Facts, call: &LoggedCall) -> Option<String> {
    let could_have_helped = match facts.plan.as_ref()?.cards.rule {
        VerdictRule::AnyAccept | VerdictRule::Ordered(TurnsOn::Refusal) => true,
        _ => !matches!(call.decider.as_str(), "leader" | "follower"),
    };
    let silent = silent(facts, call);
    if silent.is_empty() || !could_have_helped {
        return None;
    }
    let also = if silent.len() < of(facts, call).len() { "also " } else { "" };
    let each: Vec<String> = silent
        .iter()
        .map(|one| {
            let is_slow = answer_of(call, one).is_some_and(|answer| is_late(call, answer));
            let then = if is_slow { "ask why it is so slow" } else { "bring it back" };
            format!("{}, which {also}decides, {}: {then}", shown(one.as_str()), said(facts, call, one))
        })
        .collect();
    let page = facts.page("Chargers > View > Proxy");
    Some(format!("{}; then present the card again. {page} shows the connections.", each.join("; ")))
}
