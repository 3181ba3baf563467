//! What durability costs the chargers: gateways with real stores on real files and real sockets, side by
//! side in one process. Bursts of charging sessions go through them in turn, so that whatever else the
//! machine does meets all of them, and what is printed are medians of the ratios of neighbouring bursts.
//!
//! CPU is that of the threads of gateway and store alone, by the scheduler's own clock; chargers and
//! backoffices run on threads of their own. It includes what follows a burst until everything of it is on
//! the disk and told to whom it can be told.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]

#[path = "durability/parties.rs"]
mod parties;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::{BackofficeId, ChargerId, Follower, Plan, Role};
use gateway::{BackofficeSettings, EntranceTerms, Gateway, LeaderSource, Metrics, Pattern, Routing, Rule};
use parties::{Backoffice, CALLS, Charger, TRANSACTION_MESSAGES, Times};
use store::Store;
use tempfile::TempDir;
use tokio::runtime::{Builder, Handle, Runtime};

/// Chargers of each variant; all of them are in the middle of a session during a burst.
const CHARGERS: usize = 8;
/// Bursts of each variant; a first one warms up and is not counted.
const BURSTS: usize = 40;
/// The threads that run the gateways.
const PROXY: &str = "proxy";
/// The beginning of the names of the store's threads.
const STORE: &str = "store-";

/// One gateway with its store, backoffices and chargers.
struct Variant {
    name: &'static str,
    store: Store,
    chargers: Vec<Charger>,
    /// Of a follower that is up.
    follower: Option<Backoffice>,
    bursts: Vec<Burst>,
    _gateway: Gateway,
    _leader: Backoffice,
    _directory: TempDir,
}

/// What one burst cost.
struct Burst {
    /// Median time to the answer of StartTransaction, MeterValues and StopTransaction, in microseconds.
    kept_us: f64,
    /// The same of Heartbeat, of which nothing is kept.
    heartbeat_us: f64,
    /// CPU for each call of a charger, in microseconds.
    cpu_us: f64,
}

/// Who follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Following {
    Nobody,
    Up,
    Down,
}

impl Variant {
    async fn begin(name: &'static str, following: Following, place: &Path, proxy: &Handle) -> Self {
        let directory = tempfile::Builder::new().prefix("ocpp-proxy-bench").tempdir_in(place).unwrap();
        let store = Store::open(&directory.path().join("bench.db"), store::Settings::default()).unwrap();
        let leader = Backoffice::start().await;
        let follower = Backoffice::start().await;
        let mut backoffices = BTreeMap::from([settings("leader", leader.address)]);
        let mut followers = Vec::new();
        if following != Following::Nobody {
            backoffices.extend([settings("follower", follower.address)]);
            followers.push(Follower::new("follower".into(), Role::Control));
        }
        // Whoever dials one that is down is refused at once.
        let follower = (following == Following::Up).then_some(follower);
        let plan = Arc::new(Plan::new("leader".into(), followers));
        let pattern = Pattern::new("*").unwrap();
        let entrance = EntranceTerms::open().into();
        let rules = vec![Rule { pattern, plan, leader_source: LeaderSource::File, entrance }];
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (started, routing) = (store.clone(), Routing { backoffices, rules });
        let gateway = proxy
            .spawn(Gateway::start(
                gateway::Settings::new(Some(any), None),
                routing,
                started,
                Metrics::new("bench"),
            ))
            .await
            .unwrap()
            .unwrap();
        let mut chargers = Vec::new();
        for number in 0..CHARGERS {
            chargers.push(Charger::connect(gateway.charger_address().unwrap(), &format!("CP{number}")).await);
        }
        let mut variant = Self {
            name,
            store,
            chargers,
            follower,
            bursts: Vec::new(),
            _gateway: gateway,
            _leader: leader,
            _directory: directory,
        };
        variant.burst().await;
        variant.bursts.clear();
        variant
    }

    /// A charging session on every charger at once, and what follows from it.
    async fn burst(&mut self) {
        let before = proxy_cpu();
        let sessions = self.chargers.drain(..).map(|mut charger| {
            tokio::spawn(async move {
                let times = charger.charge().await;
                (charger, times)
            })
        });
        let mut all = Times::default();
        for session in sessions.collect::<Vec<_>>() {
            let (charger, times) = session.await.unwrap();
            self.chargers.push(charger);
            all.add(times);
        }
        if let Some(follower) = &mut self.follower {
            follower.has_heard((CHARGERS * TRANSACTION_MESSAGES) as u64).await;
        }
        // Reading waits for whatever is to be kept, the log for nothing but this.
        self.store.recall(&ChargerId::from("CP0"), &BackofficeId::from("follower"), 0).await.unwrap();
        self.store.flush().await.unwrap();
        let cpu = proxy_cpu() - before;
        self.bursts.push(Burst {
            kept_us: median(all.kept_us),
            heartbeat_us: median(all.heartbeat_us),
            cpu_us: cpu.as_secs_f64() * 1e6 / (CHARGERS * CALLS) as f64,
        });
    }
}

