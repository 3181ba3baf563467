//! Deliveries in plain words, for people who have not read OCPP.

use std::fmt::Write;

use engine::{BackofficeId, ChargerId};
use jiff::tz::TimeZone;
use portal::words::{meaning_of_action, shown};
use store::{ListedDelivery, ListedLane};

use crate::logs::paragraph::time;

pub(super) const ALL_TOLD: &str = "Nothing waits: every backoffice has been told all that it must know.";
pub(super) const NOTHING_MATCHES: &str = "Nothing matches. A charger's identity is written as the charger sends it, a backoffice's name as in \
     the configuration; without either, everything is listed.";
pub(super) const PENDING: &str = "The proxy that uses this store has not carried the order out yet. It is \
     written down; the proxy carries it out as soon as it can.\n";

/// What waits for one backoffice, in one line.
pub(super) fn lane(lane: &ListedLane, now_unix_ms: i64) -> String {
    let mut text = format!("{} → {}: ", shown(lane.charger.as_str()), shown(lane.backoffice.as_str()));
    match lane.waiting {
        0 => text.push_str("nothing waits"),
        1 => text.push_str("1 message waits"),
        count => write!(text, "{count} messages wait").expect("a String takes all text"),
    }
    if let Some(oldest) = lane.oldest_unix_ms {
        let since = duration(now_unix_ms.saturating_sub(oldest));
        let whose = if lane.waiting > 1 { ", the oldest" } else { "" };
        write!(text, "{whose} for {since}").expect("a String takes all text");
    }
    if lane.parked > 0 {
        let verb = if lane.parked == 1 { "is" } else { "are" };
        write!(text, "; {} {verb} PARKED", lane.parked).expect("a String takes all text");
    }
    text
}

/// One message in one line.
pub(super) fn message(listed: &ListedDelivery, zone: &TimeZone) -> String {
    let delivery = &listed.delivery;
    let mut text = format!(
        "  #{}  {}  {}",
        delivery.number,
        time(delivery.queued_unix_ms, zone),
        shown(&delivery.action)
    );
    if let Some(meaning) = meaning_of_action(&delivery.action) {
        write!(text, " – {meaning}").expect("a String takes all text");
    }
    match (&delivery.parked, delivery.attempts) {
        (Some(why), attempts) => {
            let why = meaning_of_parked(why, attempts);
            write!(text, "\n      PARKED: {why}").expect("a String takes all text");
        }
        (None, 0) => {}
        (None, 1) => text.push_str(" (tried once in vain)"),
        (None, attempts) => {
            write!(text, " (tried {attempts} times in vain)").expect("a String takes all text")
        }
    }
    text
}

/// Why a message is not tried again by itself; a reason that is not here is shown as it is.
fn meaning_of_parked(why: &str, attempts: u32) -> String {
    let meaning = match why {
        "attempts_spent" => {
            return format!(
                "{attempts} times the backoffice answered with an error or not at all; mend it, then retry"
            );
        }
        "lane_full" => {
            "too much waited for this backoffice; the oldest sessions were set aside; retry once it is reachable"
        }
        "not_supported" => "the backoffice says that it does not take such messages; ask those who run it",
        "refused_as_malformed" => {
            "the backoffice says that the message is malformed; ask those who run it, and see \
             `ocpp-proxy logs`"
        }
        "start_was_not_booked" => {
            "the backoffice did not take the start of this session; have the start tried again, then this"
        }
        "too_old" => "it waited for more than 30 days; retry if the backoffice still wants it",
        other => return shown(other),
    };
    meaning.to_owned()
}

/// What an operator can do about parked messages.
pub(super) fn what_to_do(charger: &ChargerId, backoffice: &BackofficeId) -> String {
    let lane = format!("{} {}", shown(charger.as_str()), shown(backoffice.as_str()));
    format!(
        "Parked messages are not sent by themselves. Once the cause is mended:\n    \
         ocpp-proxy deliveries retry {lane} [NUMBER…]\nIf the backoffice need not know of them:\n    \
         ocpp-proxy deliveries drop {lane} NUMBER…"
    )
}

pub(super) fn tried_again(count: u64, backoffice: &str) -> String {
    let messages = if count == 1 { "1 message" } else { &format!("{count} messages") };
    format!(
        "{messages} to {backoffice} will be tried again, as soon as the charger is connected and \
         {backoffice} can be reached.\n"
    )
}

pub(super) fn dropped(count: u64, backoffice: &str) -> String {
    let messages = if count == 1 { "1 message" } else { &format!("{count} messages") };
    format!("{messages} dropped: {backoffice} will not be told.\n")
}

/// A duration in its two largest units.
fn duration(ms: i64) -> String {
    let seconds = (ms / 1000).max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_two_units_at_most() {
        let cases = [
            (-5, "0 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (7_500_000, "2 h 5 min"),
            (86_400_000, "1 d 0 h"),
            (864_000_000 + 7_200_000, "10 d 2 h"),
        ];
        for (ms, text) in cases {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn one_and_many_are_told_apart() {
        let lane_of = |waiting, parked| ListedLane {
            charger: "CP1".into(),
            backoffice: "acme".into(),
            waiting,
            oldest_unix_ms: (waiting > 0).then_some(0),
            parked,
        };
        let cases = [
            (lane_of(1, 0), "CP1 → acme: 1 message waits for 1 min"),
            (lane_of(2, 1), "CP1 → acme: 2 messages wait, the oldest for 1 min; 1 is PARKED"),
            (lane_of(0, 3), "CP1 → acme: nothing waits; 3 are PARKED"),
        ];
        for (listed, text) in cases {
            assert_eq!(lane(&listed, 60_000), text);
        }
    }

    #[test]
    fn a_reason_without_words_is_shown_as_it_is() {
        assert_eq!(meaning_of_parked("of_the_future", 0), "of_the_future");
    }
}
