//! The ladder of semantics §5.8: from the strongest evidence to the weakest, the first rung that holds.

use engine::BackofficeId;
use store::LoggedCall;

use super::attempts::{Attempt, attempts, verdict_of};
use super::phrase::{at, followers, leader, shown, status};
use super::{Cause, Facts, KnownCard, Verdict, WhoDecided, cards, deciders, evidence, next, phrase};

/// What one rung found.
pub(super) struct Rung<'a> {
    pub(super) cause: Cause,
    pub(super) who: WhoDecided,
    pub(super) sentence: String,
    pub(super) call: &'a LoggedCall,
    /// Rows that the attempt itself does not bring.
    pub(super) more: Vec<super::Evidence>,
}

/// A card that was accepted, and that this one may be, misread.
pub(super) struct NearMatch<'a> {
    pub(super) known: &'a KnownCard,
    pub(super) likeness: cards::Likeness,
}

pub(super) fn climb(facts: &Facts) -> Verdict {
    let all = attempts(&facts.calls);
    match chosen(facts, &all) {
        Some(attempt) => of_attempt(facts, &all, attempt),
        None => silent::explain(facts, &all),
    }
}

/// The attempt that is meant: the one with the call that was named; else the card's last rejection; else
/// its last attempt.
fn chosen<'b, 'a>(facts: &Facts, all: &'b [Attempt<'a>]) -> Option<&'b Attempt<'a>> {
    if let Some(trace) = facts.attempt {
        return all.iter().find(|attempt| attempt.calls.iter().any(|call| call.trace == trace));
    }
    let is_meant =
        |attempt: &&Attempt<'_>| facts.id_tag.as_deref().is_none_or(|tag| cards::is_same(tag, &attempt.tag));
    let meant = || all.iter().rev().filter(is_meant);
    meant().find(|attempt| attempt.is_rejected()).or_else(|| meant().next())
}

/// When the attempt that is meant began.
pub(super) fn moment_of(facts: &Facts) -> Option<i64> {
    let all = attempts(&facts.calls);
    chosen(facts, &all).map(|attempt| attempt.decisive().received_unix_ms)
}

/// Its card, or the one that was asked for.
pub(super) fn tag_of(facts: &Facts) -> Option<String> {
    let all = attempts(&facts.calls);
    chosen(facts, &all).map(|attempt| attempt.tag.clone()).or_else(|| facts.id_tag.clone())
}

/// Its start.
pub(super) fn start_of(facts: &Facts) -> Option<LoggedCall> {
    let all = attempts(&facts.calls);
    chosen(facts, &all).and_then(|attempt| attempt.start).cloned()
}

fn of_attempt(facts: &Facts, all: &[Attempt<'_>], attempt: &Attempt<'_>) -> Verdict {
    let mut rung = match attempt.start {
        Some(start) => started::rung(facts, attempt, start),
        None => asked::rung(facts, attempt),
    };
    let near = near_match(facts, &attempt.tag);
    let malformed = cards::malformed(&attempt.tag);
    let was_unknown = verdict_of(rung.call).as_deref() == Some("Invalid");
    let could_not_be_read = rung.cause == Cause::LeaderError;
    if let Some(near) = near.as_ref().filter(|_| was_unknown) {
        rung.sentence.push_str(&format!(
            " It looks misread: it is the number {}, which {} accepted {}, {}.",
            shown(&near.known.id_tag),
            shown(near.known.by.as_str()),
            at(facts, near.known.unix_ms),
            near.likeness.words()
        ));
        rung.cause = Cause::Misread;
    } else if let Some(wrong) = malformed.as_ref().filter(|_| was_unknown || could_not_be_read) {
        rung.sentence.push_str(&format!(" This card number {wrong}: the charger's reader has misread it."));
        rung.cause = Cause::Misread;
    }
    if rung.cause.is_rejection()
        && let Some(later) = later_success(all, attempt)
    {
        let when = at(facts, later.decisive().received_unix_ms);
        rung.sentence.push_str(&format!(" The same card was accepted later, {when}."));
    }
    let mut rows = evidence::of_attempt(facts, attempt, rung.call);
    rows.append(&mut rung.more);
    rows.extend(near.iter().map(|near| of_near_match(facts, &attempt.tag, near)));
    rows.sort_by_key(|row| row.unix_ms);
    rows.dedup();
    let next = next::steps(facts, attempt, &rung, near.as_ref());
    Verdict {
        sentence: rung.sentence,
        cause: rung.cause,
        who_decided: rung.who,
        id_tag: Some(attempt.tag.clone()),
        unix_ms: Some(rung.call.received_unix_ms),
        trace: Some(rung.call.trace),
        evidence: rows,
        next,
    }
}

/// The card tried again and was not turned away.
fn later_success<'b, 'a>(all: &'b [Attempt<'a>], attempt: &Attempt<'_>) -> Option<&'b Attempt<'a>> {
    all.iter().rev().find(|later| {
        later.began_unix_ms() > attempt.began_unix_ms()
            && cards::is_same(&later.tag, &attempt.tag)
            && !later.is_rejected()
    })
}

