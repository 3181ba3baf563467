//! The gateway as the program sees it: start, new rules, the live tail, drain.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use engine::{ChargerId, Note};
use ipnet::IpNet;
use store::{AdmissionOrder, LaneChange, LeaderOrder, Store, StoreError};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinHandle;

use crate::admin;
use crate::clock::Clock;
use crate::entrance::{self, Entrance};
use crate::fleet::{Control, Fleet};
use crate::journal::Journal;
use crate::limits;
use crate::listener::{self, Door};
use crate::metrics::Metrics;
use crate::overrides::Overrides;
use crate::proofs::KeysOfLinks;
use crate::quarantine::Quarantine;
use crate::rate::{Bucket, Paces};
use crate::routing::Routing;
use crate::served::Served;
use crate::shared::Shared;
use crate::tls::{self, HandshakeThreads, ListenerCertificates, Listening};
use crate::view::View;

/// Where to listen, and how much at once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where chargers dial without TLS, if anywhere; port 0 takes any free one.
    pub chargers: Option<SocketAddr>,
    /// Where they dial with TLS, if anywhere, and what they are shown there.
    pub tls: Option<(SocketAddr, ListenerCertificates)>,
    /// Networks of the fronts that pass chargers' connections on. Whoever dials from there must say in a header
    /// of the PROXY protocol, version 2, where a connection comes from; nobody else may.
    pub proxy_protocol: Vec<IpNet>,
    /// What stands before the identity in a charger's URL; begins and ends with a slash.
    pub path: String,
    /// Where `/metrics`, `/healthz` and `/readyz` are served; `None` serves them nowhere.
    pub admin: Option<SocketAddr>,
    /// Whether messages and their answers go into the message log.
    pub log_messages: bool,
    /// Chargers' handshakes answered per second once the burst is used up.
    pub handshakes_per_second: u32,
    /// Chargers' handshakes that may come at once.
    pub handshake_burst: u32,
    /// Charger connections that may be between accept and the finished handshake.
    pub half_open_handshakes: usize,
}

impl Settings {
    /// Without TLS, with the path `/ocpp/` and the default limits.
    pub fn new(chargers: Option<SocketAddr>, admin: Option<SocketAddr>) -> Self {
        Self {
            chargers,
            tls: None,
            proxy_protocol: Vec::new(),
            path: "/ocpp/".to_owned(),
            admin,
            log_messages: true,
            handshakes_per_second: limits::HANDSHAKES_PER_SECOND,
            handshake_burst: limits::HANDSHAKE_BURST,
            half_open_handshakes: limits::HALF_OPEN_HANDSHAKES,
        }
    }
}

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ({key}): {cause}; {remedy}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Its key in `proxy.toml`.
        key: &'static str,
        /// What the system said.
        cause: std::io::Error,
        /// What would do.
        remedy: &'static str,
    },
    /// The system gives no more threads.
    #[error("cannot start the threads for TLS handshakes: {0}; allow the program more tasks")]
    Threads(std::io::Error),
    /// The certificates of the chargers' listener cannot be used.
    #[error("{0}")]
    Tls(String),
    /// What operators chose cannot be read.
    #[error("what operators have chosen cannot be read from the store: {0}")]
    Choices(#[from] StoreError),
    /// The metrics have been used for another gateway.
    #[error("the store's metrics cannot be registered: {0}; give every gateway its own metrics")]
    Metrics(String),
}

/// The running gateway. Dropping it without [`Gateway::drain`] leaves the sessions running until the
/// runtime ends, but accepts no more.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    charger_address: Option<SocketAddr>,
    tls_address: Option<SocketAddr>,
    admin_address: Option<SocketAddr>,
    chargers: Vec<Task>,
    _expiry: Task,
    _ages: Task,
    _lanes: Task,
    _orders: Task,
    _admissions: Task,
    /// Serves until the gateway is gone.
    _admin: Option<Task>,
}

