//! How much of the program's own log peers can fill.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway::{EntranceTerms, Settings};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::backoffice::Backoffice;
use crate::charger::Charger;
use crate::figures::answer_everybody;
use crate::world::{World, routing, settings};

/// Counts the lines that are written unless somebody asks for more.
#[derive(Clone, Default)]
struct Lines(Arc<AtomicUsize>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

async fn world(terms: EntranceTerms) -> World {
    let backoffice = Backoffice::new().await;
    let mut routing = routing(&[("volt", &backoffice.url())]);
    routing.rules[0].entrance = Arc::new(terms);
    let settings = Settings { handshake_burst: 10_000, ..settings() };
    let world = World::with(settings, routing).await;
    answer_everybody(backoffice);
    world
}

#[tokio::test(start_paused = true)]
async fn strangers_write_no_more_than_a_few_lines_however_often_they_knock() {
    let _clock = crate::figures::HeldClock::hold();
    let world = world(EntranceTerms::default()).await;
    let lines = Lines::default();
    let _listening = tracing::subscriber::set_default(lines.clone());
    for number in 0..500 {
        assert_eq!(Charger::dial(world.address, &format!("CP-{number}")).await.status, 404);
        assert_eq!(Charger::dial(world.address, "..").await.status, 400);
    }
    // Twenty refusals, and twenty that knock for the first time.
    assert_eq!(lines.0.load(Ordering::Relaxed), 40);
}

#[tokio::test(start_paused = true)]
async fn a_charger_that_breaks_rules_without_end_writes_no_more_than_its_lines() {
    let _clock = crate::figures::HeldClock::hold();
    let world = world(EntranceTerms::open()).await;
    let lines = Lines::default();
    let _listening = tracing::subscriber::set_default(lines.clone());
    let mut noisy = Charger::dial(world.address, "CP-NOISY").await;
    for _ in 0..2_000 {
        noisy.send(0x81, b"this is no message of OCPP").await;
    }
    noisy.assert_served().await;
    let written = lines.0.load(Ordering::Relaxed);
    assert_eq!(written, 120);
    let left_out = world.metric("ocpp_proxy_log_lines_left_out_total").await;
    assert!(left_out >= 1_880.0, "{left_out}");
    // Others are told of as ever, and later it is said how much is missing.
    Charger::dial(world.address, "CP-QUIET").await.assert_served().await;
    assert!(lines.0.load(Ordering::Relaxed) > written);
}
