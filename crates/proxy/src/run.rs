//! `ocpp-proxy run`: opens the store, starts the gateway, obeys signals and follows the configuration.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use gateway::{Gateway, Metrics, Routing, Rule, SecurityProfile, UnknownChargers};
use portal::{ConfigurationError, Portal, PortalSettings, RefusedConfiguration};
use store::{Browser, Store};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use crate::logging;
use crate::reload::Reload;
use config::{Config, Entrants, Files, Fixed, Loaded};

/// How long open answers may take once the program is told to stop. What is closed after that gets two
/// seconds more: most supervisors kill after ten.
const DRAIN: Duration = Duration::from_secs(8);

/// Runs until SIGTERM or Ctrl-C.
pub(crate) fn run(path: &Path) -> anyhow::Result<()> {
    // Before any TLS is set up, so that every library uses the same cryptography.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let loaded = config::load(path);
    let config = loaded.outcome?;
    let _written_at_the_end = logging::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(path, config, loaded.files))
}

async fn serve(path: &Path, config: Config, files: Files) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let fixed = config.fixed;
    let store = Store::open(&fixed.store, store_settings(&fixed)).context("store.path")?;
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
    metrics.config_reloaded(&Ok::<(), ()>(()));
    let settings = gateway::Settings {
        path: fixed.path.clone(),
        tls: fixed.tls.zip(config.certificates),
        proxy_protocol: fixed.proxy_protocol.clone(),
        log_messages: fixed.log_messages,
        ..gateway::Settings::new(fixed.chargers, fixed.admin)
    };
    let unproved = unproved(&config.routing);
    let gateway = Gateway::start(settings, config.routing, store.clone(), metrics.clone()).await?;
    let portal = start_portal(&fixed, config.entrants, &gateway).await?;
    announce(&gateway, &fixed, &unproved);
    if let Some(portal) = &portal {
        announce_portal(portal);
    }
    warn_of(path, &config.warnings);
    let mut reload = Reload::new(path, files);
    loop {
        let loaded = tokio::select! {
            loaded = reload.changed() => loaded,
            order = signals.next() => match order {
                Order::Reload => reload.now(),
                Order::Stop => break,
            },
        };
        metrics.config_reloaded(&loaded.outcome);
        apply(path, loaded, &gateway, portal.as_ref(), &fixed);
    }
    info!("stopping: no new chargers, open answers get {} s", DRAIN.as_secs());
    tokio::select! {
        ((), ()) = async { tokio::join!(gateway.drain(DRAIN), close_portal(portal)) } => {}
        () = signals.stop() => warn!("told to stop a second time: stopping at once"),
    }
    store.close().await;
    info!("stopped");
    Ok(())
}

fn store_settings(fixed: &Fixed) -> store::Settings {
    store::Settings {
        keep_log_for: fixed.keep_log_for,
        keep_log_bytes: fixed.keep_log_bytes,
        keep_transactions_for: fixed.keep_transactions_for,
        ..store::Settings::default()
    }
}

/// The portal, if there is to be one. Its pages have readers of their own, so that they never keep a session
/// waiting.
async fn start_portal(
    fixed: &Fixed,
    entrants: Entrants,
    gateway: &Gateway,
) -> anyhow::Result<Option<Portal>> {
    let Some(listen) = fixed.portal else { return Ok(None) };
    let Entrants { users, tokens } = entrants;
    let browser = Browser::open(&fixed.store).context("store.path")?;
    let settings = PortalSettings { listen, users, tokens, store: fixed.store.clone() };
    Ok(Some(Portal::start(settings, gateway.view(), browser).await?))
}

async fn close_portal(portal: Option<Portal>) {
    if let Some(portal) = portal {
        portal.drain(DRAIN).await;
    }
}

