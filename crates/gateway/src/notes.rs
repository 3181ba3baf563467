//! Where a note goes: metrics, the log of the program, the message log, the live tail. Never waits.

use std::sync::Arc;
use std::time::Duration;

use engine::{ChargerId, Departure, DialFailure, Note, Side};
use store::LogEntry;
use tokio::time::Instant;

use crate::clock::unix_ms;
use crate::journal::Line;
use crate::shared::Shared;

/// Passes on one note of a charger's session.
pub(crate) fn take(shared: &Shared, charger: &ChargerId, note: Note) {
    count(shared, &note);
    if may_tell(shared, charger, &note) {
        tell(charger, &note);
    }
    if shared.tail.receiver_count() > 0 {
        // Nobody may have stayed to listen: that is no failure.
        let _ = shared.tail.send((charger.clone(), Arc::new(note.clone())));
    }
    if !shared.settings.log_messages && matches!(note, Note::Call(_) | Note::Answer(_)) {
        return;
    }
    if let Some(entry) = entry(note) {
        shared.store.note(charger, entry);
    }
}

/// Adds an occurrence to the message log that no note of the engine tells of.
pub(crate) fn log(shared: &Shared, charger: &ChargerId, kind: &'static str, who: &Side, detail: String) {
    let who = who.to_string();
    shared.store.note(charger, LogEntry::Occurrence { unix_ms: unix_ms(), kind, who, detail });
}

fn count(shared: &Shared, note: &Note) {
    let metrics = &shared.metrics;
    match note {
        Note::Frame { peer, direction, kind, action, bytes } => {
            metrics.message(peer, *direction, *kind, action, *bytes);
        }
        Note::Answer(answer) => metrics.answer(answer),
        Note::ChargerLeft { reason } => metrics.charger_left(reason),
        Note::LinkDown { backoffice, departure, retry_in_ms } => {
            metrics.link_down(backoffice, departure);
            if let Some(wait) = retry_in_ms {
                metrics.backoff(backoffice, Duration::from_millis(*wait));
            }
        }
        Note::HungUp(side, reason) => metrics.hung_up(side, *reason),
        Note::ProtocolViolation { peer, kind } => metrics.violation(peer, kind),
        Note::Alert { kind, .. } => metrics.alert(kind),
        // Whence a change of the leader came is known where the plan is.
        Note::Call(_) | Note::ChargerArrived | Note::LinkUp(_) | Note::LeaderChanged { .. } => {}
    }
}

/// Whether the program's log has room for it. What is only said when somebody asked for it always has.
fn may_tell(shared: &Shared, charger: &ChargerId, note: &Note) -> bool {
    if matches!(note, Note::Frame { .. } | Note::Call(_) | Note::Answer(_)) {
        return true;
    }
    match shared.journal.line(charger, Instant::now()) {
        Line::Written { left_out_before: 0 } => true,
        Line::Written { left_out_before } => {
            tracing::warn!(%charger, lines = left_out_before, "lines about this charger were left out here: there were too many");
            true
        }
        Line::LeftOut => {
            shared.metrics.line_left_out();
            false
        }
    }
}

