//! A proxy, three backoffices with journals and a street of chargers; and what may be killed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::bookkeeper::{Bookkeeper, now};
use super::charger::{Parked, Street};
use super::journal;
use super::support::proxy::{Proxy, rules};
use super::verdict::{Kills, Verdict};

/// How long the world may need for a fact. The proxy waits up to 5 minutes before it dials a
/// backoffice again that failed often (semantics §1.5).
const PATIENCE: Duration = Duration::from_secs(900);

/// How often a fact is looked for that nobody announces.
const LOOK: Duration = Duration::from_millis(50);

/// Who may be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// The proxy.
    Proxy,
    /// One of the backoffices; the first leads.
    Backoffice(usize),
}

/// All parties of a run.
pub struct Scene {
    proxy: Proxy,
    proxy_kills: Vec<f64>,
    backoffices: Vec<Bookkeeper>,
    street: Arc<Street>,
    chargers: Vec<Parked>,
    _folder: TempDir,
    // Ends last: the chargers run in it.
    _runtime: tokio::runtime::Runtime,
}

impl Scene {
    /// Starts everything. `on_leader_lost`: as in proxy.toml, for example `absorb`.
    pub fn set_up(chargers: u32, on_leader_lost: Option<&str>, random: &mut fastrand::Rng) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let entered = runtime.enter();
        let folder = tempfile::tempdir().unwrap();
        let named = [("volt", 1), ("acme", 100_001), ("grid", 200_001)];
        let backoffices: Vec<_> = named
            .into_iter()
            .map(|(name, first)| Bookkeeper::start(name, folder.path().join(format!("{name}.jsonl")), first))
            .collect();
        let url = |at: usize| (named[at].0, backoffices[at].url(), "");
        let mut rules = rules(url(0), &[(url(1), "control"), (url(2), "observer")]);
        if let Some(mode) = on_leader_lost {
            // A grace that outages outlast.
            let grace = if mode == "mirror" { "leader_grace = \"1s\"\n" } else { "" };
            rules += &format!("on_leader_lost = \"{mode}\"\n{grace}");
        }
        let proxy = Proxy::start(&rules);
        // About as much in all, however many there are.
        let pace = Duration::from_millis(80) * chargers;
        let street =
            Arc::new(Street::new(proxy.chargers, pace.clamp(Duration::from_secs(2), Duration::from_secs(6))));
        let chargers = (1..=chargers).map(|n| Parked::power_up(n, &street, random.fork())).collect();
        drop(entered);
        Self {
            proxy,
            proxy_kills: Vec::new(),
            backoffices,
            street,
            chargers,
            _folder: folder,
            _runtime: runtime,
        }
    }

    /// What a victim is called.
    pub fn name(&self, victim: Victim) -> &'static str {
        match victim {
            Victim::Proxy => "the proxy",
            Victim::Backoffice(at) => self.backoffices[at].name,
        }
    }

    /// Kills one of them.
    pub fn kill(&mut self, victim: Victim) {
        match victim {
            Victim::Proxy => {
                self.proxy_kills.push(now());
                self.proxy.kill();
            }
            Victim::Backoffice(at) => self.backoffices[at].kill(),
        }
    }

    /// Starts it again and waits until it listens.
    pub fn start_again(&mut self, victim: Victim) {
        match victim {
            Victim::Proxy => {
                self.proxy.start_again();
                *self.street.proxy.lock().unwrap() = self.proxy.chargers;
            }
            Victim::Backoffice(at) => self.backoffices[at].start_again(),
        }
    }

    /// How many messages were acknowledged so far that must not be lost.
    pub fn acknowledged(&self) -> usize {
        self.street.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many more are acknowledged.
    pub fn wait_acknowledged(&self, more: usize) {
        let goal = self.acknowledged() + more;
        self.wait("that many acknowledgements", || self.acknowledged() >= goal);
    }

    /// Waits until every link is open and hardly anything waits but what is just being said.
    pub fn wait_calm(&self) {
        let links = (self.chargers.len() * self.backoffices.len()) as f64;
        self.wait("every link to be open and the lanes to be short", || {
            let open = self.proxy.metric("ocpp_proxy_backoffice_connections", &[]).unwrap_or(0.0);
            let waiting = self.proxy.metric("ocpp_proxy_deliveries_waiting", &[]).unwrap_or(0.0);
            open == links && waiting <= links
        });
    }

    /// Waits until no backoffice has anything left to be told.
    fn wait_told(&self) {
        self.wait("everybody to be told everything", || {
            let waiting = self.proxy.metric("ocpp_proxy_deliveries_waiting", &[]).unwrap_or(0.0);
            waiting == 0.0 && self.deliveries().is_empty()
        });
    }

    /// The drivers leave, the queues of the chargers drain, everybody is told.
    pub fn settle(&self) {
        self.street.closing.store(true, Ordering::Relaxed);
        let is_settled = || self.chargers.iter().all(Parked::is_settled);
        self.wait("the chargers to settle", is_settled);
        self.wait_told();
        assert!(is_settled());
        let parked = self.proxy.metric("ocpp_proxy_deliveries_parked", &[]).unwrap_or(0.0);
        let dropped = self.proxy.metric("ocpp_proxy_deliveries_dropped_total", &[]).unwrap_or(0.0);
        assert_eq!((parked, dropped), (0.0, 0.0), "nothing is given up here");
    }

    /// What each backoffice has made of it.
    pub fn judge(&self) -> Vec<Verdict> {
        let held: Vec<_> = self.chargers.iter().map(|one| (&one.name, one.ledger.lock().unwrap())).collect();
        let ledgers: BTreeMap<_, _> = held.iter().map(|(name, ledger)| (name.as_str(), &**ledger)).collect();
        let verdict = |one: &Bookkeeper| {
            let kills = Kills {
                proxy: self.proxy_kills.clone(),
                backoffice: one.outages.iter().map(|(killed, _)| *killed).collect(),
                leader_outages: self.backoffices[0].outages.clone(),
            };
            Verdict::of(one.name, &ledgers, &journal::read(&one.journal), &kills)
        };
        self.backoffices.iter().map(verdict).collect()
    }

    /// What `ocpp-proxy deliveries` shows.
    fn deliveries(&self) -> String {
        let (status, output, errors) = self.proxy.command(&["deliveries", "--json"]);
        assert!(status.success(), "{errors}");
        output
    }

    fn wait(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            if Instant::now() > deadline {
                panic!("waited in vain for {what}; still to be told:\n{}", self.deliveries());
            }
            std::thread::park_timeout(LOOK);
        }
    }
}