/// An accepted card that this may be, misread. One that is the same to OCPP counts only if a backoffice
/// may still tell them apart: in capitals and small letters.
fn near_match<'a>(facts: &'a Facts, tag: &str) -> Option<NearMatch<'a>> {
    let matches = facts.known.iter().filter_map(|known| {
        let likeness = cards::likeness(tag, &known.id_tag)?;
        Some(NearMatch { known, likeness })
    });
    matches.max_by_key(|near| near.known.unix_ms)
}

fn of_near_match(facts: &Facts, tag: &str, near: &NearMatch<'_>) -> super::Evidence {
    let sentence = format!(
        "{} is {} {}; {} accepted that at {} {}.",
        shown(tag),
        shown(&near.known.id_tag),
        near.likeness.words(),
        shown(near.known.by.as_str()),
        shown(near.known.charger.as_str()),
        at(facts, near.known.unix_ms)
    );
    super::Evidence { unix_ms: near.known.unix_ms, sentence, trace: None, is_decisive: false }
}

/// What holds for an Authorize as for a StartTransaction: how the charger got its answer, or did not.
/// `None` when it was told Accepted.
pub(super) fn decision<'a>(facts: &Facts, call: &'a LoggedCall) -> Option<Rung<'a>> {
    let when = at(facts, call.received_unix_ms);
    let led = leader(facts, &call.leader);
    let rung = |cause, who, sentence| Some(Rung { cause, who, sentence, call, more: Vec::new() });
    let is_start = call.action == "StartTransaction";
    let given = verdict_of(call);
    if given.as_deref() == Some("Accepted") {
        return None;
    }
    let refused = if is_start { Cause::RefusedAtStart } else { Cause::RefusedByLeader };
    match (call.decider.as_str(), call.outcome.as_str(), given) {
        ("leader", "result", Some(given)) => {
            let by = decider(call);
            let sentence = format!(
                "Rejected by {}: idTagInfo.status = {} {when}.{}",
                leader(facts, &by),
                shown(&given),
                followers(facts, call)
            );
            rung(refused, WhoDecided::Leader { backoffice: by }, sentence)
        }
        ("follower", "result", Some(given)) => {
            let refused = if is_start { Cause::RefusedAtStart } else { Cause::RefusedByFollower };
            let sentence = format!(
                "Rejected by {}: idTagInfo.status = {} {when}.{}{}",
                by(facts, call),
                shown(&given),
                overruled_leader(facts, call),
                followers(facts, call)
            );
            rung(refused, who(call), sentence)
        }
        ("proxy", outcome, given) if call.decided_by.as_deref() == Some("A-14") => {
            undecided(facts, call, outcome, given.as_deref())
        }
        ("leader", "result", None) => {
            let sentence = format!(
                "{led}, answered {when} without a verdict on the card: idTagInfo.status is missing. That is an \
                 error of {}.{}",
                shown(call.leader.as_str()),
                followers(facts, call)
            );
            rung(Cause::LeaderError, WhoDecided::Leader { backoffice: call.leader.clone() }, sentence)
        }
        ("leader", "error", _) => {
            let error = phrase::error(call.error_code.as_deref(), call.error_description.as_deref());
            let sentence = format!(
                "{led}, could not process the question {when}: {error}. That is an error, not a verdict on the \
                 card.{}",
                followers(facts, call)
            );
            rung(Cause::LeaderError, WhoDecided::Leader { backoffice: call.leader.clone() }, sentence)
        }
        ("proxy", outcome, given) => by_proxy(facts, call, outcome, given.as_deref()),
        (_, outcome, _) => {
            let (cause, what) = match outcome {
                "leader_timeout" | "timeout" => (
                    Cause::LeaderTimeout,
                    format!("{led}, did not answer in time {when}; the charger's connection was closed."),
                ),
                "leader_lost" => (
                    Cause::LeaderAway,
                    format!(
                        "{led}, was away {when}, so the proxy closed the charger's connection, as configured."
                    ),
                ),
                "store_failed" | "shutdown" => (
                    Cause::ProxyTrouble,
                    format!("Nobody decided {when}: {}.", super::evidence::unanswered(outcome)),
                ),
                _ => (
                    Cause::LinkLost,
                    format!(
                        "The charger lost its connection {when}, before {} had answered.",
                        shown(call.leader.as_str())
                    ),
                ),
            };
            rung(cause, WhoDecided::Nobody, what + &late_answer(call) + &followers(facts, call))
        }
    }
}