fn settings(name: &str, address: SocketAddr) -> (BackofficeId, Arc<BackofficeSettings>) {
    let url = format!("ws://{address}/{{charger}}");
    (name.into(), Arc::new(BackofficeSettings::new(url)))
}

/// How long the threads of gateways and stores have been on a CPU.
fn proxy_cpu() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").expect("only Linux tells of each thread");
    let nanoseconds = threads.flatten().filter_map(|thread| {
        let name = std::fs::read_to_string(thread.path().join("comm")).ok()?;
        if name.trim_end() != PROXY && !name.starts_with(STORE) {
            return None;
        }
        // Nanoseconds on a CPU, nanoseconds waiting for one, turns (kernel: Documentation/scheduler).
        let figures = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        figures.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One figure of a burst.
type Figure = fn(&Burst) -> f64;

/// The median of the ratios of neighbouring bursts, and between what the middle half of them lies.
fn ratio(variant: &Variant, against: &Variant, figure: Figure) -> String {
    let mut ratios: Vec<f64> =
        variant.bursts.iter().zip(&against.bursts).map(|(one, other)| figure(one) / figure(other)).collect();
    ratios.sort_by(f64::total_cmp);
    let at = |part: usize| ratios[ratios.len() * part / 4];
    format!("{:.2} ({:.2} to {:.2})", at(2), at(1), at(3))
}

fn table(variants: &[Variant]) {
    const FIGURES: [(&str, Figure); 3] = [
        ("answer of a transaction message", |burst| burst.kept_us),
        ("answer of a Heartbeat", |burst| burst.heartbeat_us),
        ("CPU for a call", |burst| burst.cpu_us),
    ];
    println!("medians, in microseconds: only of this machine in this hour\n");
    println!("| | {} |", FIGURES.map(|(name, _)| name).join(" | "));
    println!("|---|---|---|---|");
    for variant in variants {
        let of = |figure: Figure| format!("{:.0}", median(variant.bursts.iter().map(figure).collect()));
        println!("| {} | {} |", variant.name, FIGURES.map(|(_, figure)| of(figure)).join(" | "));
    }
    println!("\nratios: median, and between what the middle half lies\n");
    println!("| | {} |", FIGURES.map(|(name, _)| name).join(" | "));
    println!("|---|---|---|---|");
    let named = |name: &str| variants.iter().find(|variant| variant.name == name);
    for (one, other) in [(DOWN, UP), (UP, ALONE), (DOWN, ALONE), (UP, IN_MEMORY)] {
        if let (Some(one), Some(other)) = (named(one), named(other)) {
            let ratios = FIGURES.map(|(_, figure)| ratio(one, other, figure));
            println!("| {} : {} | {} |", one.name, other.name, ratios.join(" | "));
        }
    }
}

const UP: &str = "follower up";
const DOWN: &str = "follower down";
const ALONE: &str = "leader alone";
const IN_MEMORY: &str = "follower up, no disk to wait for";

fn runtime(threads: &str) -> Runtime {
    Builder::new_multi_thread().worker_threads(2).thread_name(threads).enable_all().build().unwrap()
}

fn main() {
    let (proxy, peers) = (runtime(PROXY), runtime("peers"));
    peers.block_on(async {
        let (disk, memory) = (std::env::temp_dir(), Path::new("/dev/shm"));
        let mut variants = vec![
            Variant::begin(ALONE, Following::Nobody, &disk, proxy.handle()).await,
            Variant::begin(UP, Following::Up, &disk, proxy.handle()).await,
            Variant::begin(DOWN, Following::Down, &disk, proxy.handle()).await,
        ];
        if memory.is_dir() {
            variants.push(Variant::begin(IN_MEMORY, Following::Up, memory, proxy.handle()).await);
        }
        for round in 0..BURSTS {
            // Whoever comes first is another one each time.
            for place in 0..variants.len() {
                let turn = (round + place) % variants.len();
                variants[turn].burst().await;
            }
        }
        table(&variants);
    });
    // Sockets are cut; there is nothing to be seen off.
    proxy.shutdown_background();
    peers.shutdown_background();
}
