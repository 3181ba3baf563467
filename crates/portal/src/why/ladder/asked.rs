//! The charger asked, and no session began.

use super::{Rung, decision};
use crate::why::attempts::Attempt;
use crate::why::phrase::{at, shown};
use crate::why::{Cause, Facts, WhoDecided, deciders, evidence, state};

pub(super) fn rung<'a>(facts: &Facts, attempt: &Attempt<'a>) -> Rung<'a> {
    let call = attempt.decisive();
    if let Some(mut rung) = decision(facts, call) {
        add_reservation(facts, attempt, &mut rung);
        return rung;
    }
    let when = at(facts, call.received_unix_ms);
    let by = super::by(facts, call) + ",";
    let obstacles = state::obstacles(facts, call.received_unix_ms);
    let rung = |cause, who, sentence: String| Rung { cause, who, sentence, call, more: Vec::new() };
    if let Some(reserved) = obstacles.iter().find(|one| one.is_reserved()) {
        let sentence = format!(
            "The card was accepted by {by} {when}, but {} was reserved for another card, and the charger began \
             no session.",
            reserved.place()
        );
        let mut rung = rung(Cause::Reserved, WhoDecided::Charger, sentence);
        add_reservation(facts, attempt, &mut rung);
        return rung;
    }
    if let Some(conflict) = obstacles.iter().find(|one| one.is_list_conflict()) {
        let sentence = format!(
            "The card was accepted by {by} {when}, but the charger's own list of cards says otherwise: {}.",
            conflict.words()
        );
        return rung(Cause::LocalListConflict, WhoDecided::Charger, sentence);
    }
    if let Some(obstacle) = obstacles.first() {
        let sentence =
            format!("The card was accepted by {by} {when}, but no session began: {}.", obstacle.words());
        return rung(Cause::ConnectorNotAvailable, WhoDecided::Charger, sentence);
    }
    // Somebody may still be plugging in.
    let is_fresh = facts.now_unix_ms - call.received_unix_ms < state::AROUND_MS;
    if is_fresh {
        let sentence =
            format!("Not rejected: the card was accepted by {by} {when}, and no session has begun yet.");
        return rung(Cause::Accepted, super::who(call), sentence);
    }
    let sentence = format!(
        "Not rejected by a backoffice: the card was accepted by {by} {when}, but the charger began no session. \
         Most often no cable was plugged in in time.{}",
        followers_who_refused(call)
    );
    rung(Cause::AcceptedNotStarted, WhoDecided::Charger, sentence)
}

fn followers_who_refused(call: &store::LoggedCall) -> String {
    let decided =
        |answer: &store::LoggedAnswer| call.decided_by.as_deref() == Some(answer.backoffice.as_str());
    let those: Vec<_> = call
        .answers
        .iter()
        .filter(|answer| {
            !answer.led
                && !decided(answer)
                && answer.status.as_deref().is_some_and(|given| given != "Accepted")
        })
        .collect();
    let is_late = !those.is_empty() && those.iter().all(|answer| deciders::is_late(call, answer));
    let refused: Vec<String> = those
        .iter()
        .map(|answer| {
            format!(
                "{} answered {}",
                shown(answer.backoffice.as_str()),
                shown(answer.status.as_deref().unwrap_or_default())
            )
        })
        .collect();
    if refused.is_empty() {
        return String::new();
    }
    let late = if is_late { ", too late" } else { "" };
    let refused = crate::why::phrase::list(&refused);
    match crate::why::phrase::policy(call) {
        Some(policy) => format!(" {refused}{late}, {}.", deciders::reason(policy)),
        None => format!(" {refused}, but followers decide nothing."),
    }
}

/// A reservation explains a refusal, or comes on top of it.
fn add_reservation(facts: &Facts, attempt: &Attempt<'_>, rung: &mut Rung<'_>) {
    let obstacles = state::obstacles(facts, rung.call.received_unix_ms);
    let Some(reserved) = obstacles.iter().find(|one| one.is_reserved()) else { return };
    if rung.cause != Cause::Reserved {
        let place = reserved.place();
        rung.sentence.push_str(&format!(
            " At that time {place} was reserved, so another card may have been refused for that."
        ));
    }
    let unix_ms = rung.call.received_unix_ms;
    if let Some(command) = state::reservation(facts, reserved.connector, Some(&attempt.tag), unix_ms) {
        let card = command.id_tag.as_deref().map(shown).unwrap_or_default();
        let sentence =
            format!("{} reserved {} for card {card} (ReserveNow).", command.from, reserved.place());
        rung.more.push(evidence::of_command(command, sentence));
    }
}
