//! A log that goes on for weeks: the indexes of a charger are cut into eras, and nobody who reads can tell.

use engine::{AnswerNote, CallNote, ChargerId, Verdict};
use store::{Browser, CallsQuery, ComparisonQuery, Filter, LogEntry, LoggedCall, Store};

use crate::world::*;

/// As in the schema.
const ERA_MS: i64 = 1 << 24;
const CALLS: u64 = 240;

/// The first moment of the present era.
fn border() -> i64 {
    base() - base() % ERA_MS
}

/// Calls of some weeks in no order of their times: at the borders of eras, several in a millisecond, some eras empty,
/// a few received long before they were written.
async fn weeks(store: &Store) {
    let eras = [0, 1, 2, 3, 40, 41, 100];
    let places = [0, 1, ERA_MS / 2, ERA_MS - 1];
    for number in 0..CALLS {
        let pick = (number * 7_919) as usize;
        let era = eras[pick % eras.len()];
        let received_unix_ms = border() - (era + 1) * ERA_MS + places[pick / eras.len() % places.len()];
        let action = if number % 3 == 0 { "Authorize" } else { "Heartbeat" };
        let call = CallNote { received_unix_ms, ..call(number, action, "{}", "{}") };
        note_call(store, call.clone());
        let other = CallNote { trace: trace(10_000 + number), ..call };
        store.note(&ChargerId::from("OTHER"), LogEntry::Call(Box::new(other)));
    }
    store.flush().await.unwrap();
}

fn place(call: &LoggedCall) -> (i64, i64) {
    (call.received_unix_ms, call.seq)
}

async fn in_pages(browser: &Browser, mut query: CallsQuery, limit: usize) -> Vec<(i64, i64)> {
    let mut found = Vec::new();
    query.limit = limit;
    loop {
        let page = browser.calls(query.clone()).await.unwrap();
        assert!(page.items.len() <= limit);
        found.extend(page.items.iter().map(place));
        query.before = page.next;
        if page.next.is_none() {
            return found;
        }
    }
}

#[tokio::test]
async fn pages_go_on_across_eras_without_gaps_and_repeats() {
    let world = World::new();
    let store = world.open();
    weeks(&store).await;
    let browser = world.browser();
    let any = CallsQuery { charger: Some(charger()), ..CallsQuery::default() };
    let within = |since, until| CallsQuery {
        since_unix_ms: Some(border() - since),
        until_unix_ms: Some(border() - until),
        ..any.clone()
    };
    for (query, expected) in [
        (any.clone(), 240),
        (CallsQuery { action: Some("authorize".into()), ..any.clone() }, 80),
        (CallsQuery { hide_routine: true, ..any.clone() }, 80),
        (CallsQuery { text: "auth".into(), ..any.clone() }, 80),
        (CallsQuery { text: "nowhere".into(), ..any.clone() }, 0),
        (CallsQuery { action: Some("Reset".into()), ..any.clone() }, 0),
        (CallsQuery { charger: Some("NOBODY".into()), ..any.clone() }, 0),
        (within(3 * ERA_MS, ERA_MS), 78),
        (within(30 * ERA_MS, 10 * ERA_MS), 0),
    ] {
        // As it is found without any index of a charger.
        let all = browser.calls(CallsQuery { charger: None, limit: 10_000, ..query.clone() }).await.unwrap();
        let of_this = |call: &&LoggedCall| Some(&call.charger) == query.charger.as_ref();
        let all: Vec<_> = all.items.iter().filter(of_this).map(place).collect();
        assert_eq!(all.len(), expected, "{query:?}");
        assert!(all.is_sorted_by(|one, other| one > other), "newest first");
        for limit in [1, 7, 239, 240, 1_000] {
            assert_eq!(in_pages(&browser, query.clone(), limit).await, all, "{limit} of {query:?}");
        }
    }
}