/// Several decide about the card, and it did not come to a verdict (semantics A-14).
fn undecided<'a>(
    facts: &Facts,
    call: &'a LoggedCall,
    outcome: &str,
    given: Option<&str>,
) -> Option<Rung<'a>> {
    let when = at(facts, call.received_unix_ms);
    let others = overruled_leader(facts, call) + &followers(facts, call);
    let (cause, what) = match (given, outcome) {
        (Some(given), _) if call.flags.iter().any(|flag| flag == "cache_on_outage") => (
            Cause::RefusedByProxy,
            format!(
                "Rejected by the proxy, which remembered that verdict: idTagInfo.status = {} {when}. Who decides and \
                 did not answer counts with what it last said about the card.{others}",
                shown(given)
            ),
        ),
        (Some(given), _) => (
            Cause::Undecided,
            format!(
                "Rejected, since nobody decided: not everybody whose word counts here answered {when}, so the \
                 charger was told idTagInfo.status = {}.{others}",
                shown(given)
            ),
        ),
        (None, "error") => {
            let error = phrase::error(call.error_code.as_deref(), call.error_description.as_deref());
            let what = "Nobody decided: not everybody whose word counts here answered";
            let then = "and followed its own rules";
            (Cause::Undecided, format!("{what} {when}. The charger was told {error} {then}.{others}"))
        }
        (None, _) => (Cause::Undecided, format!("Nobody decided about the card {when}.{others}")),
    };
    let who = if given.is_some() { who(call) } else { WhoDecided::Nobody };
    Some(Rung { cause, who, sentence: what, call, more: Vec::new() })
}

/// Who decided about the card.
pub(super) fn who(call: &LoggedCall) -> WhoDecided {
    match call.decider.as_str() {
        "proxy" => WhoDecided::Proxy { rule: call.decided_by.clone().unwrap_or_default() },
        "follower" => WhoDecided::Follower { backoffice: decider(call) },
        _ => WhoDecided::Leader { backoffice: decider(call) },
    }
}

/// The same in words: "acme, which is Leader", "volt, a follower, which …".
pub(super) fn by(facts: &Facts, call: &LoggedCall) -> String {
    match (call.decider.as_str(), call.decided_by.as_deref()) {
        ("proxy", Some("local_allow")) => "the proxy, by its list of cards in proxy.toml".to_owned(),
        ("proxy", Some("A-14")) => "the proxy, as it remembered an earlier verdict".to_owned(),
        ("proxy", _) => format!("the proxy, in place of {}", leader(facts, &call.leader)),
        ("follower", Some(follower)) => format!("{}, a follower {}", shown(follower), phrase::mandate(call)),
        _ => leader(facts, &decider(call)),
    }
}

/// What the leader answered where it does not decide.
fn overruled_leader(facts: &Facts, call: &LoggedCall) -> String {
    if deciders::of(facts, call).contains(&&call.leader) {
        return String::new();
    }
    let answer = call.answers.iter().find(|answer| answer.led && answer.outcome == "result");
    answer.and_then(|answer| answer.status.as_deref()).map_or(String::new(), |given| {
        let led = leader(facts, &call.leader);
        let alone = match phrase::policy(call) {
            Some("tag_routed" | "remote_start" | "reservation" | "decided_before") => "",
            _ => " alone",
        };
        format!(" {led}, answered {}, but does not decide about this card{alone}.", shown(given))
    })
}

/// Whose answer it was.
pub(super) fn decider(call: &LoggedCall) -> BackofficeId {
    call.decided_by.as_deref().map_or_else(|| call.leader.clone(), BackofficeId::from)
}

