//! What to do about it, for people who have never read OCPP.

use engine::BackofficeId;

use super::attempts::{Attempt, verdict_of};
use super::ladder::{NearMatch, Rung};
use super::phrase::shown;
use super::state::Obstacle;
use super::{Cause, Facts, Next, Whitelist, WhoDecided, cards, deciders};

/// After an attempt that is in the log.
pub(super) fn steps(
    facts: &Facts,
    attempt: &Attempt<'_>,
    rung: &Rung<'_>,
    near: Option<&NearMatch<'_>>,
) -> Next {
    let backoffice = match &rung.who {
        WhoDecided::Leader { backoffice } | WhoDecided::Follower { backoffice } => backoffice.clone(),
        _ => match deciders::silent(facts, rung.call)[..] {
            [only] => only.clone(),
            _ => rung.call.leader.clone(),
        },
    };
    let led = matches!(rung.who, WhoDecided::Leader { .. }) || backoffice == rung.call.leader;
    if let Some(now) =
        facts.leader.as_ref().filter(|now| led && **now != backoffice && rung.cause.is_refusal())
    {
        return leader_has_changed(facts, &attempt.tag, rung, now);
    }
    let name = shown(backoffice.as_str());
    let bring_back = deciders::bring_back(facts, rung.call);
    let mut next = match rung.cause {
        Cause::RefusedByLeader
        | Cause::RefusedByFollower
        | Cause::RefusedAtStart
        | Cause::RefusedLate
        | Cause::RefusedByProxy => {
            refused(facts, &attempt.tag, &backoffice, refusing_status(attempt, rung).as_deref())
        }
        Cause::Misread => match near {
            Some(near) => misread(facts, &near.known.id_tag, &attempt.tag),
            None => malformed(&attempt.tag),
        },
        Cause::LeaderError => everyone([
            format!(
                "Ask {name} what went wrong, and give them the time, the charger {} and the card {}.",
                shown(facts.charger.as_str()),
                shown(&attempt.tag)
            ),
            "Nothing is known against the card: adding it to a list does not help. Present it again.".to_owned(),
        ]),
        Cause::LeaderTimeout => everyone([
            format!("Present the card again. If it happens again, ask {name} why it answers so slowly."),
            format!("{} shows how long its last answer took.", facts.page("Chargers > View > Proxy")),
        ]),
        Cause::Undecided => everyone([
            bring_back.clone().unwrap_or_else(|| {
                format!(
                    "Present the card again. If it happens again, bring the connection back to those who decide: {} \
                     shows who that is, and how each of them is.",
                    facts.page("Chargers > View > Proxy")
                )
            }),
            "What counts when one does not answer is set in [chargers.cards] of proxy.toml.".to_owned(),
        ]),
        Cause::LeaderAway => everyone([
            format!(
                "Bring the connection to {name} back. {} shows why it is away.",
                facts.page("Chargers > View > Proxy")
            ),
            match rung.call.outcome.as_str() {
                "leader_lost" => "What happens to chargers until then is set with on_leader_lost in proxy.toml.".to_owned(),
                _ => "Until then, cards that it accepted before may charge. The setting unknown_cards in proxy.toml \
                      says what happens to the others."
                    .to_owned(),
            },
        ]),
        Cause::LinkLost => everyone([
            "Present the card again. If the connection is lost often, have the charger's network looked at: signal, \
             SIM card, cable."
                .to_owned(),
            format!("{} shows when it was lost, and why.", facts.page("Chargers > View > Logs")),
        ]),
        Cause::ProxyTrouble => everyone([
            "Present the card again. If it happens again, look at what the proxy itself logs (its output, or the \
             system's journal)."
                .to_owned(),
        ]),
        Cause::LocalListConflict => local_list(facts),
        Cause::Reserved => reserved(),
        Cause::ConnectorNotAvailable => everyone([
            "Try another connector. If the fault stays, have the charger looked at on site or restarted.".to_owned(),
        ]),
        Cause::StoppedLater => stopped_later(&rung.who, &name),
        Cause::AcceptedNotStarted => everyone([
            "Present the card, then plug in at once: the charger waits a minute or two only. Plugging in first \
             works as well."
                .to_owned(),
            "If another session is running on that connector, only the card that began it can end it.".to_owned(),
        ]),
        Cause::AcceptedByCharger => everyone([
            "Nothing, if that is wanted. Otherwise look at the charger's settings LocalPreAuthorize, \
             LocalAuthListEnabled and AuthorizationCacheEnabled, and at its own free mode."
                .to_owned(),
        ]),
        Cause::Accepted => everyone(["Nothing: the card works here.".to_owned()]),
        Cause::ChargerRefused | Cause::ChargerOffline | Cause::NothingKnown => Next::default(),
    };
    let by_policy = super::phrase::policy(rung.call);
    if rung.cause.is_refusal() {
        next.everyone.splice(0..0, deciders::either(facts, rung.call).into_iter().chain(bring_back));
    }
    if let Some(policy) = by_policy.filter(|_| next.whitelist.is_some()) {
        next.everyone.push(format!(
            "Who decides about this card is set in [chargers.cards] of proxy.toml ({}); {} says it in words.",
            super::phrase::written(policy),
            facts.page("Chargers > View > Proxy").replacen("The portal's", "the portal's", 1)
        ));
    } else if let Some(follower) = accepting_follower(rung).filter(|_| next.whitelist.is_some()) {
        next.everyone.push(format!(
            "{follower} would have accepted the card. If {follower} is to decide from now on, an operator makes it \
             Leader in Chargers > View > Proxy; look at Before you switch first."
        ));
    }
    next
}