/// The log of the program. Message bodies appear at no level; they are in the message log.
fn tell(charger: &ChargerId, note: &Note) {
    match note {
        Note::Frame { peer, direction, kind, action, bytes } => {
            tracing::trace!(%charger, %peer, direction = direction.label(), kind = kind.label(), action, bytes, "message");
        }
        Note::Call(call) => tracing::debug!(
            %charger, from = %call.from, action = ?shortened(&call.action), outcome = call.outcome.label(),
            trace = %call.trace, "call answered"
        ),
        Note::Answer(answer) => tracing::debug!(
            %charger, backoffice = %answer.backoffice, action = answer.action, outcome = answer.outcome.label(),
            verdict = answer.verdict.label(), trace = %answer.trace, "backoffice answered"
        ),
        Note::ChargerArrived => tracing::info!(%charger, "charger arrived"),
        Note::ChargerLeft { reason } => tracing::info!(%charger, reason, "charger left"),
        Note::LinkUp(backoffice) => tracing::info!(%charger, %backoffice, "link up"),
        Note::LinkDown { backoffice, departure, retry_in_ms } => {
            tracing::warn!(%charger, %backoffice, departure = described(departure), retry_in_ms, "link down");
        }
        Note::HungUp(side, reason) => {
            tracing::info!(%charger, peer = %side, reason = reason.label(), "hung up");
        }
        Note::ProtocolViolation { peer, kind } => {
            tracing::warn!(%charger, %peer, kind, "protocol violation");
        }
        Note::LeaderChanged { from, to } => tracing::info!(%charger, %from, %to, "leader changed"),
        Note::Alert { kind, detail } => tracing::warn!(%charger, kind, "{detail}"),
    }
}

/// The row of the message log, if the note has one.
fn entry(note: Note) -> Option<LogEntry> {
    let occurrence = |kind: &'static str, who: &Side, detail: String| {
        Some(LogEntry::Occurrence { unix_ms: unix_ms(), kind, who: who.to_string(), detail })
    };
    match note {
        Note::Frame { .. } => None,
        Note::Call(call) => Some(LogEntry::Call(call)),
        Note::Answer(answer) => Some(LogEntry::Answer(answer)),
        Note::ChargerArrived => occurrence("charger_arrived", &Side::Charger, String::new()),
        Note::ChargerLeft { reason } => occurrence("charger_left", &Side::Charger, reason.to_owned()),
        Note::LinkUp(id) => occurrence("link_up", &Side::Backoffice(id), String::new()),
        Note::LinkDown { backoffice, departure, retry_in_ms } => {
            let mut detail = described(&departure);
            if let Some(wait) = retry_in_ms {
                detail.push_str(&format!("; dialed again in {}", seconds(wait)));
            }
            occurrence("link_down", &Side::Backoffice(backoffice), detail)
        }
        Note::HungUp(side, reason) => {
            let detail = format!("by the proxy with {}: {}", reason.close_code(), reason.text());
            occurrence("hung_up", &side, detail)
        }
        Note::ProtocolViolation { peer, kind } => occurrence("protocol_violation", &peer, kind.to_owned()),
        Note::LeaderChanged { from, to } => {
            let detail = format!("{from} led before");
            occurrence("leader_changed", &Side::Backoffice(to), detail)
        }
        Note::Alert { kind, detail } => occurrence("alert", &Side::Charger, format!("{kind}: {detail}")),
    }
}

/// For a person: what happened, with what the other side said.
pub(crate) fn described(departure: &Departure) -> String {
    match departure {
        Departure::Closed(Some(code)) => format!("closed with {code}"),
        Departure::Closed(None) => "closed without a code".to_owned(),
        Departure::Lost => "connection lost".to_owned(),
        Departure::TooSlow => "too slow: it stopped reading".to_owned(),
        Departure::Violated(violation) => format!("violated the WebSocket rules: {}", violation.label()),
        Departure::Undialable(DialFailure::Unreachable(why)) => format!("unreachable: {why}"),
        Departure::Undialable(DialFailure::Tls(why)) => format!("TLS: {why}"),
        Departure::Undialable(DialFailure::Refused { status, .. }) => format!("refused with HTTP {status}"),
        Departure::Undialable(DialFailure::TimedOut) => "timed out".to_owned(),
        Departure::Undialable(DialFailure::Incompatible) => {
            "it did not choose the OCPP version of the session".to_owned()
        }
    }
}

/// A wait, for a person.
fn seconds(milliseconds: u64) -> String {
    if milliseconds < 1_000 { format!("{milliseconds} ms") } else { format!("{} s", milliseconds / 1_000) }
}

/// What a peer sent, short enough for a log line.
fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}
