//! Where the demo takes place: the gateway, the backoffices, and a directory that goes with it.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use engine::{BackofficeId, Follower, Plan, Role};
use gateway::{
    BackofficeSettings, EntranceTerms, Gateway, LeaderSource, Metrics, Pattern, Routing, Rule, Settings,
};
use store::Store;

use super::backoffice::BackofficeServer;
use super::wire::Clock;

/// The charger's identity.
pub(super) const CHARGER: &str = "DEMO-1";
/// The card that everybody knows.
pub(super) const ANNA: &str = "ANNA";
/// The card that only acme knows.
pub(super) const BERT: &str = "BERT";
/// What the proxy gives sessions at the end.
const DRAIN: Duration = Duration::from_secs(3);

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) clock: Clock,
    pub(super) gateway: Gateway,
    pub(super) volt: BackofficeServer,
    pub(super) acme: BackofficeServer,
    store: Store,
    directory: Directory,
}

impl Place {
    /// Starts everything but the charger. The well-known ports are used when somebody attends and
    /// they are free.
    pub(super) async fn prepare(attended: bool) -> anyhow::Result<Self> {
        let clock = Clock::start();
        let volt = BackofficeServer::start(settings("volt", 501, &[(ANNA, "Accepted")]), clock).await?;
        let cards = [(ANNA, "Accepted"), (BERT, "Accepted")];
        let acme = BackofficeServer::start(settings("acme", 7001, &cards), clock).await?;
        let directory = Directory::create()?;
        let store = Store::open(&directory.path.join("ocpp-proxy.db"), store::Settings::default())
            .context("cannot create the demo's store")?;
        let admin = Some(address(9090, attended));
        let routing = routing(&volt, &acme, "volt", "acme")?;
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        metrics.config_reloaded(&anyhow::Ok(()));
        let settings = Settings::new(Some(address(9000, attended)), admin);
        let gateway = Gateway::start(settings, routing, store.clone(), metrics).await?;
        let place = Self { clock, gateway, volt, acme, store, directory };
        place.write_configuration("volt", "acme")?;
        Ok(place)
    }

    /// Makes another backoffice the leader, as an edit of `proxy.toml` would.
    pub(super) fn lead(&self, leader: &str, follower: &str) -> anyhow::Result<()> {
        self.gateway.apply(routing(&self.volt, &self.acme, leader, follower)?);
        self.write_configuration(leader, follower)
    }

    /// Where the charger dials.
    pub(super) fn charger_address(&self) -> SocketAddr {
        self.gateway.charger_address().expect("the demo listens without TLS")
    }

    /// Where the demo's `proxy.toml` is; it tells `ocpp-proxy logs` where the store is.
    pub(super) fn configuration(&self) -> PathBuf {
        self.directory.path.join("proxy.toml")
    }

    /// Stops everything and removes the directory.
    pub(super) async fn clear(self) {
        self.gateway.drain(DRAIN).await;
        self.store.close().await;
    }

    fn write_configuration(&self, leader: &str, follower: &str) -> anyhow::Result<()> {
        let text = format!(
            "[listen]\nchargers = \"{}\"\n{}\n[store]\npath = {:?}\n\n\
             [backoffices.volt]\nurl = \"{}\"\n\n[backoffices.acme]\nurl = \"{}\"\n\n\
             [[chargers]]\nmatch = \"*\"\nunknown_chargers = \"admit\"\nleader = \"{leader}\"\n\
             followers = [{{ backoffice = \"{follower}\", role = \"control\" }}]\n",
            self.charger_address(),
            self.gateway.admin_address().map(|admin| format!("admin = \"{admin}\"\n")).unwrap_or_default(),
            self.directory.path.join("ocpp-proxy.db"),
            url(&self.volt),
            url(&self.acme),
        );
        std::fs::write(self.configuration(), text).context("cannot write the demo's proxy.toml")
    }
}

fn settings(name: &str, first_transaction: i64, cards: &[(&str, &str)]) -> sim::BackofficeSettings {
    sim::BackofficeSettings {
        name: name.to_owned(),
        first_transaction,
        cards: cards.iter().map(|(card, status)| ((*card).to_owned(), (*status).to_owned())).collect(),
        ..sim::BackofficeSettings::default()
    }
}

/// The well-known port if it is wanted and free, any free one otherwise.
fn address(port: u16, well_known: bool) -> SocketAddr {
    let wanted = SocketAddr::from(([127, 0, 0, 1], port));
    if well_known && TcpListener::bind(wanted).is_ok() {
        wanted
    } else {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }
}

fn url(server: &BackofficeServer) -> String {
    format!("ws://{}/{{charger}}", server.address)
}

fn routing(
    volt: &BackofficeServer,
    acme: &BackofficeServer,
    leader: &str,
    follower: &str,
) -> anyhow::Result<Routing> {
    let reached = |server: &BackofficeServer| Arc::new(BackofficeSettings::new(url(server)));
    let follower = Follower::new(follower.into(), Role::Control);
    let plan = Plan::new(leader.into(), vec![follower]);
    let pattern = Pattern::new("*").context("the glob for every charger")?;
    Ok(Routing {
        backoffices: [
            (BackofficeId::from("volt"), reached(volt)),
            (BackofficeId::from("acme"), reached(acme)),
        ]
        .into(),
        rules: vec![Rule {
            pattern,
            plan: Arc::new(plan),
            leader_source: LeaderSource::File,
            entrance: Arc::new(EntranceTerms::open()),
        }],
    })
}

/// A directory that is removed when the demo ends.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
}

impl Directory {
    fn create() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("ocpp-proxy-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot create {}; is TMPDIR writable?", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's care of its temporary files.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
