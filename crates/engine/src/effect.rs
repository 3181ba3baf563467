//! What to do: orders, in the imperative.

use crate::{BackofficeId, NewKey, Note, Record, Side, TraceId};

/// Something the shell must do, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send this text message to the charger.
    SayToCharger(String),
    /// Send this text message to a backoffice whose link is up.
    SayToBackoffice(BackofficeId, String),
    /// Send a WebSocket ping.
    Ping(Side),
    /// Open a link; the answer is `BackofficeUp` or `BackofficeDown`.
    Dial(BackofficeId),
    /// Close the socket, or give up the dial. No further event of it comes.
    HangUp(Side, Reason),
    /// Make this durable.
    Keep(Keep),
    /// Make a key durable that a backoffice sets; the answer is `KeyKept`. From then on it counts: for the link, or
    /// besides the one that the charger has.
    KeepKey(NewKey),
    /// The charger has accepted the key that this call brought.
    KeyAccepted {
        /// Who set it.
        backoffice: BackofficeId,
        /// The call.
        trace: TraceId,
        /// That backoffice hears of it, and expects the key from now on.
        is_told: bool,
    },
    /// The charger has not taken the key that this call brought, and is not going to.
    KeyRefused {
        /// Who set it.
        backoffice: BackofficeId,
        /// The call.
        trace: TraceId,
        /// The charger itself has said no; otherwise it was never sent it.
        was_sent: bool,
    },
    /// Read what follows in a backoffice's lane; the answer is `Recalled`. A later order for the same
    /// lane replaces an earlier one, which is then not answered any more.
    Recall {
        /// Whose lane.
        backoffice: BackofficeId,
        /// The deliveries with higher numbers are wanted, at most
        /// [`LANE_WINDOW`](crate::limits::LANE_WINDOW) of them.
        after: u64,
    },
    /// Best effort: the message log, metrics, the live tail. Never waited for.
    Note(Note),
}

/// Records to make durable, all of them or none.
///
/// Until they are, **nothing more is said to the peers in `before`**: neither in this batch nor in
/// later ones. What each peer is told never changes order. Nobody else waits, so that the
/// bookkeeping of a follower never delays the charger.
#[derive(Debug, Clone, PartialEq)]
pub struct Keep {
    /// What to keep.
    pub records: Vec<Record>,
    /// Who hears nothing more before it is durable.
    pub before: Vec<Side>,
    /// How soon.
    pub urgency: Urgency,
}

/// How soon records are to be kept. What is kept takes everything with it that was not kept before; only what says no
/// more than that deliveries were told leaves those behind that are on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Urgency {
    /// With whatever is kept next; nobody waits for it.
    #[default]
    WithTheNext,
    /// Within seconds, with whatever is kept before that; nobody waits for it.
    WithinSeconds,
    /// Within moments. The deliveries among the records are on their way to their backoffices already: one that is
    /// [`Delivered`](Record::Delivered) before it was kept need not be kept at all. When no delivery is left to
    /// wait for, those who wait for deliveries alone wait no longer.
    Soon,
    /// Once no delivery is on its way any more, and within moments: so that all that becomes of one message is
    /// kept together.
    AfterDeliveries,
    /// Now.
    Now,
}

/// Why the proxy closes a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The program is stopping.
    Shutdown,
    /// The leader is not there to answer.
    LeaderLost,
    /// The charger has left, and its grace is over.
    ChargerLeft,
    /// The plan no longer names this backoffice.
    NotInPlan,
    /// A newer socket of the same charger took over.
    Replaced,
    /// Nothing was heard from it for too long.
    Silent,
    /// It sent too many messages that are not OCPP-J.
    TooMuchGarbage,
    /// What must be kept cannot be: the charger is to come again later.
    StoreFailed,
    /// The same, towards a backoffice.
    ProxyFailed,
    /// The plan no longer covers this charger.
    NotServed,
    /// The backoffice has set another key: the link is opened anew with it.
    NewKey,
    /// The backoffice that alone can judge what the charger proves itself with does not take it.
    Unproved,
}

impl Reason {
    /// The close code of RFC 6455 §7.4 (semantics §1.10).
    pub fn close_code(self) -> u16 {
        match self {
            Reason::Shutdown | Reason::Silent | Reason::ChargerLeft => 1001,
            Reason::LeaderLost | Reason::StoreFailed => 1013,
            Reason::NotInPlan | Reason::NewKey => 1000,
            Reason::Replaced | Reason::NotServed | Reason::Unproved => 1008,
            Reason::TooMuchGarbage => 1002,
            Reason::ProxyFailed => 1011,
        }
    }

    /// The text of the close frame: at most 123 bytes, no identities, no secrets.
    pub fn text(self) -> &'static str {
        match self {
            Reason::Shutdown => "proxy is stopping",
            Reason::LeaderLost => "backoffice not available, try again later",
            Reason::ChargerLeft => "charger disconnected",
            Reason::NotInPlan => "no longer configured",
            Reason::Replaced => "replaced",
            Reason::Silent => "no sign of life",
            Reason::TooMuchGarbage => "too many malformed messages",
            Reason::StoreFailed => "proxy cannot store, try again later",
            Reason::ProxyFailed => "proxy cannot store",
            Reason::NotServed => "charger is not configured",
            Reason::NewKey => "coming back with the new key",
            Reason::Unproved => "credentials refused",
        }
    }

    /// A stable name, fit for a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Reason::Shutdown => "shutdown",
            Reason::LeaderLost => "leader_lost",
            Reason::ChargerLeft => "charger_left",
            Reason::NotInPlan => "not_in_plan",
            Reason::Replaced => "replaced",
            Reason::Silent => "silent",
            Reason::TooMuchGarbage => "too_much_garbage",
            Reason::StoreFailed => "store_failed",
            Reason::ProxyFailed => "proxy_failed",
            Reason::NotServed => "not_served",
            Reason::NewKey => "new_key",
            Reason::Unproved => "unproved",
        }
    }
}
