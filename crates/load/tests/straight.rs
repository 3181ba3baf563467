//! The instrument against itself: chargers and backoffices with nothing between them.

use std::rc::Rc;
use std::time::Duration;

use load::{Certificates, Scene};

#[test]
fn nothing_is_lost_where_nothing_is_between() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(Rc::new(Certificates::issue(folder.path()).unwrap())).unwrap();
    let mut weighed = 0;
    for over_tls in [false, true] {
        let route = scene.add(1, over_tls).unwrap();
        let address = scene.backoffices(route)[0];
        scene.connect(route, address, 20).unwrap();
        scene.begin_transactions(route).unwrap();
        // More than a round for each charger.
        let burst = scene.burst(route, 10_000.0, Duration::from_millis(200)).unwrap();
        assert_eq!((burst.due, burst.answered), (2_000, 2_000));
        assert_eq!(burst.latency.len(), 2_000);
        let opening = 20 * 3;
        let tally = scene.tally(route);
        assert!(tally.is_clean(), "{tally:?}");
        assert_eq!(
            (tally.calls, tally.answered, tally.delivered),
            (2_060, 2_060, opening + 2_000 - heartbeats())
        );
        assert!(scene.flood(route, Duration::from_millis(20)).unwrap().answered > 0);
        assert!(scene.overload(route, 1_000_000.0, Duration::from_millis(20)).unwrap().in_time > 0);
        scene.reconnect_all(route).unwrap();
        let tally = scene.tally(route);
        assert!(tally.is_clean(), "{tally:?}");
        scene.remove(route);
        weighed += 1;
    }
    assert_eq!(weighed, 2);
}

/// Heartbeats among 100 messages of each of 20 chargers: they bear no content.
fn heartbeats() -> u64 {
    (0..20_u64)
        .map(|number| {
            let first = 2 + number * 7 % 57;
            (first..first + 100).filter(|step| [20, 40].contains(&(step % 60))).count() as u64
        })
        .sum()
}
