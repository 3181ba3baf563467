//! Keys that backoffices have changed.

use engine::{BackofficeId, TraceId};
use store::{
    AdmissionOrder, AdmissionWhat, ChargerKey, ChargerKeys, KeyForm, KeyStage, LinkKey, LinkKeys, Store,
};

use crate::world::*;

const KEY: &str = "c4n4ryc4n4ryc4n4ry";

fn trace(number: u128) -> TraceId {
    TraceId(ulid::Ulid(number))
}

fn now_unix_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_millis().try_into().unwrap()
}

fn link_key(store: &Store, number: u128) -> LinkKey {
    let key = store.seal().lock(&"CP1".into(), &BackofficeId::from("volt"), "wss://h", KEY);
    LinkKey { trace: trace(number), key, form: Some(KeyForm::Bytes), is_first: number > 1, unix_ms: 7 }
}

fn of_volt(keys: Vec<LinkKey>) -> LinkKeys {
    LinkKeys { charger: "CP1".into(), backoffice: "volt".into(), keys }
}

fn charger_keys(store: &Store) -> ChargerKeys {
    let sealed = |key: &str| store.seal().close(&"CP1".into(), key);
    // In the order in which they came, whatever the clock said.
    let stages = [(1, KeyStage::Offered), (3, KeyStage::Accepted), (2, KeyStage::Used)];
    let key =
        |(number, stage)| ChargerKey { trace: trace(number), key: sealed(KEY), stage, unix_ms: 7, hours: 5 };
    ChargerKeys { keys: stages.map(key).into(), replaced: vec![sealed("former")], charger: "CP1".into() }
}

#[tokio::test]
async fn changed_keys_outlive_the_program_and_are_nowhere_in_its_files() {
    let world = World::new();
    let store = world.open();
    let (links, chargers) = (of_volt(vec![link_key(&store, 1), link_key(&store, 2)]), charger_keys(&store));
    store.keep_link_keys(of_volt(vec![link_key(&store, 9)])).await.unwrap();
    store.keep_link_keys(links.clone()).await.unwrap();
    store.keep_charger_keys(chargers.clone()).await.unwrap();
    store.close().await;
    let mut files = 0;
    for file in std::fs::read_dir(world.path().parent().unwrap()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes()));
        files += 1;
    }
    assert!(files >= 2, "{files}");

    let store = world.open();
    assert_eq!(store.link_keys().await.unwrap(), std::slice::from_ref(&links), "what was written last");
    assert_eq!(store.charger_keys().await.unwrap(), [chargers]);
    let kept = &links.keys[0].key;
    assert_eq!(store.seal().unlock(&"cp1".into(), &"volt".into(), "wss://h", kept).as_deref(), Some(KEY));
}

#[tokio::test]
async fn an_operator_has_changed_keys_forgotten_and_a_new_admission_does_too() {
    let world = World::new();
    let store = world.open();
    let mut orders = store.admission_orders();
    let order = |what| AdmissionOrder { charger: "cp1".into(), what, by: "anna".to_owned() };
    let keep = || async {
        store.keep_link_keys(of_volt(vec![link_key(&store, 1)])).await.unwrap();
        store.keep_charger_keys(charger_keys(&store)).await.unwrap();
    };
    let counts =
        || async { (store.link_keys().await.unwrap().len(), store.charger_keys().await.unwrap().len()) };
    let cases = [
        (AdmissionWhat::ForgetKeys(Some("volt".into())), (0, 1)),
        (AdmissionWhat::ForgetKeys(Some("acme".into())), (1, 1)),
        (AdmissionWhat::ForgetKeys(None), (1, 0)),
        (AdmissionWhat::Admit(None), (1, 0)),
        (AdmissionWhat::Remove, (1, 0)),
        (AdmissionWhat::AllowPlain, (1, 1)),
    ];
    for (what, left) in cases {
        keep().await;
        store.admit(order(what.clone())).await.unwrap();
        assert_eq!(counts().await, left, "{what:?}");
    }
    let (path, given) = (world.path(), order(AdmissionWhat::ForgetKeys(Some("volt".into()))));
    let from_outside = given.clone();
    std::thread::spawn(move || from_outside.give(&path).unwrap()).join().unwrap();
    assert_eq!(orders.recv().await, Some(given));
    assert_eq!(counts().await, (0, 1));
}

#[tokio::test]
async fn keys_that_were_sealed_with_a_secret_that_is_lost_are_told_until_none_is_left() {
    let world = World::new();
    let secret = store::Seal::path(&world.path());
    let order = |charger: &str, what| AdmissionOrder { charger: charger.into(), what, by: "anna".to_owned() };
    let store = world.open();
    assert_eq!(store.lost_seal(), None);
    store.close().await;
    std::fs::remove_file(&secret).unwrap();
    let store = world.open();
    assert_eq!(store.lost_seal(), None, "nothing is lost with it yet");
    let key = store.seal().close(&"CP1".into(), KEY);
    store.admit(order("CP1", AdmissionWhat::Admit(Some(key)))).await.unwrap();
    store.admit(order("CP2", AdmissionWhat::Admit(None))).await.unwrap();
    store.keep_link_keys(of_volt(vec![link_key(&store, 1)])).await.unwrap();
    store.close().await;
    let kept = std::fs::read(&secret).unwrap();
    std::fs::remove_file(&secret).unwrap();
    // Sealed at a moment before the one at which it is seen.
    while now_unix_ms()
        == rusqlite::Connection::open(world.path())
            .unwrap()
            .query_row("SELECT max(unix_ms) FROM admissions", [], |row| row.get::<_, i64>(0))
            .unwrap()
    {}
    for _ in 0..2 {
        let store = world.open();
        let lost = store.lost_seal().unwrap();
        assert_eq!((lost.of_chargers, lost.of_links), (1, 1));
        store.close().await;
    }
    let other = std::fs::read(&secret).unwrap();
    std::fs::write(&secret, kept).unwrap();
    let store = world.open();
    assert_eq!(store.lost_seal(), None, "it was put back");
    store.close().await;
    std::fs::write(&secret, other).unwrap();
    let store = world.open();
    assert!(store.lost_seal().is_some());
    store.admit(order("CP1", AdmissionWhat::Remove)).await.unwrap();
    store.admit(order("CP1", AdmissionWhat::ForgetKeys(Some("volt".into())))).await.unwrap();
    store.close().await;
    assert_eq!(world.open().lost_seal(), None, "nothing is left that was sealed with it");
}
