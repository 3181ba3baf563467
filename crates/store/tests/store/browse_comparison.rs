//! A follower beside the leader.

use engine::{AnswerNote, CallNote, Decider, Difference, Outcome, Verdict};
use store::{Comparison, ComparisonQuery, LogEntry, Store};

use crate::world::*;

fn status(status: &str) -> String {
    format!(r#"{{"idTagInfo":{{"status":"{status}"}}}}"#)
}

fn authorize(number: u64, id_tag: &str, decided: &str) -> CallNote {
    let payload = serde_json::json!({ "idTag": id_tag }).to_string();
    let received_unix_ms = base() + number as i64;
    CallNote { received_unix_ms, ..call(number, "Authorize", &payload, &status(decided)) }
}

fn difference(pointer: &str) -> Vec<Difference> {
    vec![Difference { pointer: pointer.into(), leader: Some("1".into()), follower: None }]
}

/// A call that volt decided as leader and acme answered too.
fn both(store: &Store, number: u64, id_tag: &str, leader: &str, verdict: Verdict, follower: &str) {
    let led =
        AnswerNote { latency_us: number * 10, ..answer(number, "volt", Verdict::Leader, &status(leader)) };
    note_answer(store, led);
    note_call(store, authorize(number, id_tag, leader));
    let differences = match verdict {
        Verdict::Conflict | Verdict::WeakConflict => difference("/idTagInfo/status"),
        Verdict::Skew => difference("/currentTime"),
        _ => Vec::new(),
    };
    let told = answer(number, "acme", verdict, &status(follower));
    note_answer(store, AnswerNote { differences, latency_us: number * 100, ..told });
}

async fn compare(world: &World, charger: Option<&str>, since: i64, until: i64) -> Comparison {
    let query = ComparisonQuery {
        charger: charger.map(Into::into),
        follower: acme(),
        since_unix_ms: base() + since,
        until_unix_ms: base() + until,
    };
    world.browser().comparison(query).await.unwrap()
}

#[tokio::test]
async fn a_follower_is_compared_with_whoever_led() {
    let world = World::new();
    let store = world.open();
    both(&store, 1, "A", "Accepted", Verdict::Same, "Accepted");
    both(&store, 2, "B", "Accepted", Verdict::Conflict, "Invalid");
    both(&store, 3, "b", "Accepted", Verdict::Conflict, "Invalid");
    both(&store, 4, "C", "Blocked", Verdict::Conflict, "Accepted");
    both(&store, 5, "D", "Blocked", Verdict::WeakConflict, "Invalid");
    both(&store, 6, "E", "Accepted", Verdict::Late, "Expired");
    both(&store, 7, "F", "Accepted", Verdict::Noise, "Accepted");
    both(&store, 8, "F", "Accepted", Verdict::Skew, "Accepted");
    let failed = Outcome::Error { code: "InternalError".into(), description: "".into() };
    note_call(&store, authorize(9, "G", "Accepted"));
    let told = answer(9, "acme", Verdict::FollowerError, "");
    note_answer(&store, AnswerNote { outcome: failed, differences: difference(""), ..told });
    note_call(&store, authorize(10, "H", "Accepted"));
    let silent = Outcome::Unanswered("not_connected");
    note_answer(&store, AnswerNote { outcome: silent, ..answer(10, "acme", Verdict::NotComparable, "") });
    // The proxy decided while the leader was away: nobody to compare with.
    note_call(&store, CallNote { decider: Decider::Proxy("A-5"), ..authorize(11, "I", "Accepted") });
    note_answer(&store, answer(11, "acme", Verdict::NotComparable, &status("Invalid")));
    // Of another follower, and while acme itself led.
    note_call(&store, authorize(12, "J", "Accepted"));
    let told = answer(12, "third", Verdict::Conflict, &status("Invalid"));
    note_answer(&store, AnswerNote { differences: difference("/idTagInfo/status"), ..told });
    note_answer(&store, answer(12, "acme", Verdict::Leader, &status("Accepted")));
    store.note(&"OTHER".into(), LogEntry::Call(Box::new(authorize(13, "B", "Accepted"))));
    let told = answer(13, "acme", Verdict::Conflict, &status("Invalid"));
    note_answer(&store, AnswerNote { differences: difference("/idTagInfo/status"), ..told });
    store.flush().await.unwrap();

    let found = compare(&world, Some("site1-cp1"), 0, 9_999).await;
    assert_eq!(found.calls_compared, 11);
    assert_eq!((found.same, found.noise, found.skew, found.conflicts), (1, 1, 1, 4));
    assert_eq!((found.errors, found.unanswered, found.not_comparable), (1, 1, 2));
    assert_eq!(found.counted_since_unix_ms, base());
    let cards: Vec<_> = found
        .cards
        .iter()
        .map(|card| {
            let statuses = (card.leader_status.as_str(), card.follower_status.as_str());
            (card.id_tag.as_str(), statuses, card.times, card.last_trace)
        })
        .collect();
    let expected = [
        ("b", ("Accepted", "Invalid"), 2, trace(3)),
        ("E", ("Accepted", "Expired"), 1, trace(6)),
        ("C", ("Blocked", "Accepted"), 1, trace(4)),
    ];
    assert_eq!(cards, expected);
    assert_eq!((found.cards[0].last_unix_ms, found.cards[0].charger.clone()), (base() + 3, charger()));
    let fields: Vec<_> =
        found.fields.iter().map(|one| (one.action.as_str(), one.pointer.as_str(), one.times)).collect();
    let expected =
        [("Authorize", "/idTagInfo/status", 4), ("Authorize", "", 1), ("Authorize", "/currentTime", 1)];
    assert_eq!(fields, expected);
    let leader = found.leader_latency_us;
    assert_eq!((leader.p50, leader.p95, leader.max), (40, 80, 80));
    assert_eq!(found.follower_latency_us.max, 900);

    let fleet = compare(&world, None, 0, 9_999).await;
    assert_eq!((fleet.calls_compared, fleet.conflicts, fleet.cards[0].times), (12, 5, 3));
    assert_eq!(fleet.cards[0].charger.as_str(), "OTHER");
    let part = compare(&world, Some("SITE1-CP1"), 2, 4).await;
    assert_eq!((part.calls_compared, part.cards.len()), (3, 2));
    let nothing = compare(&world, Some("SITE1-CP1"), 5_000, 4_000).await;
    assert_eq!(nothing, Comparison { counted_since_unix_ms: base() + 5_000, ..Comparison::default() });
}
