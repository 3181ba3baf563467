//! The charger began a session, with or without having asked.

use engine::payload;
use store::LoggedCall;

use super::{Rung, decision};
use crate::why::attempts::{Attempt, verdict_of, was_refused};
use crate::why::phrase::{at, leader, shown, status};
use crate::why::{Cause, Facts, WhoDecided, cards, evidence, state};

pub(super) fn rung<'a>(facts: &Facts, attempt: &Attempt<'a>, start: &'a LoggedCall) -> Rung<'a> {
    if let Some(mut rung) = decision(facts, start) {
        explain_contradiction(facts, attempt, start, &mut rung);
        return rung;
    }
    if attempt.is_stopped_as_deauthorized()
        && let Some(stop) = attempt.stop
    {
        return stopped(facts, attempt, start, stop);
    }
    let when = at(facts, start.received_unix_ms);
    let by = super::by(facts, start);
    let rung = |cause, who, sentence: String| Rung { cause, who, sentence, call: start, more: Vec::new() };
    match attempt.authorize {
        None => {
            let sentence = format!(
                "Not rejected: the charger accepted the card by itself and began a session {when}, without asking \
                 first; {by}, agreed."
            );
            rung(Cause::AcceptedByCharger, WhoDecided::Charger, sentence)
        }
        Some(authorize) if was_refused(authorize) => {
            let before = match verdict_of(authorize) {
                Some(given) => format!("although it had been told {} before", status(&given)),
                None => "although it had got no verdict when it asked".to_owned(),
            };
            let sentence = format!(
                "Not rejected: the charger began a session {when}, {before}; {by}, accepted it then."
            );
            rung(Cause::AcceptedByCharger, WhoDecided::Charger, sentence)
        }
        Some(_) => {
            let sentence = format!("Not rejected: {by}, accepted the card, and a session began {when}.");
            rung(Cause::Accepted, super::who(start), sentence)
        }
    }
}

/// The start was refused: why did it begin at all?
fn explain_contradiction(facts: &Facts, attempt: &Attempt<'_>, start: &LoggedCall, rung: &mut Rung<'_>) {
    if rung.cause != Cause::RefusedAtStart {
        return;
    }
    let obstacles = state::obstacles(facts, start.received_unix_ms);
    let conflict = obstacles.iter().find(|one| one.is_list_conflict());
    let before = match attempt.authorize {
        _ if conflict.is_some() => {
            rung.cause = Cause::LocalListConflict;
            " The charger had accepted it from its own list of cards, which says otherwise (LocalListConflict)."
        }
        None => {
            " The charger had accepted it by itself, without asking first; the answer at the start overruled that."
        }
        Some(authorize) if was_refused(authorize) => "",
        Some(_) => {
            " When the charger had asked before, the card was accepted; the answer at the start overruled that."
        }
    };
    rung.sentence.push_str(before);
    if attempt.is_stopped_as_deauthorized() {
        rung.sentence.push_str(" The charger therefore ended the session.");
    } else if attempt.stop.is_none() && verdict_of(start).as_deref() != Some("ConcurrentTx") {
        rung.sentence.push_str(" The log has no end of that session yet.");
    }
}

/// Accepted at the start, and ended by the charger because of the card.
fn stopped<'a>(
    facts: &Facts,
    attempt: &Attempt<'a>,
    start: &'a LoggedCall,
    stop: &'a LoggedCall,
) -> Rung<'a> {
    let when = at(facts, stop.received_unix_ms);
    let began = at(facts, start.received_unix_ms);
    let late = start
        .answers
        .iter()
        .rfind(|answer| answer.led && answer.status.as_deref().is_some_and(|given| given != "Accepted"));
    if let Some(late) = late.filter(|_| start.decider == "proxy") {
        let given = late.status.as_deref().unwrap_or_default();
        let sentence = format!(
            "Stopped {when}: the proxy had accepted the card {began} in place of {}, and when that was told \
             of it, it refused: idTagInfo.status = {}.",
            leader(facts, &start.leader),
            shown(given)
        );
        let who = WhoDecided::Leader { backoffice: late.backoffice.clone() };
        return Rung { cause: Cause::RefusedLate, who, sentence, call: start, more: Vec::new() };
    }
    let rung =
        |who, sentence: String, more| Rung { cause: Cause::StoppedLater, who, sentence, call: stop, more };
    if let Some((command, by)) = state::remote_stop(facts, start, stop.received_unix_ms) {
        let leads = *by == command.leader;
        let name = if leads { leader(facts, by) } else { format!("{by}, a follower") };
        let sentence = format!(
            "Accepted {began} and stopped {when}: {name}, ordered that (RemoteStopTransaction), and the charger \
             gave the card as the reason (DeAuthorized)."
        );
        let row = evidence::of_command(
            command,
            format!("{by} ordered the end of the session (RemoteStopTransaction)."),
        );
        let who = match leads {
            true => WhoDecided::Leader { backoffice: by.clone() },
            false => WhoDecided::Follower { backoffice: by.clone() },
        };
        return rung(who, sentence, vec![row]);
    }
    let ended_by = payload::text(&stop.payload, "idTag").filter(|tag| !cards::is_same(tag, &attempt.tag));
    if let Some(other) = ended_by {
        let sentence = format!(
            "Accepted {began} and stopped {when} with another card, {} – a master card ends any session. The charger \
             gave DeAuthorized as the reason.",
            shown(&other)
        );
        return rung(WhoDecided::Charger, sentence, Vec::new());
    }
    let refused = facts.calls.iter().filter(|call| {
        call.received_unix_ms > start.received_unix_ms
            && call.received_unix_ms <= stop.received_unix_ms
            && matches!(call.action.as_str(), "Authorize" | "StartTransaction")
            && call.id_tag.as_deref().is_some_and(|tag| cards::is_same(tag, &attempt.tag))
            && was_refused(call)
    });
    if let Some(refused) = refused.max_by_key(|call| call.received_unix_ms)
        && let Some(given) = verdict_of(refused)
    {
        let sentence = format!(
            "Accepted {began} and stopped {when}: meanwhile the same card was refused, {} {}.",
            status(&given),
            at(facts, refused.received_unix_ms)
        );
        let row = evidence::of_command(
            refused,
            format!("The charger asked again and was told {}.", status(&given)),
        );
        return rung(super::who(refused), sentence, vec![row]);
    }
    let list = state::local_list(facts, &attempt.tag).filter(|(list, entry)| {
        entry.as_deref().is_some_and(|given| given != "Accepted")
            && (start.received_unix_ms..=stop.received_unix_ms).contains(&list.received_unix_ms)
    });
    if let Some((list, Some(given))) = list {
        let sentence = format!(
            "Accepted {began} and stopped {when}: {} had sent the charger a list in which the card is {}.",
            list.from,
            shown(&given)
        );
        let row = evidence::of_command(list, format!("{} sent a list of cards (SendLocalList).", list.from));
        return rung(WhoDecided::Charger, sentence, vec![row]);
    }
    let sentence = format!(
        "Accepted {began} and stopped {when} by the charger itself, reason DeAuthorized: it learned something later, \
         such as a changed list of cards, or somebody used a master card."
    );
    rung(WhoDecided::Charger, sentence, Vec::new())
}