/// Whoever refused decides no more.
fn leader_has_changed(facts: &Facts, tag: &str, rung: &Rung<'_>, now: &BackofficeId) -> Next {
    let name = shown(now.as_str());
    let answer = rung.call.answers.iter().find(|answer| answer.backoffice == *now && answer.status.is_some());
    match answer.and_then(|answer| answer.status.as_deref()) {
        Some("Accepted") => everyone([format!(
            "Present the card again: {name} is Leader now, and it answered Accepted at that time."
        )]),
        given => {
            let mut next = refused(facts, tag, now, given.or(Some("Invalid")));
            next.everyone.insert(0, format!("{name} is Leader now: present the card again first."));
            next
        }
    }
}

/// What was said against the card.
fn refusing_status(attempt: &Attempt<'_>, rung: &Rung<'_>) -> Option<String> {
    if rung.cause == Cause::RefusedLate {
        let late = attempt.start.and_then(|start| start.answers.iter().rfind(|answer| answer.led));
        return late.and_then(|answer| answer.status.clone());
    }
    verdict_of(rung.call)
}

fn accepting_follower(rung: &Rung<'_>) -> Option<String> {
    let accepts = rung.call.answers.iter().find(|a| !a.led && a.status.as_deref() == Some("Accepted"))?;
    Some(shown(accepts.backoffice.as_str()))
}

fn refused(facts: &Facts, tag: &str, backoffice: &BackofficeId, status: Option<&str>) -> Next {
    let number = facts.number_at(backoffice, tag);
    let whitelist = Some(Whitelist { id_tag: number.to_owned(), backoffice: backoffice.clone() });
    let name = shown(backoffice.as_str());
    let tag = match number == tag {
        true => shown(tag),
        false => format!("{} (so {name} calls {})", shown(number), shown(tag)),
    };
    let own = |employee: String, public: String, whitelist| Next {
        everyone: Vec::new(),
        employee: vec![employee],
        public_site: vec![public],
        whitelist,
    };
    match status {
        Some("Blocked") => own(
            format!(
                "Ask {name} to unblock card {tag}, or give the driver another card. It may have been reported lost."
            ),
            format!(
                "The driver asks whoever issued the card why it is blocked; {name} cannot change that for other issuers' cards."
            ),
            None,
        ),
        Some("Expired") => own(
            format!("Renew card {tag} in {name}: its date has passed."),
            "The driver asks whoever issued the card for a new one.".to_owned(),
            None,
        ),
        Some("ConcurrentTx") => Next {
            everyone: vec![
                format!(
                    "End the other session of card {tag} first: {} shows what runs here; {name} shows \
                     other sites.",
                    facts.page("Transactions")
                ),
                format!("If no other session runs, {name} has not heard of its end: ask {name} to close it."),
            ],
            ..Next::default()
        },
        Some(other) if other != "Invalid" => everyone([format!(
            "Ask {name} what {} means for card {tag}: OCPP 1.6 has no such status.",
            shown(other)
        )]),
        _ => own(
            format!(
                "Add card {tag} to the list of allowed cards (whitelist) in {name}, then present it again."
            ),
            format!(
                "The driver asks the card's issuer whether it has a contract with {name} (roaming). {name} can tell \
                 whether it accepts cards of that issuer; do not add a stranger's card to the list."
            ),
            whitelist,
        ),
    }
}

