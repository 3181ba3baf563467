//! What of a charger's log somebody wants to see, as it stands in the address of the page. Nothing that
//! an address can hold is an error: what is not understood is left out.

use engine::{ChargerId, TraceId};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use store::{Caller, CallsQuery, LoggedCall, LoggedOccurrence, OutcomeIs};

use crate::layout::moment;
use crate::limits::ROWS;
use crate::words;

/// A search text is cut here; nobody types more.
const LONGEST_TEXT: usize = 500;

/// The periods that can be chosen with one click: name in the address, words, milliseconds.
pub(super) const PERIODS: [(&str, &str, i64); 4] = [
    ("15m", "the last 15 minutes", 15 * 60_000),
    ("1h", "the last hour", 3_600_000),
    ("24h", "the last 24 hours", 24 * 3_600_000),
    ("7d", "the last 7 days", 7 * 24 * 3_600_000),
];

/// The outcomes that can be chosen: name in the address, words.
pub(super) const OUTCOMES: [(&str, &str, OutcomeIs); 5] = [
    ("accepted", "accepted", OutcomeIs::Accepted),
    ("refused", "refused", OutcomeIs::Refused),
    ("error", "error", OutcomeIs::Error),
    ("unanswered", "no answer", OutcomeIs::Unanswered),
    ("differs", "a backoffice differs", OutcomeIs::Differs),
];

/// A field's value, the condition in words, and the field to be emptied without it.
type Condition<'a> = (&'a str, Markup, fn(&mut Choice) -> &mut String);

/// The parameters of the page, of its live tail and of its exports. Empty means "any".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Choice {
    /// The search bar: terms, all of which must occur.
    pub(crate) q: String,
    /// OCPP's name of the message.
    pub(crate) action: String,
    /// Who called: `charger`, `backoffices`, or `backoffice:NAME`. It is the direction as well.
    pub(crate) from: String,
    /// A name of [`OUTCOMES`].
    pub(crate) outcome: String,
    /// A name of [`PERIODS`].
    pub(crate) time: String,
    /// As a browser's field for date and time writes it, in UTC.
    pub(crate) since: String,
    /// The same.
    pub(crate) until: String,
    /// `hide` hides [the routine](CallsQuery::hide_routine).
    pub(crate) routine: String,
    /// Exactly this card.
    pub(crate) id_tag: String,
    /// This transaction, by anyone's number.
    pub(crate) transaction: String,
    /// Where the page begins: the place and time of the last row of the page before, `SEQ-UNIXMS`.
    pub(crate) before: String,
    /// Where the live tail begins.
    pub(crate) after: String,
}

impl Choice {
    /// The query for the store, newest rows first.
    pub(crate) fn query(&self, charger: &ChargerId, now: Timestamp) -> CallsQuery {
        let (action, text) = self.action_and_text();
        CallsQuery {
            hides_cards: false,
            charger: Some(charger.clone()),
            text,
            id_tag: filled(&self.id_tag),
            transaction: self.transaction.trim().parse().ok(),
            action,
            hide_routine: self.routine == "hide",
            caller: self.caller(),
            outcome: OUTCOMES.iter().find(|(name, ..)| *name == self.outcome).map(|(.., outcome)| *outcome),
            since_unix_ms: self.since_unix_ms(now),
            until_unix_ms: unix_ms(&self.until),
            before: self.before().map(|(seq, _)| seq),
            limit: ROWS,
        }
    }

    /// A message's name typed into the search bar means that message: `StartTransaction` is not to
    /// find whatever only mentions it, and the index finds it at once.
    pub(super) fn action_and_text(&self) -> (Option<String>, String) {
        let text: String = self.q.chars().take(LONGEST_TEXT).collect();
        if let Some(action) = filled(&self.action) {
            return (Some(action), text);
        }
        let mut action = None;
        let mut rest = Vec::new();
        for term in text.split_whitespace() {
            let known = engine::actions::OCPP16.iter().find(|known| known.name.eq_ignore_ascii_case(term));
            match known {
                Some(known) if action.is_none() => action = Some(known.name.to_owned()),
                _ => rest.push(term),
            }
        }
        (action, rest.join(" "))
    }

    fn caller(&self) -> Option<Caller> {
        match self.from.as_str() {
            "charger" => Some(Caller::Charger),
            "backoffices" => Some(Caller::AnyBackoffice),
            from => from.strip_prefix("backoffice:").map(|name| Caller::Backoffice(name.into())),
        }
    }

    /// The beginning of the time that is shown; the later one, if two are named.
    pub(super) fn since_unix_ms(&self, now: Timestamp) -> Option<i64> {
        let period = PERIODS.iter().find(|(name, ..)| *name == self.time);
        let of_period = period.map(|(.., milliseconds)| now.as_millisecond() - milliseconds);
        of_period.max(unix_ms(&self.since))
    }

