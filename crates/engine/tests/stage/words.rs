//! Effects in the words of a transcript.

use engine::{Decider, Delivery, Effect, KeyReach, Note, Record, TransactionRow};

/// `transaction STATE charger=N volt=N …`, `delivery BACKOFFICE NUMBER ACTION`, `delivered …`,
/// `parked … WHY`, or the key of a fact, with `forgotten` where it is.
pub(crate) fn kept_words(record: &Record) -> String {
    match record {
        Record::Transaction(row) => transaction_words(row),
        Record::Fact(fact) if fact.body.is_none() => format!("{} forgotten", fact.key),
        Record::Fact(fact) => fact.key.clone(),
        Record::Delivery(delivery) => {
            let Delivery { backoffice, number, action, attempts, .. } = &**delivery;
            match &delivery.parked {
                Some(why) => format!("parked {backoffice} {number} {action} {why}"),
                None if *attempts > 0 => format!("delivery {backoffice} {number} {action} again"),
                None => format!("delivery {backoffice} {number} {action}"),
            }
        }
        Record::Delivered { backoffice, number } => format!("delivered {backoffice} {number}"),
    }
}

fn transaction_words(row: &TransactionRow) -> String {
    let mut text = format!("transaction {}", row.state.label());
    if let Some(number) = row.charger_number {
        text += &format!(" charger={}", number.0);
    }
    for (id, peer) in &row.peers {
        if let Some(number) = peer.number {
            text += &format!(" {id}={}", number.0);
        }
    }
    text
}

/// The words of a note:
/// `call charger Authorize result by leader volt`, `call acme Reset result by proxy not granted`,
/// `answer acme Authorize conflict /idTagInfo/status`, `alert leader_timeout`,
/// `violation acme stray_answer`, `leader acme`, …
pub(crate) fn words(note: &Note) -> String {
    match note {
        Note::Call(call) => {
            let by = match &call.decider {
                Decider::Leader(id) => format!("leader {id}"),
                Decider::Charger => "charger".to_owned(),
                Decider::Proxy(rule) => format!("proxy {rule}"),
                Decider::Follower(id) => format!("follower {id}"),
                Decider::Nobody => "nobody".to_owned(),
            };
            let flags: String = call.flags.iter().map(|flag| format!(" {flag}")).collect();
            format!("call {} {} {} by {by}{flags}", call.from, call.action, call.outcome.label())
        }
        Note::Answer(answer) => {
            let places: String = answer
                .differences
                .iter()
                .filter(|d| !d.pointer.is_empty())
                .map(|d| format!(" {}", d.pointer))
                .collect();
            format!("answer {} {} {}{places}", answer.backoffice, answer.action, answer.verdict.label())
        }
        Note::Alert { kind, .. } => format!("alert {kind}"),
        Note::ProtocolViolation { peer, kind } => format!("violation {peer} {kind}"),
        Note::LeaderChanged { to, .. } => format!("leader {to}"),
        Note::LinkDown { backoffice, departure, .. } => format!("down {backoffice} {}", departure.label()),
        Note::LinkUp(id) => format!("up {id}"),
        Note::ChargerArrived => "arrived".to_owned(),
        Note::ChargerLeft { reason } => format!("left {reason}"),
        Note::HungUp(side, reason) => format!("hung up {side} {}", reason.label()),
        Note::Frame { .. } => String::new(),
    }
}

pub(crate) fn show(effect: &Effect) -> String {
    match effect {
        Effect::SayToCharger(text) => format!("charger< {text}"),
        Effect::SayToBackoffice(id, text) => format!("{id}< {text}"),
        Effect::Ping(side) => format!("ping {side}"),
        Effect::Dial(id) => format!("dial {id}"),
        Effect::HangUp(side, reason) => format!("hangup {side} {}", reason.close_code()),
        Effect::Keep(keep) => {
            let kept: Vec<String> = keep.records.iter().map(kept_words).collect();
            format!("kept {}", kept.join(", "))
        }
        Effect::KeepKey(new) => {
            let whose = match new.reach {
                KeyReach::Link => "its link",
                KeyReach::Charger => "the charger",
            };
            format!("keep key of {} for {whose}", new.backoffice)
        }
        Effect::KeyAccepted { backoffice, is_told: true, .. } => format!("accepted key of {backoffice}"),
        Effect::KeyAccepted { backoffice, .. } => format!("accepted key of {backoffice} too late"),
        Effect::KeyRefused { backoffice, was_sent: true, .. } => format!("refused key of {backoffice}"),
        Effect::KeyRefused { backoffice, .. } => format!("key of {backoffice} not sent"),
        Effect::Recall { backoffice, after } => format!("recall {backoffice} after {after}"),
        Effect::Note(note) => format!("note {}", words(note)),
    }
}