#[tokio::test]
async fn the_log_is_read_across_eras_from_either_end() {
    let world = World::new();
    let store = world.open();
    weeks(&store).await;
    let log = world.log();
    let mut seen = 0;
    for action in [None, Some("authorize".to_owned())] {
        for since_unix_ms in [None, Some(border() - 3 * ERA_MS)] {
            let oldest_first = Filter { action: action.clone(), since_unix_ms, ..everything() };
            let newest_first = Filter { newest_first: true, ..oldest_first.clone() };
            let all: Vec<_> = log.calls(&oldest_first).unwrap().iter().map(place).collect();
            assert!(all.is_sorted_by(|one, other| one < other), "oldest first");
            let mut reversed: Vec<_> = log.calls(&newest_first).unwrap().iter().map(place).collect();
            reversed.reverse();
            assert_eq!(reversed, all);
            for limit in [1, 50] {
                let some = log.calls(&Filter { limit, ..oldest_first.clone() }).unwrap();
                assert_eq!(some.iter().map(place).collect::<Vec<_>>(), all[..limit.min(all.len())]);
            }
            seen += all.len();
        }
    }
    // In three eras of seven there are 104 of the 240 calls, and 34 of the 80.
    assert_eq!(seen, 240 + 104 + 80 + 34);
}

#[tokio::test]
async fn names_and_comparisons_are_of_all_eras() {
    let world = World::new();
    let store = world.open();
    weeks(&store).await;
    for number in 0..CALLS {
        for (backoffice, verdict) in [("volt", Verdict::Leader), ("acme", Verdict::Same)] {
            note_answer(&store, AnswerNote { ..answer(number, backoffice, verdict, "{}") });
        }
    }
    let long_ago = border() - 50 * ERA_MS;
    note_call(&store, CallNote { received_unix_ms: long_ago, ..call(300, "Reset", "{}", "{}") });
    store.flush().await.unwrap();
    let browser = world.browser();
    assert_eq!(browser.actions(&charger()).await.unwrap(), ["Authorize", "Heartbeat", "Reset"]);
    for (since_unix_ms, compared) in [(0, 240), (border() - 3 * ERA_MS, 104)] {
        let query = ComparisonQuery {
            charger: Some(charger()),
            follower: acme(),
            since_unix_ms,
            until_unix_ms: border(),
        };
        let comparison = browser.comparison(query).await.unwrap();
        assert_eq!((comparison.calls_compared, comparison.same), (compared, compared));
        assert_eq!(comparison.counted_since_unix_ms, since_unix_ms);
    }
}

#[tokio::test]
async fn a_comparison_of_one_charger_counts_the_newest_calls_of_several_eras() {
    let world = World::new();
    let store = world.open();
    for number in 0..3_000 {
        let received_unix_ms = border() - (3_000 - number as i64) * (ERA_MS / 400);
        note_call(&store, CallNote { received_unix_ms, ..call(number, "Heartbeat", "{}", "{}") });
        note_answer(&store, answer(number, "acme", Verdict::Noise, "{}"));
    }
    store.flush().await.unwrap();
    let query = ComparisonQuery {
        charger: Some(charger()),
        follower: acme(),
        since_unix_ms: 0,
        until_unix_ms: i64::MAX,
    };
    let comparison = world.browser().comparison(query).await.unwrap();
    assert_eq!((comparison.calls_compared, comparison.noise), (1_000, 1_000));
    let left_out = border() - 1_001 * (ERA_MS / 400);
    assert_eq!(comparison.counted_since_unix_ms, left_out + 1);
}

#[tokio::test]
async fn when_a_charger_was_seen_last_is_known_in_any_era() {
    let world = World::new();
    let store = world.open();
    let mut latest = i64::MIN;
    let mut steps = 0;
    // By more and by less than ten minutes, to the border of an era and past it, and back again.
    for away in [-900_000, -301_000, -300_000, -1, 0, 1, -2, 299_999, 599_999, 2 * ERA_MS, 2 * ERA_MS - 1] {
        let received_unix_ms = border() - 3 * ERA_MS + away;
        latest = latest.max(received_unix_ms);
        note_call(&store, CallNote { received_unix_ms, ..call(steps, "Heartbeat", "{}", "{}") });
        store.flush().await.unwrap();
        let summary = world.browser().charger(&charger()).await.unwrap().unwrap();
        assert_eq!(summary.last_seen_unix_ms, Some(latest), "step {steps}");
        steps += 1;
    }
    assert_eq!(steps, 11);
}
