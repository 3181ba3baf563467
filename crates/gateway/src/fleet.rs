//! All sessions: which task serves which charger. A task is entered when its charger first knocks
//! and leaves when it ends, whatever ended it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dashmap::DashMap;
use engine::{BackofficeId, ChargerId};
use futures_channel::mpsc;
use hyper::header::HeaderValue;
use tokio::sync::{Notify, oneshot};

use crate::shared::Shared;
use crate::socket::Socket;
use crate::subprotocol::Version;
use crate::task;
use crate::tls::Fingerprint;
use crate::view::LiveCharger;

/// What a session's task is told from outside. The channel has no room made beforehand: most tasks are told nothing
/// for days. It is unbounded, but what fills it is not: handshakes are limited and each waits for its answer; the rest
/// comes from the operator.
#[derive(Debug)]
pub(crate) enum Control {
    /// A charger asks to be let in.
    Knock(Knock),
    /// The charger that was let in has finished its handshake.
    Arrived(Box<Arrival>),
    /// An operator had deliveries of this lane tried again or dropped.
    LaneChanged(BackofficeId),
    /// There are other rules.
    RoutingChanged,
    /// An operator has chosen the leader.
    LeaderChosen,
    /// Somebody looks.
    Describe(oneshot::Sender<LiveCharger>),
    /// The program stops: finish what is in flight.
    Drain,
    /// The program stops now.
    Stop,
}

/// A handshake that waits for its answer.
#[derive(Debug)]
pub(crate) struct Knock {
    /// Where it comes from.
    pub(crate) from: IpAddr,
    /// What it can speak, the most wanted first; what we cannot speak is left out.
    pub(crate) versions: Vec<Version>,
    /// Its `Authorization` header, for the backoffice to which that is forwarded.
    pub(crate) sent: Option<HeaderValue>,
    /// Where the answer goes. Dropped unanswered when the task ends: knock again.
    pub(crate) reply: oneshot::Sender<Verdict>,
}

/// The answer to a knock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Come in; this is the version of the session.
    Welcome(Version),
    /// The leader cannot be reached, and nobody may answer in its place: better refuse than accept and
    /// then close (semantics X-3, T-69).
    LeaderDown,
    /// The leader speaks none of its versions.
    NoCommonVersion,
    /// The leader, to which the charger's own `Authorization` header is shown, does not take it for the charger.
    Unproved,
    /// Another socket of this identity is alive.
    Duplicate,
    /// No rule matches any more.
    NotServed,
    /// What was kept of this charger cannot be read.
    StoreFailed,
    /// The program is stopping.
    Stopping,
}

/// A charger's socket after its handshake.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The socket.
    pub(crate) socket: Socket,
    /// Where it comes from.
    pub(crate) from: IpAddr,
    /// Its `Authorization` header, for the backoffice to which that is forwarded.
    pub(crate) sent: Option<HeaderValue>,
    /// The certificate that it showed.
    pub(crate) certificate: Option<Fingerprint>,
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    /// By the identity in small letters: two spellings are one charger (semantics F-61).
    sessions: DashMap<String, Place>,
    /// How many of them have their charger.
    online: AtomicUsize,
    left: Notify,
}

/// Where a session is found.
#[derive(Debug)]
struct Place {
    controls: mpsc::UnboundedSender<Control>,
    is_online: Arc<AtomicBool>,
}

impl Fleet {
    /// The way to a charger's task, which is started when there is none. The task finds out how the
    /// identity is to be written.
    pub(crate) fn enter(shared: &Arc<Shared>, charger: &ChargerId) -> mpsc::UnboundedSender<Control> {
        let start = || {
            let (sender, receiver) = mpsc::unbounded();
            let is_online = Arc::new(AtomicBool::new(false));
            let (shared, as_sent) = (shared.clone(), charger.clone());
            let membership = Membership { shared, as_sent, is_online: is_online.clone() };
            tokio::spawn(task::run(membership, receiver));
            Place { controls: sender, is_online }
        };
        // The guard lives for this statement only.
        shared.fleet.sessions.entry(folded(charger)).or_insert_with(start).controls.clone()
    }

    /// Tells every session; `control` makes one message for each.
    pub(crate) fn tell_all(&self, control: impl Fn() -> Control) {
        for session in &self.sessions {
            // A task that has just ended does not need to hear it.
            let _ = session.controls.unbounded_send(control());
        }
    }

    /// Tells the session of a charger, if there is one.
    pub(crate) fn tell(&self, charger: &ChargerId, control: Control) {
        if let Some(session) = self.sessions.get(&folded(charger)) {
            // As above.
            let _ = session.controls.unbounded_send(control);
        }
    }

    /// Whether a charger is connected.
    pub(crate) fn is_online(&self, charger: &ChargerId) -> bool {
        self.sessions.get(&folded(charger)).is_some_and(|place| place.is_online.load(Ordering::Relaxed))
    }

    /// How many chargers are connected.
    pub(crate) fn online(&self) -> usize {
        self.online.load(Ordering::Relaxed)
    }

    /// Resolves when no session is left.
    pub(crate) async fn emptied(&self) {
        loop {
            let left = self.left.notified();
            if self.sessions.is_empty() {
                return;
            }
            left.await;
        }
    }
}

/// A task's place in the fleet, given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) shared: Arc<Shared>,
    /// The identity as the charger wrote it when it first knocked.
    pub(crate) as_sent: ChargerId,
    is_online: Arc<AtomicBool>,
}

impl Membership {
    /// Says whether the charger is there.
    pub(crate) fn set_online(&self, is_online: bool) {
        if self.is_online.swap(is_online, Ordering::Relaxed) == is_online {
            return;
        }
        let online = &self.shared.fleet.online;
        if is_online {
            online.fetch_add(1, Ordering::Relaxed);
        } else {
            online.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What two spellings of one identity have in common. Beyond ASCII a letter is what it is.
pub(crate) fn folded(charger: &ChargerId) -> String {
    charger.as_str().to_ascii_lowercase()
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.set_online(false);
        self.shared.fleet.sessions.remove(&folded(&self.as_sent));
        self.shared.fleet.left.notify_waiters();
    }
}
