//! A gateway on free ports with a store of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::{BackofficeId, Follower, OnLeaderLost, Outage, Plan, Role};
use gateway::{
    BackofficeSettings, EntranceTerms, Gateway, LeaderSource, Metrics, Pattern, Routing, Rule, Settings,
};
use store::Store;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) address: SocketAddr,
    pub(crate) store: Store,
    directory: TempDir,
}

/// Everyone whose identity begins with `CP`, led by `volt`, followed by the others.
pub(crate) fn routing(backoffices: &[(&str, &str)]) -> Routing {
    let settings = |url: &str| BackofficeSettings::new(url.to_owned());
    let with_settings: Vec<_> = backoffices.iter().map(|(name, url)| (*name, settings(url))).collect();
    routing_with(&with_settings)
}

pub(crate) fn routing_with(backoffices: &[(&str, BackofficeSettings)]) -> Routing {
    let followers =
        backoffices.iter().skip(1).map(|(name, _)| Follower::new(BackofficeId::from(*name), Role::Control));
    let plan = Plan::new(BackofficeId::from(backoffices[0].0), followers.collect());
    let rule = Rule {
        pattern: Pattern::new("CP*").unwrap(),
        plan: Arc::new(plan),
        leader_source: LeaderSource::Portal,
        entrance: Arc::new(EntranceTerms::open()),
    };
    let backoffices: BTreeMap<_, _> = backoffices
        .iter()
        .map(|(name, settings)| (BackofficeId::from(*name), Arc::new(settings.clone())))
        .collect();
    Routing { backoffices, rules: vec![rule] }
}

/// The same rules with other words on what holds while the leader is away.
pub(crate) fn with_outage(mut routing: Routing, outage: &Outage) -> Routing {
    for rule in &mut routing.rules {
        Arc::make_mut(&mut rule.plan).outage = outage.clone();
    }
    routing
}

/// The same rules, but nobody answers in the leader's place.
pub(crate) fn mirrored(routing: Routing) -> Routing {
    let outage = Outage { on_leader_lost: OnLeaderLost::Mirror, grace: Duration::ZERO, ..Outage::default() };
    with_outage(routing, &outage)
}

pub(crate) fn settings() -> Settings {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Settings::new(Some(any), Some(any))
}

impl World {
    pub(crate) async fn new(routing: Routing) -> World {
        World::with(settings(), routing).await
    }

    pub(crate) async fn with(settings: Settings, routing: Routing) -> World {
        World::bounded(settings, routing, store::Limits::default()).await
    }

    /// With bounds of the store.
    pub(crate) async fn bounded(settings: Settings, routing: Routing, limits: store::Limits) -> World {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("test.db");
        let store = Store::open_with(&path, store::Settings::default(), limits).unwrap();
        let gateway = Gateway::start(settings, routing, store.clone(), Metrics::new("test")).await.unwrap();
        World { address: gateway.charger_address().unwrap(), gateway, store, directory }
    }

    /// The same once more, with what the store remembers.
    pub(crate) async fn restarted(self, routing: Routing) -> World {
        let World { gateway, store, directory, .. } = self;
        gateway.drain(Duration::from_secs(60)).await;
        store.close().await;
        let store = Store::open(&directory.path().join("test.db"), store::Settings::default()).unwrap();
        let gateway = Gateway::start(settings(), routing, store.clone(), Metrics::new("test")).await.unwrap();
        World { address: gateway.charger_address().unwrap(), gateway, store, directory }
    }

    /// What was written about chargers.
    pub(crate) fn log(&self) -> store::LogReader {
        store::LogReader::open(&self.database()).unwrap()
    }

    /// Where the store is.
    pub(crate) fn database(&self) -> PathBuf {
        self.directory.path().join("test.db")
    }

    /// Status line and body of a page of the admin listener.
    pub(crate) async fn page(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.gateway.admin_address().unwrap()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// The value of one series, zero when it has not been counted yet.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let (_, text) = self.page("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }
}
