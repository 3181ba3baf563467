//! Connection storms: everybody comes at once (semantics S-40).

use std::collections::BTreeMap;

use figures::{counted, row, scaled};
use futures_util::future::join_all;

use super::{Good, HeldClock, answer_everybody};
use crate::backoffice::Backoffice;
use crate::charger::Charger;
use crate::world::{World, routing, settings};

/// Chargers that are let in at once; fewer than by default, so that a small storm is one.
const BURST: u32 = 200;

/// S6: more chargers at once than are let in in a second
#[tokio::test(start_paused = true)]
async fn figure_s06_a_storm_is_turned_away_and_those_who_are_there_go_on() {
    let _clock = HeldClock::hold();
    let backoffice = Backoffice::new().await;
    let settings = gateway::Settings { handshake_burst: BURST, ..settings() };
    let world = World::with(settings, routing(&[("volt", &backoffice.url())])).await;
    answer_everybody(backoffice);
    let (established, storm) = (50, scaled(2_000, 300));
    let mut good = Good::new(world.address, established).await;
    // Less than the places for unfinished handshakes, so that everybody is answered.
    let mut answers = BTreeMap::<u16, usize>::new();
    let mut waits = Vec::new();
    let mut inside = Vec::new();
    for wave in 0..storm / 100 {
        let names = (0..100).map(|number| format!("CP-STORM-{wave}-{number}"));
        let dials = names.map(async |name| Charger::dial(world.address, &name).await);
        let (dialed, _) = tokio::join!(join_all(dials), good.round());
        for charger in dialed {
            *answers.entry(charger.status).or_default() += 1;
            if charger.status == 503 {
                waits.push(charger.header("Retry-After").unwrap().parse::<u32>().unwrap());
            } else {
                inside.push(charger);
            }
        }
    }
    // So many may come at once, and the established ones did.
    let let_in = BURST as usize - established;
    assert_eq!(answers, BTreeMap::from([(101, let_in), (503, storm - let_in)]));
    assert!(waits.iter().all(|wait| (5..=60).contains(wait)));
    assert_eq!(good.answers, established * (storm / 100));
    row(
        "S6",
        format!("{} chargers dial within one moment of the proxy's clock", counted(storm)),
        format!(
            "{} let in, {} told to come again in {} to {} s; {} calls of {established} established chargers, all \
             answered meanwhile",
            counted(inside.len()),
            counted(waits.len()),
            waits.iter().min().unwrap(),
            waits.iter().max().unwrap(),
            counted(good.answers)
        ),
    );
}
