//! Who is let in, and who knocks.

use store::{AdmissionOrder, AdmissionWhat, KeyForm, Knocking, Login, Store, WhyNot};

use crate::world::*;

fn order(charger: &str, what: AdmissionWhat) -> AdmissionOrder {
    AdmissionOrder { charger: charger.into(), what, by: "anna".to_owned() }
}

fn knocking(charger: &str, last_unix_ms: i64, times: u64) -> Knocking {
    let address = "10.0.0.1".to_owned();
    Knocking {
        charger: charger.into(),
        address,
        first_unix_ms: 1,
        last_unix_ms,
        times,
        sent_credentials: true,
        why: WhyNot::Unknown,
        locked_out: false,
    }
}

async fn admitted(store: &Store) -> Vec<(String, bool)> {
    let all = store.admissions().await.unwrap();
    all.into_iter().map(|one| (one.charger.to_string(), one.key.is_some())).collect()
}

#[tokio::test]
async fn admissions_outlive_the_program_and_no_key_is_in_the_file() {
    let world = World::new();
    let store = world.open();
    let key = "c4n4ryc4n4ryc4n4ry";
    let sealed = store.seal().close(&"CP1".into(), key);
    store.admit(order("CP1", AdmissionWhat::Admit(Some(sealed)))).await.unwrap();
    store.admit(order("CP2", AdmissionWhat::Admit(None))).await.unwrap();
    store.admit(order("cp2", AdmissionWhat::Remove)).await.unwrap();
    store.admit(order("CP3", AdmissionWhat::Admit(None))).await.unwrap();
    store.close().await;
    for file in std::fs::read_dir(world.path().parent().unwrap()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(key.len()).any(|part| part == key.as_bytes()));
    }

    let store = world.open();
    assert_eq!(admitted(&store).await, [("CP1".to_owned(), true), ("CP3".to_owned(), false)]);
    let kept = store.admissions().await.unwrap()[0].key.clone().unwrap();
    let found = store.seal().matches(&"cp1".into(), key.as_bytes(), &[&kept]);
    assert_eq!(found, Some((0, KeyForm::Text)));
}

#[tokio::test]
async fn orders_of_another_program_are_told_and_stand_in_the_file() {
    let world = World::new();
    let store = world.open();
    let mut orders = store.admission_orders();
    store.admit(order("CP1", AdmissionWhat::Admit(None))).await.unwrap();
    let sealed = store.seal().close(&"CP2".into(), "c4n4ry");
    let given = [order("CP2", AdmissionWhat::Admit(Some(sealed))), order("CP1", AdmissionWhat::Remove)];
    let path = world.path();
    let from_outside = given.clone();
    let giving = std::thread::spawn(move || from_outside.iter().for_each(|order| order.give(&path).unwrap()));
    for expected in given {
        assert_eq!(orders.recv().await, Some(expected), "only what came from outside is told");
    }
    giving.join().unwrap();
    assert_eq!(admitted(&store).await, [("CP2".to_owned(), true)]);
}

#[tokio::test]
async fn how_a_charger_proved_who_it_is_is_replaced_and_its_pin_can_be_lifted() {
    let world = World::new();
    let store = world.open();
    let login = |form, over_tls| {
        let network = if over_tls { "2001:db8:1:2::" } else { "10.0.0.1" }.parse().ok();
        Login { charger: "CP1".into(), form, over_tls, network }
    };
    store.logged_in(login(Some(KeyForm::Bytes), false)).await.unwrap();
    store.logged_in(login(Some(KeyForm::HexUpper), true)).await.unwrap();
    assert_eq!(store.logins().await.unwrap(), [login(Some(KeyForm::HexUpper), true)]);
    store.admit(order("CP1", AdmissionWhat::AllowPlain)).await.unwrap();
    let lifted = Login { over_tls: false, ..login(Some(KeyForm::HexUpper), true) };
    assert_eq!(store.logins().await.unwrap(), [lifted]);
    store.admit(order("CP1", AdmissionWhat::Remove)).await.unwrap();
    assert_eq!(store.logins().await.unwrap(), []);
}

#[tokio::test]
async fn who_knocks_is_remembered_up_to_a_bound_and_forgotten_when_admitted() {
    let world = World::new();
    let store = world.open();
    let _unawaited = store.knocked(knocking("CP1", 5, 1));
    store.knocked(knocking("cp1", 9, 2)).await.unwrap();
    assert_eq!(store.knocking().await.unwrap(), [knocking("CP1", 9, 2)]);
    store.admit(order("CP1", AdmissionWhat::Admit(None))).await.unwrap();
    assert_eq!(store.knocking().await.unwrap(), []);
    let mut last = None;
    for number in 0..1_010 {
        let address = format!("10.0.1.{}", number % 100);
        last = Some(store.knocked(Knocking { address, ..knocking(&format!("X{number}"), number, 1) }));
    }
    last.take().unwrap().await.unwrap();
    let all = store.knocking().await.unwrap();
    assert_eq!((all.len(), all[0].charger.as_str(), all[999].charger.as_str()), (1_000, "X1009", "X10"));
    store.admit(order("X1009", AdmissionWhat::Forget)).await.unwrap();
    assert_eq!(store.knocking().await.unwrap().len(), 999);
    for number in 0..200 {
        last = Some(store.knocked(knocking(&format!("Y{number}"), 2_000 + number, 1)));
    }
    last.unwrap().await.unwrap();
    let all = store.knocking().await.unwrap();
    let (of_one, others): (Vec<_>, Vec<_>) = all.iter().partition(|one| one.address == "10.0.0.1");
    assert_eq!((of_one.len(), others.len()), (50, 950), "one address pushes few others off the list");
}

#[tokio::test]
async fn why_a_charger_was_turned_away_outlives_the_program_until_an_operator_changes_something_or_it_came_in()
 {
    let world = World::new();
    let store = world.open();
    store.admit(order("CP1", AdmissionWhat::Admit(None))).await.unwrap();
    store.knocked(knocking("CP1", 5, 1)).await.unwrap();
    assert_eq!(store.knocking().await.unwrap(), [], "it was admitted meanwhile");
    let turned_away =
        |charger| Knocking { why: WhyNot::WrongKey, locked_out: true, ..knocking(charger, 5, 1) };
    store.knocked(turned_away("CP1")).await.unwrap();
    store.close().await;
    let store = world.open();
    assert_eq!(store.knocking().await.unwrap(), [turned_away("CP1")]);
    store.came_in("cp1".into()).await.unwrap();
    assert_eq!(store.knocking().await.unwrap(), []);
    let orders = [AdmissionWhat::ForgetKeys(None), AdmissionWhat::AllowPlain, AdmissionWhat::Remove];
    for what in orders {
        store.knocked(turned_away("CP2")).await.unwrap();
        store.admit(order("cp2", what.clone())).await.unwrap();
        assert_eq!(store.knocking().await.unwrap(), [], "{what:?}");
    }
}
