//! How long a look at wrong credentials takes.

use std::collections::BTreeMap;
use std::time::Instant;

use figures::{counted, row, scaled};
use hyper::header::{AUTHORIZATION, HeaderValue};
use store::Settings;
use tempfile::TempDir;

use super::*;
use crate::limits::FAILURES_WITHIN;
use crate::routing::{LeaderSource, Pattern, Routing, Rule, Secret};

fn served(seal: &Seal) -> Served {
    let key = Secret::new("00ff3ac3280a0102030405060708090a0b0c0d0e".to_owned());
    let entrance = EntranceTerms {
        profile: SecurityProfile::Basic,
        keys: BTreeMap::from([(ChargerId::from("CP1"), key)]),
        ..EntranceTerms::default()
    };
    let rule = Rule {
        pattern: Pattern::new("CP*").unwrap(),
        plan: Arc::new(engine::Plan::new("volt".into(), Vec::new())),
        leader_source: LeaderSource::Portal,
        entrance: Arc::new(entrance),
    };
    Served::new(Routing { backoffices: BTreeMap::new(), rules: vec![rule] }, None, seal)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// A look takes at most so many times as long as another; one that leaves the comparison out takes half.
const MOST_APART: f64 = 1.5;

/// S1: a wrong key for a charger that is known, and a key for one that is not
#[tokio::test(start_paused = true)]
async fn figure_s01_unknown_and_wrong_take_as_long() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(&directory.path().join("test.db"), Settings::default()).unwrap();
    let entrance = Entrance::new(&store).await.unwrap();
    let served = served(&store.seal());
    let peer = Peer::plain([127, 0, 0, 1].into());
    let mut headers = HeaderMap::new();
    let each = scaled(1_000, 100);
    let (mut looked, mut answered) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    let mut not_compared = Vec::new();
    // In turns, so that whatever else the machine does befalls both.
    for number in 0..each {
        for (at, name) in ["CP1", "CP2"].into_iter().enumerate() {
            let charger = ChargerId::from(name);
            // "CP1:guess" or "CP2:guess".
            let value = if at == 0 { "Basic Q1AxOmd1ZXNz" } else { "Basic Q1AyOmd1ZXNz" };
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            let begun = Instant::now();
            let credentials = Credentials::read(&headers);
            let terms = served.terms(&charger).unwrap();
            let proof = entrance.proof(&served, terms, &charger, credentials.as_ref(), &peer);
            looked[at].push(begun.elapsed());
            assert!(proof.is_err(), "{number}");
            // What it would take to say no without a comparison.
            let begun = Instant::now();
            let _credentials = Credentials::read(&headers);
            assert!(entrance.proof(&served, terms, &charger, None, &peer).is_err());
            not_compared.push(begun.elapsed());
            let asked = tokio::time::Instant::now();
            let refused = entrance.check(&served, &store, &charger, &peer, &headers).await;
            answered[at].push(asked.elapsed());
            assert!(matches!(refused, Err(NotLetIn::Unproved(_))), "{number} {name}: {refused:?}");
            tokio::time::advance(FAILURES_WITHIN).await;
        }
    }
    let [wrong, unknown] = looked.map(|times| median(times).as_secs_f64());
    let shortcut = median(not_compared).as_secs_f64();
    // Of one and the same run: how many times as long one takes as the other.
    let apart = |one: f64, other: f64| (one / other).max(other / one);
    assert!(apart(wrong, unknown) < MOST_APART, "{wrong} and {unknown} s");
    assert!(apart(wrong, shortcut) > MOST_APART, "a look that compares nothing would not be noticed");
    let [wrong_answered, unknown_answered] = answered.map(median);
    assert_eq!(wrong_answered, unknown_answered, "both are answered at the same moment");
    row(
        "S1",
        format!("{} wrong keys and {} keys of an unknown charger, in turns", counted(each), counted(each)),
        format!(
            "medians of the look itself {:.1} and {:.1} µs, {:.1} % apart; without a comparison it would be {:.1} µs; both \
             answered after {} ms of the proxy's clock",
            wrong * 1e6,
            unknown * 1e6,
            (apart(wrong, unknown) - 1.0) * 100.0,
            shortcut * 1e6,
            wrong_answered.as_millis()
        ),
    );
}