/// The reader gave another number than the card's.
pub(super) fn misread(facts: &Facts, known: &str, sent: &str) -> Next {
    let likeness = cards::likeness(sent, known);
    let (known, read) = (shown(known), shown(sent));
    let how = likeness.map_or_else(String::new, |likeness| format!(", {}", likeness.words()));
    let whitelist = facts.leader.clone().map(|backoffice| Whitelist { id_tag: sent.to_owned(), backoffice });
    Next {
        everyone: vec![
            format!("The charger sends {read}; the card is known as {known}: the same number{how}."),
            "Set the charger's reader to the usual form (byte order, length, capitals), or update its firmware; look \
             in the manufacturer's manual for the card reader or RFID settings."
                .to_owned(),
        ],
        employee: vec![format!("Until then: add {read}, exactly so, to the list of allowed cards as well.")],
        public_site: vec!["Every card is misread here until the reader is set right: do not add cards one by one.".to_owned()],
        whitelist,
    }
}

/// Whoever asked may have typed another number than the card's.
pub(super) fn mistyped(facts: &Facts, asked: &str, logged: &str) -> Next {
    let (asked, logged) = (shown(asked), shown(logged));
    everyone([
        format!("Compare the number on the card with {logged}. If that is it, ask here again with {logged}."),
        format!(
            "If the card is {asked}, the charger has not read it: present it again and look at {}.",
            facts.page("Logs")
        ),
    ])
}

/// The number cannot be one of a card.
fn malformed(tag: &str) -> Next {
    let wrong = cards::malformed(tag).unwrap_or_else(|| "is not usual".to_owned());
    everyone([
        format!("The card number {} {wrong}: no backoffice can know it.", shown(tag)),
        "Set the charger's reader to send the card's number alone, or update its firmware.".to_owned(),
    ])
}

fn stopped_later(who: &WhoDecided, name: &str) -> Next {
    match who {
        WhoDecided::Leader { .. } | WhoDecided::Follower { .. } => {
            everyone([format!("Ask {name} why the session was to end; the proxy only passed it on.")])
        }
        _ => everyone([
            "Ask on site whether somebody used a master card.".to_owned(),
            format!(
                "Ask {name} whether the card was blocked or taken off the charger's list during the session."
            ),
        ]),
    }
}

pub(super) fn nothing_known(facts: &Facts) -> Next {
    let known = match facts.at_command_line {
        true => format!("`ocpp-proxy logs {}` suggests a like one", shown(facts.charger.as_str())),
        false => "Chargers shows those that are known".to_owned(),
    };
    everyone([
        format!(
            "Compare the charger's name: it is the last part of the address that the charger dials. {known}."
        ),
        "Ask for an earlier time: the log may reach further back.".to_owned(),
    ])
}

pub(super) fn charger_offline(facts: &Facts) -> Next {
    let shows = match facts.at_command_line {
        true => format!("`ocpp-proxy logs {}`", shown(facts.charger.as_str())),
        false => "Chargers".to_owned(),
    };
    everyone([
        format!("Bring the charger's connection back: power, network, SIM card. {shows} shows when it was here last."),
        "Without a connection it accepts only cards that it remembers (LocalAuthorizeOffline and its own list).".to_owned(),
    ])
}

pub(super) fn reserved() -> Next {
    everyone([
        "Present the card that the reservation is for, use another connector, or have the reservation cancelled \
         in the backoffice that made it."
            .to_owned(),
    ])
}

pub(super) fn local_list(facts: &Facts) -> Next {
    let name = facts.leader.as_ref().map_or("the Leader".to_owned(), |leader| shown(leader.as_str()));
    everyone([
        format!(
            "Have {name} send the charger its list of cards anew (SendLocalList, full), and clear its cache."
        ),
        "Present the card again afterwards.".to_owned(),
    ])
}

pub(super) fn not_available(obstacle: &Obstacle<'_>) -> Next {
    let first = match (obstacle.error.as_deref(), obstacle.status.as_str()) {
        (Some("ReaderFailure"), _) => {
            "The card reader is defective: have it repaired. Until then, start sessions from \
             the backoffice or its app."
                .to_owned()
        }
        (_, "Unavailable") => format!(
            "Put {} back in service in the Leader's backoffice (ChangeAvailability), or use another connector.",
            obstacle.place()
        ),
        _ => format!(
            "Have {} looked at on site, or restart the charger from the Leader's backoffice.",
            obstacle.place()
        ),
    };
    everyone([first])
}

pub(super) fn charger_refused(facts: &Facts) -> Next {
    everyone([
        format!(
            "Present the card again, flat and for two seconds, and look at {}: a line Authorize or StartTransaction \
             must appear. If it does, ask here again.",
            facts.page("Logs")
        ),
        "If no line appears, the reader has not read the card, or the charger knows the card as refused in its own \
         list or cache: have the Leader send its list anew and clear the cache."
            .to_owned(),
        format!(
            "Compare the number on the card with the one asked for: {} shows the last card that was turned away here.",
            facts.page("Cards without a number")
        ),
    ])
}

fn everyone<const N: usize>(steps: [String; N]) -> Next {
    Next { everyone: steps.into(), ..Next::default() }
}
