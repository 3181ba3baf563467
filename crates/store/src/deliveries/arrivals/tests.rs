//! Arrivals beside lanes that are written straight.

use engine::Delivery;
use proptest::prelude::*;
use rusqlite::types::Value;
use tokio::sync::oneshot;

use super::*;
use crate::Limits;
use crate::database::open_for_writing;

/// What becomes of the lanes of a few chargers and backoffices, each delivery before what becomes of it.
fn records() -> impl Strategy<Value = Vec<(ChargerId, LaneRecord)>> {
    let one = (0..3_u8, 0..2_u8, 0..6_u8, any::<prop::sample::Index>());
    prop::collection::vec(one, 0..80).prop_map(|drawn| {
        let mut last = BTreeMap::<(u8, u8), u64>::new();
        let mut records = Vec::new();
        for (charger, backoffice, what, which) in drawn {
            let last = last.entry((charger, backoffice)).or_default();
            let what = if *last == 0 { 0 } else { what };
            *last += u64::from(what < 4);
            let number = if what < 4 { *last } else { 1 + which.index(*last as usize) as u64 };
            let id = BackofficeId::from(format!("backoffice-{backoffice}").as_str());
            let record = match what {
                // Told.
                5 => LaneRecord::Delivered { backoffice: id, number },
                // New, some of them parked from the beginning; or told in vain, and then parked.
                _ => delivery(id, number, what),
            };
            records.push((ChargerId::from(format!("CP-{charger}").as_str()), record));
        }
        records
    })
}

fn delivery(backoffice: BackofficeId, number: u64, what: u8) -> LaneRecord {
    let action =
        ["MeterValues", "StartTransaction", "StatusNotification", "MeterValues"][usize::from(what % 4)];
    let delivery = Delivery {
        backoffice,
        number,
        trace: engine::TraceId::try_from(format!("{number:026}")).unwrap(),
        action: action.to_owned(),
        payload: format!(r#"{{"said":"\"{number}\""}}"#),
        transaction: None,
        recognised: None,
        queued_unix_ms: 1_700_000_000_000,
        attempts: u32::from(what == 4),
        parked: matches!(what, 2 | 4).then(|| "not_supported".to_owned()),
    };
    LaneRecord::Delivery { delivery: Box::new(delivery), recognised: Some(number << 7) }
}

/// All rows of the tables of lanes, but the places of rows.
fn all(connection: &Connection) -> Vec<Vec<Value>> {
    let mut found = Vec::new();
    for sql in [
        "SELECT * FROM lanes ORDER BY charger, backoffice",
        "SELECT charger, backoffice, number, kind, trace, transaction_trace, queued_unix_ms, attempts, parked, bytes,
             action, payload FROM deliveries ORDER BY charger, backoffice, number",
        "SELECT body FROM arrivals",
    ] {
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect()).unwrap();
        found.extend(rows.map(Result::unwrap));
    }
    found
}

fn keeps(records: &[(ChargerId, LaneRecord)]) -> Vec<Order> {
    let keep = |(charger, record): &(ChargerId, LaneRecord)| {
        Order::Keep(charger.clone(), vec![StoredRecord::OfALane(record.clone())], oneshot::channel().0)
    };
    records.iter().map(keep).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// In which parts they arrive, and whether the program dies in between, makes no difference.
    #[test]
    fn what_arrived_comes_into_its_lanes_as_if_it_had_been_written_there(
        records in records(), part in 1..20_usize, sorted_after in 1..5_usize, dies in any::<bool>(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let open = |name: &str| open_for_writing(&directory.path().join(name), &Limits::default()).unwrap();
        let bounds = Bounds::new(&Limits::default());
        let mut evicted = Evicted::default();

        let (straight, _lock) = open("straight.db");
        for (charger, record) in &records {
            lane::write(&straight, charger, record.backoffice(), &[record], bounds, &mut evicted).unwrap();
        }

        let mut arriving = open("arriving.db");
        let mut arrivals = Arrivals::default();
        for (at, part) in records.chunks(part).enumerate() {
            let mut orders = keeps(part);
            Arrivals::write(&arriving.0, &orders).unwrap();
            arrivals.take(&mut orders);
            if at % sorted_after == 0 {
                if dies {
                    drop(arriving);
                    arriving = open("arriving.db");
                } else {
                    arrivals.sort(&arriving.0, bounds, &mut evicted).unwrap();
                }
                arrivals.are_sorted();
            }
        }
        drop(arriving);
        prop_assert_eq!(all(&open("arriving.db").0), all(&straight));
        prop_assert_eq!(evicted, Evicted::default());
    }
}

#[test]
fn many_arrive_few_do_not_and_nobody_looks_at_a_lane_before_it_is_sorted() {
    let records: Vec<_> = (1..=MANY as u64)
        .map(|number| (ChargerId::from("CP-1"), delivery(BackofficeId::from("acme"), number, 0)))
        .collect();
    let mut arrivals = Arrivals::default();
    let mut orders = keeps(&records);
    assert_eq!(arrivals.lanes_for(&orders[1..]), Lanes::Sorted);
    assert_eq!(arrivals.lanes_for(&orders), Lanes::Arriving);
    arrivals.take(&mut orders);
    // Behind those that are there.
    let mut few = keeps(&records[..1]);
    assert_eq!(arrivals.lanes_for(&few), Lanes::Arriving);
    few.push(Order::Settle(oneshot::channel().0));
    assert_eq!(arrivals.lanes_for(&few), Lanes::Sorted);
}

#[test]
fn so_many_wait_and_no_more_until_they_are_sorted() {
    let mut arrivals = Arrivals::default();
    assert_eq!(arrivals.due(), None);
    let records: Vec<_> = (1..=MANY as u64)
        .map(|number| (ChargerId::from("CP-1"), delivery(BackofficeId::from("acme"), number, 0)))
        .collect();
    for _ in 0..MOST / MANY {
        let mut orders = keeps(&records);
        assert_eq!(arrivals.lanes_for(&orders), Lanes::Arriving);
        arrivals.take(&mut orders);
    }
    assert_eq!(arrivals.lanes_for(&keeps(&records)), Lanes::Sorted);
    assert!(arrivals.due().is_some());
    arrivals.are_sorted();
    assert_eq!((arrivals.due(), arrivals.is_empty()), (None, true));
}
