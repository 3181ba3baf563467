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
use portal::{Portal, PortalSettings};
use store::{Browser, Store};

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
    portal: Portal,
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
        let database = directory.path.join("ocpp-proxy.db");
        let store =
            Store::open(&database, store::Settings::default()).context("cannot create the demo's store")?;
        let admin = Some(address(9090, attended));
        let routing = routing(&volt, &acme, "volt", "acme")?;
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        metrics.config_reloaded(&anyhow::Ok(()));
        let settings = Settings::new(Some(address(9000, attended)), admin);
        let gateway = Gateway::start(settings, routing, store.clone(), metrics).await?;
        let browser = Browser::open(&database).context("cannot read the demo's store")?;
        let settings = PortalSettings::new(address(8080, attended), database);
        let portal = Portal::start(settings, gateway.view(), browser).await?;
        let place = Self { clock, gateway, volt, acme, portal, store, directory };
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

    /// The link that lets whoever attends into the portal, once, within 15 minutes of the start.
    pub(super) fn portal_link(&self) -> Option<String> {
        self.portal.first_link()
    }

    /// Where the demo's `proxy.toml` is; it tells `ocpp-proxy logs` where the store is.
    pub(super) fn configuration(&self) -> PathBuf {
        self.directory.path.join("proxy.toml")
    }

    /// Stops everything and removes the directory.
    pub(super) async fn clear(self) {
        tokio::join!(self.gateway.drain(DRAIN), self.portal.drain(DRAIN));
        self.store.close().await;
    }

    fn write_configuration(&self, leader: &str, follower: &str) -> anyhow::Result<()> {
        let text = format!(
            "[listen]\nchargers = \"{}\"\n{}\n[portal]\nlisten = \"{}\"\n\n[store]\npath = {:?}\n\n\
             [backoffices.volt]\nurl = \"{}\"\n\n[backoffices.acme]\nurl = \"{}\"\n\n\
             [[chargers]]\nmatch = \"*\"\nunknown_chargers = \"admit\"\nleader = \"{leader}\"\n\
             followers = [{{ backoffice = \"{follower}\", role = \"control\" }}]\n",
            self.charger_address(),
            self.gateway.admin_address().map(|admin| format!("admin = \"{admin}\"\n")).unwrap_or_default(),
            self.portal.address(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_attends_is_let_into_the_portal() {
        let place = Place::prepare(false).await.unwrap();
        let link = place.portal_link().unwrap();
        assert!(link.starts_with(&format!("http://{}/first/", place.portal.address())), "{link}");
        let configuration = std::fs::read_to_string(place.configuration()).unwrap();
        let listen = format!("[portal]\nlisten = \"{}\"", place.portal.address());
        assert!(configuration.contains(&listen), "{configuration}");
        place.clear().await;
    }
}