/// Puts a configuration that was read again in force, if it is valid.
fn apply(path: &Path, loaded: Loaded, gateway: &Gateway, portal: Option<&Portal>, running: &Fixed) {
    match loaded.outcome {
        Ok(config) => {
            warn_of(path, &config.warnings);
            for what in config.fixed.differences_from(running) {
                warn!(what, "{what} changed; that takes a restart and is not in force yet");
            }
            let (rules, backoffices) = (config.routing.rules.len(), config.routing.backoffices.len());
            gateway.apply(config.routing);
            if let Some(Err(why)) = config.certificates.map(|own| gateway.replace_certificates(own)) {
                error!("the certificates for chargers stay as they were: {why}");
            }
            if let Some(portal) = portal {
                let Entrants { users, tokens } = config.entrants;
                portal.apply(users, tokens);
                portal.configuration_refused(None);
            }
            info!(rules, backoffices, "the configuration was read again and is in force");
        }
        Err(report) => {
            if let Some(portal) = portal {
                portal.configuration_refused(Some(refused(&report)));
            }
            for finding in &report.findings {
                error!(
                    at = format!("{}:{}:{}", report.file, finding.line, finding.column),
                    "{}", finding.message
                );
            }
            error!("the configuration is not valid any more: what was in force stays in force");
        }
    }
}

/// What the portal says of it.
fn refused(report: &config::Report) -> RefusedConfiguration {
    let errors = report.findings.iter().map(|finding| ConfigurationError {
        line: finding.line,
        column: finding.column,
        message: finding.message.clone(),
    });
    let unix_ms = jiff::Timestamp::now().as_millisecond();
    RefusedConfiguration { file: report.file.clone(), unix_ms, errors: errors.collect() }
}

fn warn_of(path: &Path, warnings: &[config::Finding]) {
    for warning in warnings {
        warn!(at = format!("{}:{}:{}", path.display(), warning.line, warning.column), "{}", warning.message);
    }
}

/// The rules by which whoever comes is believed.
fn unproved(routing: &Routing) -> Vec<String> {
    let is_open = |rule: &&Rule| {
        rule.entrance.unknown == UnknownChargers::Admit && rule.entrance.profile == SecurityProfile::None
    };
    routing.rules.iter().filter(is_open).map(|rule| rule.pattern.text().to_owned()).collect()
}

/// Says where to point chargers, and what is insecure.
fn announce(gateway: &Gateway, fixed: &Fixed, unproved: &[String]) {
    if let Some(address) = gateway.tls_address() {
        info!("point the chargers at {}", charger_url("wss", address, &fixed.path));
    }
    if let Some(address) = gateway.charger_address() {
        info!("point the chargers at {}", charger_url("ws", address, &fixed.path));
    }
    if let Some(address) = gateway.charger_address().filter(|address| !address.ip().is_loopback()) {
        warn!(
            "connections to {address} are not encrypted: whoever is on the way can read and change what chargers \
             say, and their keys; let only the chargers' network reach it"
        );
        for rule in unproved {
            warn!(
                rule,
                "unknown_chargers = \"admit\": whoever reaches {address} can pass for any charger that the rule \
                 matches; docs/security.md says how to close it"
            );
        }
    }
}

/// Says where the portal is and, as long as nobody can log in, prints a link that lets one person in. It goes
/// to whoever started the program, not into the log.
fn announce_portal(portal: &Portal) {
    if let Some(link) = portal.first_link() {
        eprintln!(
            "Nobody can log in to the portal yet. This link lets one person in, from this machine, within 15 \
             minutes:\n\n    {link}\n\nTo log in with a password, write [[portal.users]] into proxy.toml with what \
             `ocpp-proxy hash-password` prints."
        );
    }
}

fn charger_url(scheme: &str, address: SocketAddr, path: &str) -> String {
    let authority = if address.ip().is_unspecified() {
        format!("ADDRESS_OF_THIS_COMPUTER:{}", address.port())
    } else {
        address.to_string()
    };
    format!("{scheme}://{authority}{path}CHARGER_ID")
}

/// What a signal means.
#[derive(PartialEq, Eq)]
enum Order {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

/// The signals that mean something.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::Stop,
            _ = self.interrupt.recv() => Order::Stop,
            _ = self.reload.recv() => Order::Reload,
        }
    }

    /// Waits for an order to stop; there is nothing left to reload.
    async fn stop(&mut self) {
        while self.next().await != Order::Stop {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_for_chargers_can_be_dialed() {
        let url = |address: &str| charger_url("ws", address.parse().unwrap(), "/ocpp/");
        assert_eq!(url("127.0.0.1:9000"), "ws://127.0.0.1:9000/ocpp/CHARGER_ID");
        assert_eq!(url("[::1]:9000"), "ws://[::1]:9000/ocpp/CHARGER_ID");
        assert_eq!(url("0.0.0.0:9000"), "ws://ADDRESS_OF_THIS_COMPUTER:9000/ocpp/CHARGER_ID");
    }
}
