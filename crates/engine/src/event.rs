//! What happened: facts, in the past tense.

use std::sync::Arc;

use crate::{BackofficeId, Delivery, Plan, Side, Text, TraceId, TransactionRow};

/// Something that happened to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The charger's socket is open, its handshake finished. Comes again when the charger comes
    /// back within the grace, or when a newer socket of it replaced the older one (the older one
    /// is then no longer spoken of).
    ChargerArrived,
    /// The charger sent a text message.
    ChargerSaid(Text),
    /// The charger's socket is gone.
    ChargerLeft(Departure),
    /// The link to a backoffice is open and the subprotocol agreed.
    BackofficeUp(BackofficeId),
    /// A backoffice sent a text message.
    BackofficeSaid(BackofficeId, Text),
    /// The link to a backoffice is gone, or a dial failed.
    BackofficeDown(BackofficeId, Departure),
    /// `proxy.toml` says that a backoffice is reached otherwise: what failed before says nothing now.
    BackofficeMoved(BackofficeId),
    /// A ping was answered, or the peer itself pinged: it is alive.
    Ponged(Side),
    /// `proxy.toml` gives this charger other rules. The same plan again is harmless.
    PlanChanged(Arc<Plan>),
    /// The program is stopping: finish what is in flight, take on nothing new.
    DrainBegan,
    /// What was to be kept cannot be: the disk is full or failing. Nothing that waited for it was
    /// said.
    StoreFailed,
    /// What follows in a lane, as asked for by `Recall`, in the order of their numbers.
    Recalled {
        /// Whose lane.
        backoffice: BackofficeId,
        /// The next deliveries; parked ones are left out.
        deliveries: Vec<Delivery>,
        /// The transactions that these deliveries belong to.
        transactions: Vec<TransactionRow>,
        /// How many deliveries of this lane wait in all, parked ones left out.
        waiting: u64,
    },
    /// An operator had deliveries of this lane tried again or dropped.
    LaneChanged(BackofficeId),
    /// A key that was to be made durable is, or cannot be.
    KeyKept {
        /// The call that brought it.
        trace: TraceId,
        /// Whether it is durable and counts.
        is_kept: bool,
    },
    /// The moment named by [`crate::Session::poll_deadline`] has come.
    DeadlinePassed,
}

/// How a peer went away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departure {
    /// It sent a close frame, with this code if any.
    Closed(Option<u16>),
    /// The connection ended without a close frame.
    Lost,
    /// It did not take what was said to it, and the bound of what may wait was reached.
    TooSlow,
    /// It broke the rules of the WebSocket layer.
    Violated(Violation),
    /// The link could not be opened.
    Undialable(DialFailure),
}

impl Departure {
    /// A stable name, fit for a metric label.
    pub fn label(&self) -> &'static str {
        match self {
            Departure::Closed(_) => "closed",
            Departure::Lost => "lost",
            Departure::TooSlow => "too_slow",
            Departure::Violated(violation) => violation.label(),
            Departure::Undialable(failure) => failure.label(),
        }
    }
}

/// What a peer did wrong below OCPP, already answered with its close code (RFC 6455 §7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// A binary message; OCPP-J is text (OCPP-J 1.6 §4.2). Closed with 1003.
    BinaryMessage,
    /// Text that is not UTF-8. Closed with 1007.
    NotUtf8,
    /// A message over the limit. Closed with 1009.
    TooBig,
    /// A compressed frame, though compression was never agreed. Closed with 1002.
    CompressedFrame,
    /// Anything else against RFC 6455. Closed with 1002.
    WebSocketProtocol,
    /// A message that was begun and not finished in time. Closed with 1008.
    Unfinished,
}

impl Violation {
    /// A stable name, fit for a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Violation::BinaryMessage => "binary_message",
            Violation::NotUtf8 => "not_utf8",
            Violation::TooBig => "too_big",
            Violation::CompressedFrame => "rsv1_unnegotiated",
            Violation::WebSocketProtocol => "websocket_protocol",
            Violation::Unfinished => "unfinished_message",
        }
    }
}

/// Why a link could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialFailure {
    /// No address, connection refused, reset, or no route.
    Unreachable(String),
    /// Nothing came back in time.
    TimedOut,
    /// The certificate or the handshake of TLS was not acceptable; the text says why.
    Tls(String),
    /// It answered with this HTTP status, and maybe when to come again, in seconds.
    Refused {
        /// HTTP status.
        status: u16,
        /// `Retry-After`, in seconds.
        retry_after_s: Option<u32>,
    },
    /// It did not choose the OCPP version of this session (semantics F-66).
    Incompatible,
}

impl DialFailure {
    /// A stable name, fit for a metric label.
    pub fn label(&self) -> &'static str {
        match self {
            DialFailure::Unreachable(_) => "unreachable",
            DialFailure::TimedOut => "timed_out",
            DialFailure::Tls(_) => "tls_error",
            DialFailure::Refused { status: 401 | 403, .. } => "unauthorized",
            DialFailure::Refused { status: 404, .. } => "unknown_charger",
            DialFailure::Refused { .. } => "refused",
            DialFailure::Incompatible => "incompatible",
        }
    }
}