impl Gateway {
    /// Binds the listeners and begins to serve.
    ///
    /// # Errors
    /// Names the address that cannot be listened on, why, and what would do.
    pub async fn start(
        mut settings: Settings,
        routing: Routing,
        store: Store,
        metrics: Metrics,
    ) -> Result<Gateway, StartError> {
        tls::install_provider();
        metrics.show_store(store.clone()).map_err(|error| StartError::Metrics(error.to_string()))?;
        let plain =
            settings.chargers.map(|address| listener::bind(address, "listen.chargers")).transpose()?;
        let secure = match settings.tls.take() {
            None => None,
            Some((address, certificates)) => {
                let bound = listener::bind(address, "listen.tls.chargers")?;
                Some((bound, Arc::new(Listening::new(certificates).map_err(StartError::Tls)?)))
            }
        };
        let admin = settings.admin.map(|address| listener::bind(address, "listen.admin")).transpose()?;
        let admin_address = admin.as_ref().map(|bound| bound.address);
        let charger_address = plain.as_ref().map(|bound| bound.address);
        let tls_address = secure.as_ref().map(|(bound, _)| bound.address);
        // Before they are read, so that none is missed.
        let orders = store.leader_orders();
        let admissions = store.admission_orders();
        let overrides = Overrides::new(store.leader_overrides().await?);
        let entrance = Entrance::new(&store).await?;
        let keys_of_links = KeysOfLinks::new(store.link_keys().await?);
        let served = Served::new(routing, None, &store.seal());
        let shared = Arc::new(Shared {
            handshakes: Bucket::new(settings.handshakes_per_second, settings.handshake_burst),
            refusals: Bucket::new(limits::REFUSALS_LOGGED_PER_SECOND, limits::REFUSALS_LOGGED_AT_ONCE),
            journal: Journal::default(),
            quarantine: Quarantine::default(),
            paces: Paces::new(limits::RECALL_EVERY),
            settings,
            served: ArcSwap::from_pointee(served),
            listening: ArcSwapOption::from(secure.as_ref().map(|(_, listening)| listening.clone())),
            handshake_threads: secure
                .as_ref()
                .map(|_| HandshakeThreads::start())
                .transpose()
                .map_err(StartError::Threads)?,
            certificates_replaced: Arc::new(Notify::new()),
            overrides,
            entrance,
            store,
            keys_of_links,
            metrics,
            fleet: Fleet::default(),
            tail: broadcast::channel(limits::TAIL_NOTES).0,
            clock: Clock::start(),
            draining: AtomicBool::new(false),
        });
        let lanes =
            Task(tokio::spawn(pass_on_lane_changes(shared.store.lane_changes(), Arc::downgrade(&shared))));
        shared.overrides.all().iter().for_each(|chosen| shared.warn_unless_in_force(chosen));
        let orders = Task(tokio::spawn(take_leader_orders(orders, Arc::downgrade(&shared))));
        let admissions = Task(tokio::spawn(take_admission_orders(admissions, Arc::downgrade(&shared))));
        let serve = |listener, door| Task(tokio::spawn(listener::serve(shared.clone(), listener, door)));
        let plain = plain.map(|bound| serve(bound.listener, Door::Plain));
        let secure = secure.map(|(bound, _)| serve(bound.listener, Door::Tls));
        let chargers = plain.into_iter().chain(secure).collect();
        let expiry = Task(tokio::spawn(tls::watch(Arc::downgrade(&shared))));
        let ages = Task(tokio::spawn(entrance::age_keys(Arc::downgrade(&shared))));
        let admin = admin.map(|bound| Task(tokio::spawn(admin::serve(shared.clone(), bound.listener))));
        let path = &shared.settings.path;
        if let Some(address) = charger_address {
            tracing::info!(chargers = %address, path, "listening for chargers");
        }
        if let Some(address) = tls_address {
            tracing::info!(tls = %address, path, "listening for chargers with TLS");
        }
        if let Some(address) = admin_address {
            tracing::info!(admin = %address, "serving /metrics, /healthz and /readyz");
        }
        Ok(Gateway {
            shared,
            charger_address,
            tls_address,
            admin_address,
            chargers,
            _expiry: expiry,
            _ages: ages,
            _lanes: lanes,
            _orders: orders,
            _admissions: admissions,
            _admin: admin,
        })
    }

