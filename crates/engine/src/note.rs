//! What is told to people: the message log, metrics and the live tail. Best effort.

use crate::{BackofficeId, Departure, Reason, Side, Text, TraceId};

/// Something worth knowing. Losing one costs an entry in the log, never a promise.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// A message passed. Counted, not logged.
    Frame {
        /// Whose socket.
        peer: Side,
        /// Into the proxy or out of it.
        direction: Direction,
        /// Call, result or error.
        kind: FrameKind,
        /// A name from the table of known actions, or `"other"`.
        action: &'static str,
        /// Length of the message in bytes.
        bytes: usize,
    },
    /// A call has its answer, or will never have one: a row of the message log.
    Call(Box<CallNote>),
    /// A backoffice answered the copy (or the original) of a charger's call, or failed to.
    Answer(Box<AnswerNote>),
    /// The charger is there. Starts a session, or ends an absence within the grace.
    ChargerArrived,
    /// The charger's socket ended.
    ChargerLeft {
        /// The label of a [`Departure`] or of a [`Reason`].
        reason: &'static str,
    },
    /// A link is open.
    LinkUp(BackofficeId),
    /// A link ended or could not be opened; the engine will dial again in so many milliseconds.
    LinkDown {
        /// Whose.
        backoffice: BackofficeId,
        /// What happened.
        departure: Departure,
        /// When it is dialed again, if it is.
        retry_in_ms: Option<u64>,
    },
    /// The proxy closed a socket.
    HungUp(Side, Reason),
    /// A peer did something that OCPP-J does not allow, and it was dealt with.
    ProtocolViolation {
        /// Who.
        peer: Side,
        /// A stable name, fit for a metric label.
        kind: &'static str,
    },
    /// The leader is another one from now on.
    LeaderChanged {
        /// Who led.
        from: BackofficeId,
        /// Who leads.
        to: BackofficeId,
    },
    /// Something an operator should look at.
    Alert {
        /// A stable name, fit for a metric label.
        kind: &'static str,
        /// What happened, for a person; free of secrets.
        detail: String,
    },
}

/// Into the proxy or out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The peer sent it.
    In,
    /// The proxy sent it.
    Out,
}

impl Direction {
    /// A stable name, fit for a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// The kinds of OCPP-J 1.6 frames (OCPP-J 1.6 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// CALL.
    Call,
    /// CALLRESULT.
    Result,
    /// CALLERROR.
    Error,
}

impl FrameKind {
    /// A stable name, fit for a metric label.
    pub fn label(self) -> &'static str {
        match self {
            FrameKind::Call => "call",
            FrameKind::Result => "result",
            FrameKind::Error => "error",
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// CALLRESULT with this payload.
    Result(Text),
    /// CALLERROR.
    Error {
        /// The error code.
        code: Text,
        /// The description.
        description: Text,
    },
    /// No answer; why is a stable name: `"timeout"`; `"disconnected"`; `"not_connected"` for a follower
    /// that was not asked; `"leader_timeout"`, `"leader_lost"`, `"shutdown"`, `"store_failed"` where
    /// the proxy closed the charger's socket.
    Unanswered(&'static str),
}

impl Outcome {
    /// A stable name: `"result"`, `"error"` or the reason why there is no answer.
    pub fn label(&self) -> &'static str {
        match self {
            Outcome::Result(_) => "result",
            Outcome::Error { .. } => "error",
            Outcome::Unanswered(why) => why,
        }
    }
}

/// Whose answer the originator of a call got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decider {
    /// The leader's.
    Leader(BackofficeId),
    /// A follower's verdict on a card; the row's flags name the policy that made it count.
    Follower(BackofficeId),
    /// The charger's (for commands).
    Charger,
    /// The proxy's own; the rule of semantics.md that made it, such as `"K-1"`.
    Proxy(&'static str),
    /// Nobody's: there was no answer.
    Nobody,
}

/// One row of the message log: a call and the answer that its originator got.
#[derive(Debug, Clone, PartialEq)]
pub struct CallNote {
    /// Links the answers to this row.
    pub trace: TraceId,
    /// Who called.
    pub from: Side,
    /// The action, as it was sent.
    pub action: Text,
    /// When it arrived; UTC, milliseconds since 1970.
    pub received_unix_ms: i64,
    /// The payload as it was sent; not redacted yet.
    pub payload: Text,
    /// The answer the originator got.
    pub outcome: Outcome,
    /// Whose answer it was.
    pub decider: Decider,
    /// From receipt to answer, in microseconds.
    pub latency_us: u64,
    /// Who led at that time.
    pub leader: BackofficeId,
    /// Remarks with stable names: `"json_dup_key"`, `"long_message_id"`, `"inferred"`, …; and the rules of
    /// arbitration that had a part in it: `"any_accept"`, `"composite"`, …
    pub flags: Vec<&'static str>,
}

/// What one backoffice answered to a charger's call, and how that compares.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerNote {
    /// The row it belongs to.
    pub trace: TraceId,
    /// Who answered.
    pub backoffice: BackofficeId,
    /// Whether it led when it was asked.
    pub led: bool,
    /// The action that was asked, from the table of known actions, or `"other"`.
    pub action: &'static str,
    /// Its answer.
    pub outcome: Outcome,
    /// From asking it to its answer, in microseconds.
    pub latency_us: u64,
    /// How it compares with the leader's (semantics §3.8).
    pub verdict: Verdict,
    /// Where it differs, expected noise left out.
    pub differences: Vec<Difference>,
}

/// How a follower's answer compares with the leader's (semantics §3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is the leader's own answer.
    Leader,
    /// Equal.
    Same,
    /// Only fields differ that are expected to.
    Noise,
    /// The clocks differ by more than ten seconds.
    Skew,
    /// They decided differently.
    Conflict,
    /// Both refused, for different reasons; or an artefact of a repeated copy.
    WeakConflict,
    /// The follower failed: CALLERROR, or no answer.
    FollowerError,
    /// The answer came after its time.
    Late,
    /// There is nothing to compare it with.
    NotComparable,
}

impl Verdict {
    /// A stable name, fit for a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Verdict::Leader => "leader",
            Verdict::Same => "same",
            Verdict::Noise => "noise",
            Verdict::Skew => "skew",
            Verdict::Conflict => "conflict",
            Verdict::WeakConflict => "weak_conflict",
            Verdict::FollowerError => "follower_error",
            Verdict::Late => "late",
            Verdict::NotComparable => "not_comparable",
        }
    }
}

/// One place where two answers differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// JSON pointer (RFC 6901) into the answer's payload.
    pub pointer: String,
    /// The leader's value there as JSON text; `None` when it has none.
    pub leader: Option<String>,
    /// The follower's value there as JSON text; `None` when it has none.
    pub follower: Option<String>,
}