/// The proxy answered: in the leader's place, or by a rule of its own.
fn by_proxy<'a>(facts: &Facts, call: &'a LoggedCall, outcome: &str, given: Option<&str>) -> Option<Rung<'a>> {
    let when = at(facts, call.received_unix_ms);
    let led = leader(facts, &call.leader);
    let rule = call.decided_by.clone().unwrap_or_default();
    let absence = phrase::absence(&rule);
    let who = WhoDecided::Proxy { rule: rule.clone() };
    let error = || phrase::error(call.error_code.as_deref(), call.error_description.as_deref());
    let late = late_answer(call);
    let rung = |cause, who, sentence: String| Some(Rung { cause, who, sentence, call, more: Vec::new() });
    match (given, absence) {
        (Some(given), Some(absence)) => {
            let source = match earlier_verdict(facts, call, given) {
                Some(earlier) => format!(
                    " {} had answered {given} {}, and the proxy remembered that.",
                    shown(call.leader.as_str()),
                    at(facts, earlier.received_unix_ms)
                ),
                None if given == "Invalid" => {
                    " The proxy knew no verdict of it on this card, and unknown cards are \
                     refused then (unknown_cards), or its last verdict was Invalid."
                        .to_owned()
                }
                None if given == "Expired" => {
                    " The date of the card, as the proxy remembered it, had passed.".to_owned()
                }
                None => format!(
                    " That was the last verdict of {} that the proxy remembered.",
                    shown(call.leader.as_str())
                ),
            };
            let sentence = format!(
                "Rejected by the proxy in place of {led} and {absence}: idTagInfo.status = {} {when}.{source}{late}{}",
                shown(given),
                followers(facts, call)
            );
            rung(Cause::RefusedByProxy, who, sentence)
        }
        (Some(given), None) if super::attempts::is_repetition(call) => {
            let sentence = format!(
                "Rejected: the charger asked the same again {when} and got the answer it had got before, \
                 idTagInfo.status = {}. The first time is not in the log any more.",
                shown(given)
            );
            rung(Cause::RefusedByProxy, who, sentence)
        }
        (Some(given), None) => {
            let sentence = format!(
                "Rejected by the proxy (rule {}): idTagInfo.status = {} {when}.",
                shown(&rule),
                shown(given)
            );
            rung(Cause::RefusedByProxy, who, sentence)
        }
        (None, Some(absence)) => {
            let cause = match rule.as_str() {
                "E16" | "E17" => Cause::LeaderTimeout,
                "E18" => Cause::LeaderError,
                _ => Cause::LeaderAway,
            };
            let sentence = format!(
                "Nobody decided: {led}, {absence} {when}, and the proxy knew no verdict of it on this card. The \
                 charger was told {} and followed its own rules.{late}{}",
                error(),
                followers(facts, call)
            );
            rung(cause, WhoDecided::Nobody, sentence)
        }
        (None, None) => {
            let got = if outcome == "error" { error() } else { "an answer without a verdict".to_owned() };
            let sentence =
                format!("The proxy answered the charger itself {when} (rule {}): {got}.", shown(&rule));
            rung(Cause::ProxyTrouble, who, sentence)
        }
    }
}

/// The leader's own verdict of the same kind before, which the proxy may have remembered.
fn earlier_verdict<'a>(facts: &'a Facts, call: &LoggedCall, given: &str) -> Option<&'a LoggedCall> {
    let is_it = |earlier: &&LoggedCall| {
        earlier.received_unix_ms < call.received_unix_ms
            && earlier.decider == "leader"
            && earlier
                .id_tag
                .as_deref()
                .zip(call.id_tag.as_deref())
                .is_some_and(|(a, b)| cards::is_same(a, b))
            && verdict_of(earlier).as_deref() == Some(given)
    };
    facts.calls.iter().filter(is_it).max_by_key(|earlier| earlier.received_unix_ms)
}

/// What the leader said when the charger waited no longer.
fn late_answer(call: &LoggedCall) -> String {
    let late = call.answers.iter().rfind(|answer| answer.led && answer.status.is_some());
    late.and_then(|answer| answer.status.as_deref()).map_or(String::new(), |given| {
        format!(
            " {} answered {} later, too late for the charger.",
            shown(call.leader.as_str()),
            status(given)
        )
    })
}

mod asked;
mod silent;
mod started;