    /// Its end.
    pub(super) fn until_unix_ms(&self) -> Option<i64> {
        unix_ms(&self.until)
    }

    /// The place and the time of the last row of the page before.
    pub(super) fn before(&self) -> Option<(i64, i64)> {
        let (seq, unix_ms) = self.before.split_once('-')?;
        Some((seq.parse().ok()?, unix_ms.parse().ok()?))
    }

    /// This choice, going on at `next`, below the last call of this page.
    pub(super) fn older(&self, next: i64, last: Option<&LoggedCall>, now: Timestamp) -> Self {
        let shown_so_far = last.map(|call| call.received_unix_ms);
        let carried = self.before().map(|(_, unix_ms)| unix_ms);
        let unix_ms = shown_so_far.or(carried).unwrap_or_else(|| now.as_millisecond() + 1);
        Self { before: format!("{next}-{unix_ms}"), after: String::new(), ..self.clone() }
    }

    /// This choice from the newest row on.
    pub(super) fn newest(&self) -> Self {
        Self { before: String::new(), after: String::new(), ..self.clone() }
    }

    /// Whether anything but the place is chosen.
    pub(super) fn is_narrowed(&self) -> bool {
        self.newest() != Self::default()
    }

    /// Whether what happened beside the calls is shown too. Not where somebody looks for calls of a
    /// certain kind: it would stand between them without belonging to them.
    pub(crate) fn shows(&self, occurrence: &LoggedOccurrence) -> bool {
        let narrow = [&self.action, &self.from, &self.outcome, &self.id_tag, &self.transaction];
        if narrow.iter().any(|field| !field.trim().is_empty()) {
            return false;
        }
        let said = words::meaning_of_occurrence(&occurrence.kind);
        let text = [&occurrence.kind, &occurrence.who, &occurrence.detail, said].join(" ").to_lowercase();
        self.q.split_whitespace().all(|term| text.contains(&term.to_lowercase()))
    }

    /// Every condition in words, and the choice without it.
    pub(super) fn conditions(&self) -> Vec<(Markup, Self)> {
        let text = |words: &str| html! { bdi { (words::shown(words)) } };
        let time = |word: &str, written: &str| match unix_ms(written) {
            Some(unix_ms) => html! { (word) " " (moment(unix_ms)) },
            None => html! { (word) " what is no time" },
        };
        let from = match self.from.as_str() {
            "charger" => "from the charger".to_owned(),
            "backoffices" => "from any backoffice".to_owned(),
            other => format!("from {}", other.strip_prefix("backoffice:").unwrap_or(other)),
        };
        let outcome = OUTCOMES.iter().find(|(name, ..)| *name == self.outcome).map(|(_, words, _)| *words);
        let period = PERIODS.iter().find(|(name, ..)| *name == self.time).map(|(_, words, _)| *words);
        let all: [Condition<'_>; 10] = [
            (&self.q, text(&format!("“{}”", self.q.trim())), |choice| &mut choice.q),
            (&self.action, text(&self.action), |choice| &mut choice.action),
            (&self.from, text(&from), |choice| &mut choice.from),
            (&self.outcome, text(outcome.unwrap_or(&self.outcome)), |choice| &mut choice.outcome),
            (&self.time, text(period.unwrap_or(&self.time)), |choice| &mut choice.time),
            (&self.since, time("since", &self.since), |choice| &mut choice.since),
            (&self.until, time("until", &self.until), |choice| &mut choice.until),
            (&self.routine, text("without the routine"), |choice| &mut choice.routine),
            (&self.id_tag, text(&format!("card {}", self.id_tag)), |choice| &mut choice.id_tag),
            (&self.transaction, text(&format!("transaction {}", self.transaction)), |choice| {
                &mut choice.transaction
            }),
        ];
        let chosen = all.into_iter().filter(|(value, ..)| !value.trim().is_empty());
        chosen
            .map(|(_, words, field)| {
                let mut without = self.newest();
                field(&mut without).clear();
                (words, without)
            })
            .collect()
    }

    /// As the part of an address behind the `?`, with it; empty if nothing is chosen.
    pub(crate) fn parameters(&self) -> String {
        let fields = [
            ("q", &self.q),
            ("action", &self.action),
            ("from", &self.from),
            ("outcome", &self.outcome),
            ("time", &self.time),
            ("since", &self.since),
            ("until", &self.until),
            ("routine", &self.routine),
            ("id_tag", &self.id_tag),
            ("transaction", &self.transaction),
            ("before", &self.before),
            ("after", &self.after),
        ];
        let filled: Vec<_> = fields.iter().filter(|(_, value)| !value.is_empty()).collect();
        match serde_urlencoded::to_string(&filled) {
            Ok(text) if !text.is_empty() => format!("?{text}"),
            _ => String::new(),
        }
    }
}

