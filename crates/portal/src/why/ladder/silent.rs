//! The charger said nothing of the card.

use super::{Attempt, cards};
use crate::why::phrase::{at, moment, shown};
use crate::why::{Cause, Evidence, Facts, Next, Verdict, WhoDecided, evidence, next, state};

pub(super) fn explain(facts: &Facts, all: &[Attempt<'_>]) -> Verdict {
    let now = facts.now_unix_ms;
    let card = facts.id_tag.as_deref().map_or("any card".to_owned(), |tag| format!("card {}", shown(tag)));
    let silence =
        format!("The charger has not asked about {card} since {}", moment(facts, facts.since_unix_ms));
    let mut rows: Vec<Evidence> = Vec::new();
    let answer = |cause, who, sentence: String, rows: Vec<Evidence>, next: Next| Verdict {
        sentence,
        cause,
        who_decided: who,
        id_tag: facts.id_tag.clone(),
        unix_ms: None,
        trace: None,
        evidence: rows,
        next,
    };
    if facts.calls.is_empty() && facts.occurrences.is_empty() && facts.is_online != Some(true) {
        let sentence = format!("Nothing is known of {} in that time.", shown(facts.charger.as_str()));
        return answer(Cause::NothingKnown, WhoDecided::Nobody, sentence, rows, next::nothing_known(facts));
    }
    // The card may stand in the log under another number.
    if let Some(tag) = facts.id_tag.as_deref()
        && let Some((attempt, words)) =
            all.iter().rev().find_map(|attempt| Some((attempt, alike(&attempt.tag, tag)?)))
    {
        let call = attempt.decisive();
        let sentence = format!(
            "The charger sent no {} but {}, {}: that is the same number {words}. {}",
            shown(tag),
            shown(&attempt.tag),
            at(facts, call.received_unix_ms),
            match attempt.is_rejected() {
                true => "That one was not accepted.",
                false => "That one was accepted.",
            }
        );
        rows = evidence::of_attempt(facts, attempt, call);
        rows.sort_by_key(|row| row.unix_ms);
        let next = match cards::likeness(&attempt.tag, tag) {
            Some(_) => next::misread(facts, tag, &attempt.tag),
            None => next::mistyped(facts, tag, &attempt.tag),
        };
        let mut verdict = answer(Cause::Misread, WhoDecided::Nobody, sentence, rows, next);
        verdict.trace = Some(call.trace);
        verdict.unix_ms = Some(call.received_unix_ms);
        return verdict;
    }
    let connected = state::was_connected(facts, now);
    let is_offline =
        facts.is_online == Some(false) || (facts.is_online.is_none() && connected.is_some_and(|(is, _)| !is));
    let recent = facts.occurrences.iter().filter(|one| one.unix_ms > now - 15 * state::AROUND_MS);
    rows.extend(recent.map(evidence::of_occurrence));
    let obstacles = state::obstacles(facts, now);
    rows.extend(obstacles.iter().map(evidence::of_obstacle));
    rows.sort_by_key(|row| row.unix_ms);
    if is_offline {
        let left = connected
            .filter(|(is, _)| !is)
            .map(|(_, left)| format!(" since {}", moment(facts, left.unix_ms)));
        let sentence = format!(
            "{silence}, and it {}. Without a connection it decides by itself, from its own list and \
             what it remembers.",
            left.map_or("is not connected".to_owned(), |since| format!("has not been connected{since}"))
        );
        return answer(
            Cause::ChargerOffline,
            WhoDecided::Charger,
            sentence,
            rows,
            next::charger_offline(facts),
        );
    }
    if let Some(reserved) = obstacles.iter().find(|one| one.is_reserved()) {
        let command = state::reservation(facts, reserved.connector, facts.id_tag.as_deref(), now);
        let for_whom = command
            .and_then(|call| call.id_tag.as_deref())
            .map_or("another card".to_owned(), |tag| format!("card {}", shown(tag)));
        let sentence =
            format!("{silence}. It refused by itself: {} is reserved for {for_whom}.", reserved.place());
        if let Some(command) = command {
            rows.push(evidence::of_command(
                command,
                format!("{} reserved {} for {for_whom} (ReserveNow).", command.from, reserved.place()),
            ));
        }
        return answer(Cause::Reserved, WhoDecided::Charger, sentence, rows, next::reserved());
    }
    if let Some(conflict) = obstacles.iter().find(|one| one.is_list_conflict()) {
        let sentence = format!(
            "{silence}, but {}: its own list of cards and the backoffice disagree.",
            conflict.words()
        );
        return answer(
            Cause::LocalListConflict,
            WhoDecided::Charger,
            sentence,
            rows,
            next::local_list(facts),
        );
    }
    if let Some(obstacle) = obstacles.first() {
        let sentence = format!(
            "{silence}. It refused by itself, or could not read the card: {} {}.",
            obstacle.words(),
            at(facts, obstacle.call.received_unix_ms)
        );
        return answer(
            Cause::ConnectorNotAvailable,
            WhoDecided::Charger,
            sentence,
            rows,
            next::not_available(obstacle),
        );
    }
    let mut sentence = format!("{silence}. It refused the card by itself, or has not read it.");
    if let Some((list, entry)) = facts.id_tag.as_deref().and_then(|tag| state::local_list(facts, tag)) {
        let says = match entry.as_deref() {
            Some("Accepted") => "the card is in it, as Accepted".to_owned(),
            Some("removed") => "it takes the card off the list".to_owned(),
            Some(given) => format!("the card is in it, as {}", shown(given)),
            None => "the card is not in it".to_owned(),
        };
        if entry.as_deref().is_some_and(|given| given != "Accepted") {
            sentence.push_str(&format!(" It has a list of cards from {}, and {says}.", list.from));
        }
        rows.push(evidence::of_command(
            list,
            format!("{} sent a list of cards (SendLocalList): {says}.", list.from),
        ));
        rows.sort_by_key(|row| row.unix_ms);
    }
    for known in facts
        .known
        .iter()
        .filter(|known| facts.id_tag.as_deref().is_some_and(|tag| cards::is_same(tag, &known.id_tag)))
    {
        let sentence = format!(
            "{} accepted this card at {} {}.",
            known.by,
            shown(known.charger.as_str()),
            at(facts, known.unix_ms)
        );
        rows.push(Evidence { unix_ms: known.unix_ms, sentence, trace: None, is_decisive: false });
    }
    answer(Cause::ChargerRefused, WhoDecided::Charger, sentence, rows, next::charger_refused(facts))
}

/// How the number in the log may be the one that was asked for.
fn alike(logged: &str, asked: &str) -> Option<&'static str> {
    match cards::likeness(logged, asked) {
        Some(likeness) => Some(likeness.words()),
        None if cards::is_mistyped(asked, logged) => Some(cards::Likeness::Mistyped.words()),
        None => None,
    }
}
