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
            let asked = tokio::time::Instant::now();
            let refused = entrance.check(&served, &store, &charger, &peer, &headers).await;
            answered[at].push(asked.elapsed());
            assert!(matches!(refused, Err(NotLetIn::Unproved(_))), "{number} {name}: {refused:?}");
            tokio::time::advance(FAILURES_WITHIN).await;
        }
    }
    let [wrong, unknown] = looked.map(median);
    let [wrong_answered, unknown_answered] = answered.map(median);
    assert_eq!(wrong_answered, unknown_answered, "both are answered at the same moment");
    row(
        "S1",
        format!("{} wrong keys and {} keys of an unknown charger, in turns", counted(each), counted(each)),
        format!(
            "medians of the look itself {:.1} and {:.1} µs, {:.1} % apart; both answered after {} ms of the proxy's \
             clock",
            wrong.as_secs_f64() * 1e6,
            unknown.as_secs_f64() * 1e6,
            (wrong.as_secs_f64() / unknown.as_secs_f64() - 1.0).abs() * 100.0,
            wrong_answered.as_millis()
        ),
    );
}
