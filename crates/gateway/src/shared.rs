//! What all parts of a gateway share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use engine::{ChargerId, Note};
use store::Store;
use tokio::sync::broadcast;

use crate::clock::Clock;
use crate::fleet::Fleet;
use crate::gateway::Settings;
use crate::metrics::Metrics;
use crate::overrides::Overrides;
use crate::quarantine::Quarantine;
use crate::rate::{Bucket, Paces};
use crate::served::Served;

/// What all parts of a gateway share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) served: ArcSwap<Served>,
    /// Leaders that operators have chosen.
    pub(crate) overrides: Overrides,
    pub(crate) store: Store,
    pub(crate) metrics: Metrics,
    pub(crate) fleet: Fleet,
    pub(crate) tail: broadcast::Sender<(ChargerId, Arc<Note>)>,
    pub(crate) handshakes: Bucket,
    /// How many refused handshakes are written to the log.
    pub(crate) refusals: Bucket,
    pub(crate) quarantine: Quarantine,
    /// How fast backoffices are told what they missed.
    pub(crate) paces: Paces,
    pub(crate) clock: Clock,
    pub(crate) draining: AtomicBool,
}

impl Shared {
    /// Whether the program is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}
