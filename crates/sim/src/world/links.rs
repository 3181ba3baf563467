//! The ends of the links and what is on its way to them.

use std::collections::VecDeque;

use engine::{BackofficeId, Departure, Effect, Event, Keep, Side, Tick};

use crate::backoffice::Backoffice;

/// What the shell takes for one peer at most before it calls the peer too slow.
pub(super) const MOST_UNSENT: usize = 100;

/// One socket between the proxy and a peer.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// Counts connections, so that what belongs to an older one is recognised.
    pub(super) epoch: u64,
    /// The proxy's end is open.
    pub(super) proxy_open: bool,
    /// The peer's end is open.
    pub(super) peer_open: bool,
    /// Being dialed by the proxy.
    pub(super) dialing: bool,
    /// The peer does not read; what is sent to it piles up.
    pub(super) stalled: bool,
    /// Effects for this peer that wait for a commit, or behind one that does.
    pub(super) held: VecDeque<Held>,
    /// What the peer said and the session could not take yet.
    pub(super) unread: VecDeque<String>,
    /// What was sent and not taken while it stalls.
    pub(super) unsent: VecDeque<String>,
    /// From then on nothing that the peer sends arrives any more, and nothing that it is sent.
    pub(super) dead_to_proxy: Option<Tick>,
    pub(super) dead_to_peer: Option<Tick>,
    /// When the last text arrives that is on its way to the proxy, and to the peer.
    pub(super) to_proxy: Tick,
    pub(super) to_peer: Tick,
}

impl Link {
    /// A new connection; what belonged to the old one is gone.
    pub(super) fn open(&mut self) {
        self.close();
        self.proxy_open = true;
        self.peer_open = true;
    }

    /// Whether what the peer sends still arrives.
    pub(super) fn reaches_proxy(&self, now: Tick) -> bool {
        self.dead_to_proxy.is_none_or(|dead| now < dead)
    }

    /// Whether what the peer is sent still arrives.
    pub(super) fn reaches_peer(&self, now: Tick) -> bool {
        self.dead_to_peer.is_none_or(|dead| now < dead)
    }

    /// Both ends are closed.
    pub(super) fn close(&mut self) {
        *self =
            Link { epoch: self.epoch + 1, to_proxy: self.to_proxy, to_peer: self.to_peer, ..Link::default() };
    }

    /// The proxy's end is closed; the peer hears of it later.
    pub(super) fn close_proxy_end(&mut self) {
        self.proxy_open = false;
        self.dialing = false;
        self.held.clear();
        self.unread.clear();
        self.unsent.clear();
        self.stalled = false;
    }
}

/// What waits for a commit, or behind what does.
#[derive(Debug)]
pub(super) struct Held {
    /// The newest ticket when it was ordered.
    pub(super) after: u64,
    pub(super) effect: Effect,
}

/// Records on their way to the disk.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) ticket: u64,
    pub(super) keep: Keep,
}

/// A backoffice and the link to it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) backoffice: Backoffice,
    /// It cannot be dialed before this.
    pub(super) away_until: Tick,
    pub(super) link: Link,
}

/// Something that is going to happen.
#[derive(Debug)]
pub(super) enum Happening {
    ChargerDials,
    TextFromCharger {
        epoch: u64,
        text: String,
    },
    TextToCharger {
        epoch: u64,
        text: String,
    },
    ChargerGone {
        epoch: u64,
        departure: Departure,
    },
    ChargerHearsClose {
        epoch: u64,
    },
    ChargerPongs {
        epoch: u64,
    },
    DialEnds {
        who: BackofficeId,
        epoch: u64,
        departure: Option<Departure>,
    },
    TextFromBackoffice {
        who: BackofficeId,
        epoch: u64,
        text: String,
    },
    TextToBackoffice {
        who: BackofficeId,
        epoch: u64,
        text: String,
    },
    BackofficeGone {
        who: BackofficeId,
        epoch: u64,
        departure: Departure,
    },
    BackofficeHearsClose {
        who: BackofficeId,
        epoch: u64,
    },
    BackofficePongs {
        who: BackofficeId,
        epoch: u64,
    },
    StallEnds {
        who: BackofficeId,
    },
    Committed {
        ticket: u64,
    },
    LaneRead {
        who: BackofficeId,
        recall: u64,
        after: u64,
    },
    LaneRecalled {
        who: BackofficeId,
        recall: u64,
        recalled: Box<Event>,
    },
    ProxyStops,
    /// The peer finds out by itself that its link is dead.
    PeerNotices {
        side: Side,
        epoch: u64,
    },
    /// Somebody edits the plan just now.
    PlanEdited,
    Whim(Whim),
}

/// What goes wrong, or on, by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whim {
    Driver,
    ChargerDrops,
    ChargerTalksNonsense,
    BackofficeDrops,
    PlanChanges,
    Crash,
    Drain,
    StoreFails,
    Outage,
    SecurityEvent,
    Stall,
    /// A link breaks, each direction at its own moment.
    Break,
    /// A backoffice thinks for minutes.
    Sleep,
    /// The proxy crashes at one of the next orders to keep something.
    CrashAtKeep,
    /// The store fails for a while.
    StoreAway,
    /// One thing in the plan changes.
    PlanEdit,
    /// The same, as soon as a transaction begins or ends.
    EditInTransaction,
}
