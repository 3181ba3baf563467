//! What the comparison comes down to, as a sentence.

use store::Comparison;

use super::would_be_refused;
use crate::layout::Tone;

/// Fewer calls than this say nothing.
const ENOUGH_CALLS: u64 = 20;
/// A follower that fails one call in so many is no leader.
const FAILURES_ONE_IN: u64 = 50;
/// Chargers wait for Authorize; a person feels more than this.
const SLOW_US: u64 = 3_000_000;

/// Whether to switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conclusion {
    pub(super) tone: Tone,
    pub(super) headline: String,
    /// What speaks against it, the gravest first.
    pub(super) objections: Vec<String>,
}

pub(super) fn conclude(follower: &str, comparison: &Comparison) -> Conclusion {
    let refused = comparison.cards.iter().filter(|card| would_be_refused(card)).count();
    let failures = comparison.errors + comparison.unanswered;
    let calls = comparison.calls_compared;
    let mut objections = Vec::new();
    if refused > 0 {
        objections.push(format!(
            "{} that {} today would be refused. Add {} to the list of allowed cards in {follower} first.",
            count(refused as u64, "card", "cards"),
            if refused == 1 { "charges" } else { "charge" },
            if refused == 1 { "it" } else { "them" },
        ));
    }
    let fails_often = failures > 0 && failures * FAILURES_ONE_IN >= calls;
    if failures > 0 {
        objections.push(format!(
            "{follower} failed {} of {calls} calls: {} with an error, {} without an answer.{}",
            failures,
            comparison.errors,
            comparison.unanswered,
            if fails_often { " Have that looked into first." } else { "" }
        ));
    }
    let slow = comparison.follower_latency_us.p95;
    let is_slow = slow > SLOW_US && slow > comparison.leader_latency_us.p95;
    if is_slow {
        objections.push(format!(
            "{follower} is slow: one answer in twenty takes longer than {}. The Leader's take {}.",
            crate::words::duration(i64::try_from(slow).unwrap_or(i64::MAX)),
            crate::words::duration(i64::try_from(comparison.leader_latency_us.p95).unwrap_or(i64::MAX))
        ));
    }
    if comparison.conflicts > 0 && refused == 0 {
        objections.push(format!(
            "{} differently in something that matters; see below where.",
            count(comparison.conflicts, "call was answered", "calls were answered")
        ));
    }
    if calls < ENOUGH_CALLS {
        let headline = match calls {
            0 => format!("Nothing can be said: {follower} was asked nothing in this time."),
            _ => format!(
                "Too little to say: {} only. Wait some days.",
                count(calls, "call was compared", "calls were compared")
            ),
        };
        return Conclusion { tone: Tone::Plain, headline, objections };
    }
    let (tone, headline) = match () {
        () if refused > 0 => (
            Tone::Bad,
            format!(
                "Not yet: {} would stop working if {follower} led.",
                count(refused as u64, "card", "cards")
            ),
        ),
        () if fails_often => (Tone::Bad, format!("Not yet: {follower} fails too often to lead.")),
        () if !objections.is_empty() => (
            Tone::Warning,
            format!(
                "Every card that charges today would charge with {follower} as well. Look at the differences."
            ),
        ),
        () => (
            Tone::Good,
            format!("Nothing speaks against it: {follower} would have answered as the Leader did."),
        ),
    };
    Conclusion { tone, headline, objections }
}

fn count(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

#[cfg(test)]
mod tests {
    use engine::TraceId;
    use store::{CardDifference, Latency};

    use super::*;

    fn comparison(calls: u64) -> Comparison {
        Comparison {
            counted_since_unix_ms: 0,
            calls_compared: calls,
            same: calls,
            noise: 0,
            skew: 0,
            not_comparable: 0,
            conflicts: 0,
            errors: 0,
            unanswered: 0,
            cards: Vec::new(),
            fields: Vec::new(),
            leader_latency_us: Latency { p50: 40_000, p95: 90_000, max: 200_000 },
            follower_latency_us: Latency { p50: 40_000, p95: 90_000, max: 200_000 },
        }
    }

    fn card(leader: &str, follower: &str) -> CardDifference {
        CardDifference {
            id_tag: "AB12".to_owned(),
            leader_status: leader.to_owned(),
            follower_status: follower.to_owned(),
            times: 3,
            last_unix_ms: 0,
            last_trace: TraceId::try_from("0".repeat(26)).expect("26 zeros are a ULID"),
            charger: "CP1".into(),
        }
    }

    #[test]
    fn the_conclusion_is_plain() {
        let with = |calls, change: &dyn Fn(&mut Comparison)| {
            let mut comparison = comparison(calls);
            change(&mut comparison);
            let conclusion = conclude("volt", &comparison);
            (conclusion.tone, conclusion.headline, conclusion.objections.len())
        };
        let none = |_: &mut Comparison| {};
        let cases = [
            (with(0, &none), Tone::Plain, "Nothing can be said: volt was asked nothing in this time.", 0),
            (with(1, &none), Tone::Plain, "Too little to say: 1 call was compared only. Wait some days.", 0),
            (
                with(100, &none),
                Tone::Good,
                "Nothing speaks against it: volt would have answered as the Leader did.",
                0,
            ),
            (
                with(100, &|c| c.cards = vec![card("Accepted", "Invalid"), card("Invalid", "Accepted")]),
                Tone::Bad,
                "Not yet: 1 card would stop working if volt led.",
                1,
            ),
            (
                with(100, &|c| c.cards = vec![card("Accepted", "ConcurrentTx")]),
                Tone::Good,
                "Nothing speaks against it: volt would have answered as the Leader did.",
                0,
            ),
            (with(100, &|c| c.unanswered = 2), Tone::Bad, "Not yet: volt fails too often to lead.", 1),
            (
                with(1000, &|c| c.errors = 1),
                Tone::Warning,
                "Every card that charges today would charge with volt as well. Look at the differences.",
                1,
            ),
            (
                with(100, &|c| c.follower_latency_us.p95 = 9_000_000),
                Tone::Warning,
                "Every card that charges today would charge with volt as well. Look at the differences.",
                1,
            ),
        ];
        assert_eq!(cases.len(), 8);
        for ((tone, headline, objections), expected_tone, expected, count) in cases {
            assert_eq!((tone, headline.as_str(), objections), (expected_tone, expected, count));
        }
    }
}
