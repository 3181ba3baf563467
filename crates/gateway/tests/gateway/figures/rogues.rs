//! S3: strangers who claim to be chargers that are there.

use std::collections::BTreeMap;

use figures::{counted, row, scaled};
use futures_util::future::join_all;
use gateway::{EntranceTerms, Secret, SecurityProfile};

use super::answer_everybody;
use crate::backoffice::Backoffice;
use crate::identities::{basic, dial, on_terms};
use crate::sessions::call;
use crate::world::{World, routing};

fn key(number: usize) -> String {
    format!("{:032x}", 0x5eed_0000 + number)
}

/// S3: dials without the right key at chargers that are there
#[tokio::test]
async fn figure_s03_no_rogue_dial_disturbs_a_live_charger() {
    let backoffice = Backoffice::new().await;
    let (live, each) = (scaled(100, 10), scaled(100, 8));
    let keys = (0..live).map(|number| (format!("CP{number}").as_str().into(), Secret::new(key(number))));
    let terms =
        EntranceTerms { profile: SecurityProfile::Basic, keys: keys.collect(), ..EntranceTerms::default() };
    let world = World::new(on_terms(routing(&[("volt", &backoffice.url())]), terms)).await;
    answer_everybody(backoffice);
    let mut chargers = Vec::new();
    for number in 0..live {
        let name = format!("CP{number}");
        let charger = dial(&world, "127.0.0.1", &name, basic(&name, key(number).as_bytes())).await;
        assert_eq!(charger.status, 101);
        chargers.push(charger);
    }

    let rogue = async |number: usize| {
        let mut statuses = Vec::new();
        for attempt in 0..each {
            let name = if attempt % 2 == 0 { format!("CP{number}") } else { format!("cp{number}") };
            let credentials = match attempt % 4 {
                0 => String::new(),
                1 => basic(&name, b"a guess"),
                // The key of another charger, and one's own name.
                2 => basic(&name, key(number + 1).as_bytes()),
                _ => basic("CP0", key(number + 1).as_bytes()),
            };
            // Also from where the charger is.
            let from = if attempt % 8 < 4 { "127.0.0.1".to_owned() } else { format!("127.9.{number}.1") };
            statuses.push(dial(&world, &from, &name, credentials).await.status);
        }
        statuses
    };
    let mut answers = BTreeMap::<u16, usize>::new();
    for status in join_all((0..live).map(rogue)).await.into_iter().flatten() {
        *answers.entry(status).or_default() += 1;
    }
    let dials: usize = answers.values().sum();
    assert_eq!(dials, live * each);
    assert_eq!(answers.get(&101), None, "{answers:?}");

    let asked = chargers.iter_mut().map(|charger| call(charger, "1", "Heartbeat", "{}"));
    let answered = join_all(asked).await.len();
    let left = world.metric("ocpp_proxy_charger_connections").await;
    let replaced = world.metric("ocpp_proxy_charger_connects_total{result=\"duplicate_replaced\"}").await;
    assert_eq!((answered, left, replaced), (live, live as f64, 0.0));
    row(
        "S3",
        format!(
            "{} dials with no key, a wrong key or another charger's at {live} live chargers",
            counted(dials)
        ),
        format!(
            "{} let in, {} of the live ones disturbed: {answered} of {live} are still served on the socket that they \
             had",
            answers.get(&101).unwrap_or(&0),
            live - answered
        ),
    );
}
