//! What the security promises come to in figures: attacks that are counted, small in CI and at the promised
//! size under `cargo xtask security`.

mod guesses;
mod names;
mod oversize;
mod reconnects;
mod rogues;
mod slow;
mod storm;

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::backoffice::{Backoffice, Manner, answer_all};
use crate::charger::Charger;
use crate::sessions::call;

/// Holds a paused clock: time passes only by [`tokio::time::advance`], however long sockets take. It lets go
/// after a while, so that a test that waits in vain fails.
pub(crate) struct HeldClock(#[expect(dead_code, reason = "dropping it lets go")] mpsc::Sender<()>);

impl HeldClock {
    pub(crate) fn hold() -> HeldClock {
        let (holder, let_go) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || let_go.recv_timeout(Duration::from_secs(60)));
        HeldClock(holder)
    }
}

/// Answers everybody's calls with the time, for ever.
pub(crate) fn answer_everybody(backoffice: Backoffice) {
    tokio::spawn(async move {
        loop {
            let (_, link) = backoffice.link(Manner::Agree).await;
            if let Some(link) = link {
                tokio::spawn(answer_all(link, "{\"currentTime\":\"2026-11-22T12:00:00Z\"}"));
            }
        }
    });
}

/// Chargers that do nothing but their work.
pub(crate) struct Good {
    chargers: Vec<Charger>,
    rounds: usize,
    pub(crate) answers: usize,
}

impl Good {
    pub(crate) async fn new(gateway: SocketAddr, many: usize) -> Good {
        let mut chargers = Vec::new();
        for number in 0..many {
            let charger = Charger::dial(gateway, &format!("CP-GOOD-{number}")).await;
            assert_eq!(charger.status, 101);
            chargers.push(charger);
        }
        Good { chargers, rounds: 0, answers: 0 }
    }

    /// Each calls and is answered; how long each waited.
    pub(crate) async fn round(&mut self) -> Vec<Duration> {
        self.rounds += 1;
        let id = self.rounds.to_string();
        let asked = self.chargers.iter_mut().map(async |charger| {
            let begun = Instant::now();
            call(charger, &id, "Heartbeat", "{}").await;
            begun.elapsed()
        });
        let waited = join_all(asked).await;
        self.answers += waited.len();
        waited
    }
}

/// The time that all but one in a hundred stayed below.
pub(crate) fn p99(mut waited: Vec<Duration>) -> Duration {
    waited.sort_unstable();
    waited[waited.len() * 99 / 100]
}

/// Memory of this program that is in use, in bytes.
pub(crate) fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Memory in MiB, as people read it.
pub(crate) fn mib(bytes: usize) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
