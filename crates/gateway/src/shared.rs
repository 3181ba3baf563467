//! What all parts of a gateway share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use engine::{BackofficeId, ChargerId, Note};
use hyper::header::HeaderValue;
use store::{AdmissionOrder, AdmissionWhat, LeaderOrder, LeaderOverride, Store};
use tokio::sync::{Notify, broadcast};

use crate::clock::{Clock, unix_ms};
use crate::dial::Destination;
use crate::entrance::Entrance;
use crate::fleet::{Control, Fleet};
use crate::gateway::Settings;
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::overrides::Overrides;
use crate::proofs::{KeysOfLinks, Proofs};
use crate::quarantine::Quarantine;
use crate::rate::{Bucket, Paces};
use crate::served::Served;
use crate::tls::{HandshakeThreads, Listening, OwnCertificate};

/// What all parts of a gateway share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) served: ArcSwap<Served>,
    /// TLS of the chargers' listener, if there is one.
    pub(crate) listening: ArcSwapOption<Listening>,
    /// Where its handshakes are done, if there is one.
    pub(crate) handshake_threads: Option<HandshakeThreads>,
    pub(crate) certificates_replaced: Arc<Notify>,
    /// Leaders that operators have chosen.
    pub(crate) overrides: Overrides,
    /// Who is let in.
    pub(crate) entrance: Entrance,
    pub(crate) store: Store,
    /// Keys that backoffices have set for their links.
    pub(crate) keys_of_links: KeysOfLinks,
    pub(crate) metrics: Metrics,
    pub(crate) fleet: Fleet,
    pub(crate) tail: broadcast::Sender<(ChargerId, Arc<Note>)>,
    pub(crate) handshakes: Bucket,
    /// How many refused handshakes are written to the log.
    pub(crate) refusals: Bucket,
    /// How much the program's log says of chargers.
    pub(crate) journal: Journal,
    pub(crate) quarantine: Quarantine,
    /// How fast backoffices are told what they missed.
    pub(crate) paces: Paces,
    pub(crate) clock: Clock,
    pub(crate) draining: AtomicBool,
}

impl Shared {
    /// Takes in what an operator chose, which is durable already.
    pub(crate) fn leader_chosen(&self, order: LeaderOrder) {
        let LeaderOrder { charger, leader, by, reason } = order;
        let named = leader.as_ref().map_or("whom proxy.toml names", BackofficeId::as_str);
        tracing::info!(%charger, leader = named, by, reason, "an operator chose the leader");
        match leader {
            Some(leader) => {
                let chosen =
                    LeaderOverride { charger: charger.clone(), leader, by, reason, unix_ms: unix_ms() };
                self.overrides.set(chosen.clone());
                self.warn_unless_in_force(&chosen);
            }
            None => self.overrides.remove(&charger),
        }
        self.fleet.tell(&charger, Control::LeaderChosen);
    }

    /// An operator who chose a leader must not believe that it leads when it cannot.
    pub(crate) fn warn_unless_in_force(&self, chosen: &LeaderOverride) {
        let LeaderOverride { charger, leader, by, .. } = chosen;
        let Some(found) = self.served.load().plan(charger, &self.overrides) else {
            tracing::warn!(%charger, %leader, by, "the chosen leader has no effect: no rule matches the charger");
            return;
        };
        if let Err(why) = found.may_be_led_by(Some(leader)) {
            tracing::warn!(%charger, %leader, by, "the chosen leader has no effect: {why}");
        }
    }

    /// What a dial proves itself with; the header is the one that the charger sent.
    pub(crate) fn proofs(
        &self,
        charger: &ChargerId,
        backoffice: &BackofficeId,
        destination: &Destination,
        charger_sent: Option<&HeaderValue>,
    ) -> Proofs {
        let (seal, settings) = (self.store.seal(), &destination.settings);
        self.keys_of_links.proofs(&seal, settings, charger, backoffice, charger_sent)
    }

    /// Every certificate that is shown to somebody.
    pub(crate) fn own_certificates(&self) -> Vec<OwnCertificate> {
        let listening = self.listening.load();
        let shown = listening.iter().flat_map(|listening| listening.certificates.own.iter().cloned());
        shown.chain(self.served.load().client_certificates().cloned()).collect()
    }

    /// Takes in what an operator ordered about who is let in, which is durable already.
    pub(crate) fn admission_ordered(&self, order: &AdmissionOrder) {
        let AdmissionOrder { charger, what, by } = order;
        tracing::info!(%charger, what = what.label(), by, "an operator ordered who is let in");
        self.entrance.ordered(&self.store, order);
        if let AdmissionWhat::ForgetKeys(Some(backoffice)) = what {
            self.keys_of_links.forget(&self.store, charger, backoffice);
        }
        self.fleet.tell(charger, Control::RoutingChanged);
    }

    /// Whether the program is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}
