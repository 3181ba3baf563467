//! A card is forgotten: nothing of its number is left in any file.

use engine::{Record, TransactionState, Verdict};
use store::{FORGOTTEN, ForgetError, LogEntry, OpenError, forget_card};

use crate::world::*;

const CARD: &str = "04A2B3C4D5E69F";

/// How often the number stands in the files beside each other, whatever its capitals.
fn residues(world: &World) -> usize {
    let files = std::fs::read_dir(world.path().parent().unwrap()).unwrap();
    let count = |bytes: Vec<u8>| {
        let bytes = bytes.to_ascii_lowercase();
        bytes.windows(CARD.len()).filter(|part| *part == CARD.to_ascii_lowercase().as_bytes()).count()
    };
    files.map(|file| count(std::fs::read(file.unwrap().path()).unwrap())).sum()
}

#[tokio::test]
async fn figure_s17_a_forgotten_card_leaves_no_trace_in_the_files() {
    let world = World::new();
    let store = world.open();
    let calls = figures::scaled(20_000, 500);
    for number in 0..calls {
        let payload = match number % 4 {
            0 => format!(r#"{{"idTag":"{CARD}"}}"#),
            1 => format!(r#"{{"vendorId":"x","data":"{{\"idTag\":\"{}\"}}"}}"#, CARD.to_lowercase()),
            2 => r#"{"idTag":"04A2B3C4D5E69F0"}"#.replace("9F0", "AA0"),
            _ => format!(
                r#"{{"listVersion":1,"localAuthorizationList":[{{"idTag":"{CARD}"}},{{"idTag":"OTHER"}}]}}"#
            ),
        };
        note_call(
            &store,
            call(number, "Authorize", &payload, &format!(r#"{{"idTagInfo":{{"parentIdTag":"{CARD}"}}}}"#)),
        );
        note_answer(&store, answer(number, "acme", Verdict::Conflict, &format!(r#"{{"x":"{CARD}"}}"#)));
    }
    let entry = LogEntry::Occurrence {
        unix_ms: now(),
        kind: "alert",
        who: "acme".to_owned(),
        detail: format!("the card {CARD} is unknown"),
    };
    store.note(&charger(), entry);
    let mut closed = transaction(1, TransactionState::Closed);
    closed.id_tag = CARD.to_owned();
    closed.raw_start = format!(r#"{{"idTag":"{CARD}"}}"#);
    closed.closed_unix_ms = Some(now());
    let records = vec![
        Record::Transaction(Box::new(closed)),
        fact("local_list/volt", Some(&format!(r#"[{{"idTag":"{CARD}"}}]"#))),
        fact(&format!("card/{CARD}"), Some("{}")),
    ];
    store.keep(&charger(), records).await.unwrap();
    let reason = format!("{CARD} complained");
    store.set_leader(&charger(), Some(acme()), "anna", &reason).await.unwrap();
    store.flush().await.unwrap();
    assert!(matches!(
        forget_card(&world.path(), CARD, false),
        Err(ForgetError::Open(OpenError::InUse { .. }))
    ));
    store.close().await;
    let before = residues(&world);
    assert!(before as u64 > 2 * calls, "{before}");

    let forgotten = forget_card(&world.path(), &CARD.to_lowercase(), false).unwrap();
    assert_eq!((forgotten.log, forgotten.transactions, forgotten.facts), (2 * calls + 1, 1, 2));
    assert_eq!(forgotten.others, 2);
    let after = residues(&world);
    figures::row(
        "S17",
        format!(
            "a card forgotten that stood {} times in the database, its write-ahead log and what lies beside them",
            figures::counted(before)
        ),
        format!("{} left", figures::counted(after)),
    );
    assert_eq!(after, 0);

    // What was no trace of the card is there as before.
    let all = world.log().calls(&everything()).unwrap();
    assert_eq!(all.len() as u64, calls);
    assert!(all[2].payload.contains("04A2B3C4D5E6AA0") && all[3].payload.contains("OTHER"), "{:?}", all[3]);
    assert!(all[0].payload.contains(FORGOTTEN), "{:?}", all[0]);
    let store = world.open();
    store.close().await;
    assert_eq!(forget_card(&world.path(), CARD, false).unwrap(), store::Forgotten::default());
}

#[tokio::test]
async fn a_card_that_is_needed_for_billing_is_not_forgotten() {
    let world = World::new();
    let store = world.open();
    let mut running = transaction(1, TransactionState::Open);
    running.id_tag = CARD.to_owned();
    store.keep(&charger(), vec![Record::Transaction(Box::new(running.clone()))]).await.unwrap();
    note_call(&store, call(1, "Authorize", &format!(r#"{{"idTag":"{CARD}"}}"#), "{}"));
    store.flush().await.unwrap();
    store.close().await;
    let refused = forget_card(&world.path(), CARD, false).unwrap_err();
    assert!(matches!(refused, ForgetError::Needed { running: 1, .. }), "{refused}");
    assert!(world.log().calls(&everything()).unwrap()[0].payload.contains(CARD), "nothing is changed");
    assert!(matches!(forget_card(&world.path(), " 04 ", false), Err(ForgetError::TooShort(_))));
    let elsewhere = world.path().with_file_name("none.db");
    assert!(matches!(
        forget_card(&elsewhere, CARD, false),
        Err(ForgetError::Open(OpenError::Missing { .. }))
    ));
}

#[tokio::test]
async fn a_session_that_never_ends_gives_its_card_up_when_told_to() {
    let world = World::new();
    let store = world.open();
    let mut running = transaction(1, TransactionState::Open);
    running.id_tag = CARD.to_owned();
    store.keep(&charger(), vec![Record::Transaction(Box::new(running.clone()))]).await.unwrap();
    store.close().await;
    forget_card(&world.path(), CARD, false).unwrap_err();
    assert_eq!(forget_card(&world.path(), CARD, true).unwrap().transactions, 1);
    let store = world.open();
    let kept = store.remembered(&charger()).await.unwrap().transactions;
    assert_eq!((kept.len(), kept[0].id_tag.as_str(), kept[0].state), (1, FORGOTTEN, TransactionState::Open));
}

#[tokio::test]
async fn while_somebody_reads_the_file_it_is_not_said_that_the_card_is_forgotten() {
    let world = World::new();
    let store = world.open();
    note_call(&store, call(1, "Authorize", &format!(r#"{{"idTag":"{CARD}"}}"#), "{}"));
    store.flush().await.unwrap();
    store.close().await;
    let reader = rusqlite::Connection::open(world.path()).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let _: i64 = reader.query_row("SELECT count(*) FROM calls", [], |row| row.get(0)).unwrap();
    let refused = forget_card(&world.path(), CARD, false).unwrap_err();
    assert!(matches!(refused, ForgetError::StillRead), "{refused}");
    drop(reader);
    forget_card(&world.path(), CARD, false).unwrap();
    assert_eq!(residues(&world), 0);
}