/// Where a page after this call begins, see [`Choice::before`].
pub(super) fn place(call: &LoggedCall) -> String {
    format!("{}-{}", call.seq, call.received_unix_ms)
}

/// The page of one call.
pub(crate) fn permalink(trace: TraceId) -> String {
    format!("/calls/{trace}")
}

fn filled(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.chars().take(LONGEST_TEXT).collect())
}

/// From what a browser's field for date and time writes: `2026-11-22T17:23`, with or without seconds.
fn unix_ms(text: &str) -> Option<i64> {
    let moment: DateTime = text.trim().parse().ok()?;
    Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(parameters: &str) -> Choice {
        serde_urlencoded::from_str(parameters).unwrap()
    }

    #[test]
    fn what_an_address_says_is_asked_of_the_store() {
        let now = Timestamp::from_millisecond(1_000_000_000_000).unwrap();
        let charger = ChargerId::from("CP1");
        let query = |parameters: &str| {
            let asked = choice(parameters).query(&charger, now);
            assert_eq!((asked.charger.as_ref(), asked.limit), (Some(&charger), ROWS));
            CallsQuery { charger: None, limit: 0, ..asked }
        };
        let nothing = CallsQuery::default();
        let cases = [
            ("", nothing.clone()),
            ("q=StartTransaction", CallsQuery { action: Some("StartTransaction".into()), ..nothing.clone() }),
            (
                "q=04E1+starttransaction+x",
                CallsQuery {
                    action: Some("StartTransaction".into()),
                    text: "04E1 x".into(),
                    ..nothing.clone()
                },
            ),
            (
                "q=Heartbeat&action=Reset",
                CallsQuery { action: Some("Reset".into()), text: "Heartbeat".into(), ..nothing.clone() },
            ),
            ("from=charger", CallsQuery { caller: Some(Caller::Charger), ..nothing.clone() }),
            ("from=backoffices", CallsQuery { caller: Some(Caller::AnyBackoffice), ..nothing.clone() }),
            (
                "from=backoffice%3Aa%26b",
                CallsQuery { caller: Some(Caller::Backoffice("a&b".into())), ..nothing.clone() },
            ),
            ("outcome=refused", CallsQuery { outcome: Some(OutcomeIs::Refused), ..nothing.clone() }),
            (
                "outcome=zebra&time=zebra&since=zebra&before=zebra&transaction=zebra&from=zebra",
                nothing.clone(),
            ),
            ("time=1h", CallsQuery { since_unix_ms: Some(1_000_000_000_000 - 3_600_000), ..nothing.clone() }),
            (
                "since=2001-09-09T01:46&until=2001-09-09T01:46:41",
                CallsQuery {
                    since_unix_ms: Some(999_999_960_000),
                    until_unix_ms: Some(1_000_000_001_000),
                    ..nothing.clone()
                },
            ),
            ("routine=hide", CallsQuery { hide_routine: true, ..nothing.clone() }),
            (
                "id_tag=+A&transaction=-7",
                CallsQuery { id_tag: Some("A".into()), transaction: Some(-7), ..nothing.clone() },
            ),
            ("before=12-3456", CallsQuery { before: Some(12), ..nothing.clone() }),
        ];
        assert_eq!(cases.len(), 14);
        for (parameters, expected) in cases {
            assert_eq!(query(parameters), expected, "{parameters}");
        }
    }

    #[test]
    fn an_address_is_read_as_it_was_written() {
        let chosen = choice("q=a%26b%3D%22&from=charger&routine=hide&before=3-4&until=2026-01-01T00%3A00");
        assert_eq!(choice(chosen.parameters().trim_start_matches('?')), chosen);
        assert_eq!(Choice::default().parameters(), "");
        assert!(!choice("before=3-4&after=9").is_narrowed());
        assert!(chosen.is_narrowed());
        assert_eq!(chosen.conditions().len(), 4);
        for (_, without) in chosen.conditions() {
            assert_eq!((without.conditions().len(), without.before.as_str()), (3, ""));
        }
    }

    #[test]
    fn what_happened_is_shown_where_it_belongs() {
        let occurrence = LoggedOccurrence {
            seq: 1,
            charger: "CP1".into(),
            unix_ms: 1,
            kind: "link_down".to_owned(),
            who: "volt".to_owned(),
            detail: "refused".to_owned(),
        };
        let cases = [
            ("", true),
            ("routine=hide&time=1h", true),
            ("q=VOLT+not+connected", true),
            ("q=acme", false),
            ("q=StartTransaction", false),
            ("action=Reset", false),
            ("outcome=error", false),
            ("from=charger", false),
            ("transaction=1", false),
        ];
        assert_eq!(cases.len(), 9);
        for (parameters, expected) in cases {
            assert_eq!(choice(parameters).shows(&occurrence), expected, "{parameters}");
        }
    }
}
