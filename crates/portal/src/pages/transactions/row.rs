//! One transaction as a row.

use std::collections::BTreeSet;

use engine::{BackofficeId, PeerState, PeerTransaction, TransactionRow, TransactionState, payload};
use maud::{Markup, html};
use serde_urlencoded::to_string;
use store::ListedTransaction;

use crate::layout::{Icon, Tone, badge, charger_path, copyable, duration, icon, moment};
use crate::pages::why_address;
use crate::words;

pub(super) fn row(listed: &ListedTransaction, of_one: bool, now_unix_ms: i64) -> Markup {
    let ListedTransaction { charger, row, .. } = listed;
    let log = match row.charger_number {
        Some(number) => to_string([("transaction", number.0.to_string())]).unwrap_or_default(),
        None => to_string([("q", row.trace.to_string())]).unwrap_or_default(),
    };
    html! {
        tr {
            td data-label="Begun" {
                (moment(row.received_unix_ms))
                span.sub { (lasted(row, now_unix_ms)) }
            }
            @if !of_one {
                td data-label="Charger" { a.name href=(charger_path(charger, "transactions")) { (charger) } }
            }
            td data-label="Connector" { (row.connector_id) }
            td data-label="Card" {
                div {
                    (copyable(&row.id_tag))
                    @if is_refused(row) { span.sub { a href={ (why_address(charger, &row.id_tag)) "&call=" (row.trace) } { "Why rejected?" } } }
                }
            }
            td data-label="State" { div.badges { (state(row)) } }
            td.num.energy data-label="Energy" { (energy(listed)) }
            td data-label="Charger’s no." {
                @match row.charger_number {
                    Some(number) => div {
                        code { (number.0) }
                        @if row.provisional { span.sub title="The Leader was away: the proxy gave this number" { "provisional" } }
                    },
                    None => span.muted { "none yet" },
                }
            }
            td.peers data-label="Backoffices" { (peers(listed)) }
            td.go { a href={ (charger_path(charger, "logs")) "?" (log) } { "Log" } }
        }
    }
}

fn lasted(row: &TransactionRow, now_unix_ms: i64) -> Markup {
    let is_over = row.state == TransactionState::Closed || row.superseded;
    let end = row.stop_received_unix_ms.or(row.closed_unix_ms);
    html! {
        @match (is_over, end) {
            (false, _) => { "for " (duration(now_unix_ms - row.received_unix_ms)) },
            (true, Some(end)) => { "lasted " (duration(end - row.received_unix_ms)) },
            (true, None) => "end unknown",
        }
    }
}

fn is_refused(row: &TransactionRow) -> bool {
    let given = row.start_answer.as_deref().and_then(payload::id_tag_status);
    row.refused_late
        || given.is_some_and(|given| given != "Accepted")
        || stop_reason(row).as_deref() == Some("DeAuthorized")
}

fn stop_reason(row: &TransactionRow) -> Option<String> {
    row.raw_stop.as_deref().and_then(|stop| payload::text(stop, "reason")).map(|reason| words::shown(&reason))
}

fn state(row: &TransactionRow) -> Markup {
    html! {
        @match row.state {
            _ if row.superseded && row.state != TransactionState::Closed => {
                (badge(Tone::Warning, Icon::Alert, "never stopped"))
            }
            TransactionState::Starting => (badge(Tone::Warning, Icon::Clock, "starting, not answered yet")),
            TransactionState::Open => (badge(Tone::Good, Icon::Bolt, "running")),
            TransactionState::Stopping => (badge(Tone::Warning, Icon::Clock, "ending, not answered yet")),
            TransactionState::Closed => (badge(Tone::Plain, Icon::Check, "ended")),
        }
        @if let Some(reason) = stop_reason(row) { span.muted.small { (reason) } }
        @if let Some(given) = row.start_answer.as_deref().and_then(payload::id_tag_status).filter(|given| given != "Accepted") {
            (badge(Tone::Bad, Icon::Cross, &words::shown(&given)))
        }
        @if row.refused_late { (badge(Tone::Bad, Icon::Cross, "refused late")) }
        @if row.given_up { (badge(Tone::Warning, Icon::Alert, "start given up by the charger")) }
    }
}

fn energy(listed: &ListedTransaction) -> Markup {
    html! {
        @match listed.energy_wh {
            Some(wh) => span title={ (wh) " Wh" } { (kilowatt_hours(wh)) },
            None => span.muted { @if listed.row.raw_stop.is_some() { "unknown" } @else { "–" } },
        }
    }
}

fn kilowatt_hours(wh: i64) -> String {
    let hundredths = (wh + 5) / 10;
    format!("{}.{:02} kWh", hundredths / 100, hundredths % 100)
}

/// Who led when it started first; then in alphabetical order.
fn peers(listed: &ListedTransaction) -> Markup {
    let row = &listed.row;
    let mut names: BTreeSet<&BackofficeId> = row.peers.keys().collect();
    names.extend(listed.waiting.keys().chain(listed.parked.keys()));
    names.remove(&row.leader_at_start);
    let unknown = PeerTransaction::default();
    html! {
        ul.plain {
            @for name in std::iter::once(&row.leader_at_start).chain(names) {
                @let peer = row.peers.get(name).unwrap_or(&unknown);
                @let waiting = listed.waiting.get(name).copied().unwrap_or(0);
                @let parked = listed.parked.get(name).copied().unwrap_or(0);
                li {
                    span.peer {
                        @if *name == row.leader_at_start {
                            span.leads title="Leader when it started" { (icon(Icon::Star)) span.visually-hidden { "Leader: " } }
                        }
                        (name)
                    }
                    @match (peer.number, peer.state) {
                        (Some(number), _) => code { (number.0) },
                        (None, PeerState::Queued) if waiting == 0 => span.muted { "not told" },
                        (None, PeerState::Queued) => span.muted { "not told yet" },
                        (None, PeerState::Sent | PeerState::Asked) => span.muted { "no answer yet" },
                        (None, PeerState::Mapped | PeerState::Failed) => span.muted { "gave no number" },
                    }
                    @if let Some(given) = &peer.status { (answered(given)) }
                    @if parked > 0 { (badge(Tone::Bad, Icon::Alert, &format!("{parked} parked"))) }
                    @if waiting > 0 { (badge(Tone::Warning, Icon::Clock, &format!("{waiting} waiting"))) }
                    @if waiting == 0 && parked == 0 && peer.number.is_some() {
                        (badge(Tone::Plain, Icon::Check, if row.raw_stop.is_some() { "told all" } else { "up to date" }))
                    }
                }
            }
        }
    }
}

fn answered(given: &str) -> Markup {
    match given {
        "Accepted" => badge(Tone::Good, Icon::Check, given),
        _ => badge(Tone::Bad, Icon::Cross, &words::shown(given)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_is_rounded_as_people_expect() {
        for (wh, said) in [
            (0, "0.00 kWh"),
            (4, "0.00 kWh"),
            (5, "0.01 kWh"),
            (12_345, "12.35 kWh"),
            (999_999, "1000.00 kWh"),
        ] {
            assert_eq!(kilowatt_hours(wh), said);
        }
    }
}