    /// Where chargers are listened for without TLS, if anywhere.
    pub fn charger_address(&self) -> Option<SocketAddr> {
        self.charger_address
    }

    /// Where chargers are listened for with TLS, if anywhere.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// Where the admin listener is, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Puts other rules in force: sessions whose plan differs are told, chargers that no rule
    /// matches any more are closed, links whose backoffice is reached otherwise are dialed again.
    /// What did not change stays connected.
    pub fn apply(&self, routing: Routing) {
        let served = Served::new(routing, Some(&self.shared.served.load()), &self.shared.store.seal());
        self.shared.served.store(Arc::new(served));
        self.shared.overrides.all().iter().for_each(|chosen| self.shared.warn_unless_in_force(chosen));
        self.shared.certificates_replaced.notify_one();
        self.shared.fleet.tell_all(|| Control::RoutingChanged);
    }

    /// Shows these certificates from the next connection on; those that are there stay, unless they came with one that
    /// is taken back. Without effect on a gateway that was started without TLS.
    ///
    /// # Errors
    /// Says why they cannot be used; then the former ones stay in force.
    pub fn replace_certificates(&self, certificates: ListenerCertificates) -> Result<(), String> {
        let Some(former) = self.shared.listening.load_full() else { return Ok(()) };
        if former.certificates != certificates {
            self.shared.listening.store(Some(Arc::new(Listening::new(certificates)?)));
            self.shared.certificates_replaced.notify_one();
            self.shared.fleet.tell_all(|| Control::RoutingChanged);
            tracing::info!("the certificates for chargers were replaced");
        }
        Ok(())
    }

    /// A look at what runs.
    pub fn view(&self) -> View {
        View::new(self.shared.clone())
    }

    /// The live tail: every note from now on. A listener that is too far behind loses the oldest.
    pub fn subscribe(&self) -> broadcast::Receiver<(ChargerId, Arc<Note>)> {
        self.shared.tail.subscribe()
    }

    /// Stops: accepts nothing new, lets every session finish what is in flight, and closes with 1001
    /// what is left after `deadline`.
    pub async fn drain(self, deadline: Duration) {
        self.shared.draining.store(true, Ordering::Release);
        drop(self.chargers);
        self.shared.fleet.tell_all(|| Control::Drain);
        if tokio::time::timeout(deadline, self.shared.fleet.emptied()).await.is_ok() {
            return;
        }
        tracing::warn!("the drain's deadline has passed; closing what is left");
        self.shared.fleet.tell_all(|| Control::Stop);
        // Twice the time that each socket gets, then whatever is left goes with the program.
        let _ = tokio::time::timeout(limits::FORCED_CLOSE * 2, self.shared.fleet.emptied()).await;
    }
}

/// Tells sessions that an operator had deliveries tried again or dropped.
async fn pass_on_lane_changes(mut changes: UnboundedReceiver<LaneChange>, shared: Weak<Shared>) {
    while let (Some(change), Some(shared)) = (changes.recv().await, shared.upgrade()) {
        shared.fleet.tell(&change.charger, Control::LaneChanged(change.backoffice));
    }
}

/// Takes in what operators said of leaders from another program.
async fn take_leader_orders(mut orders: UnboundedReceiver<LeaderOrder>, shared: Weak<Shared>) {
    while let (Some(order), Some(shared)) = (orders.recv().await, shared.upgrade()) {
        shared.leader_chosen(order);
    }
}

/// Takes in what operators ordered about who is let in from another program.
async fn take_admission_orders(mut orders: UnboundedReceiver<AdmissionOrder>, shared: Weak<Shared>) {
    while let (Some(order), Some(shared)) = (orders.recv().await, shared.upgrade()) {
        shared.admission_ordered(&order);
    }
}

/// A task that ends with its handle.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
