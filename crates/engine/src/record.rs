//! What must survive a crash.

use litemap::LiteMap;
use serde::{Deserialize, Serialize};

use crate::{BackofficeId, BackofficeTransactionId, ChargerTransactionId, TraceId};

/// Something to make durable. A later record of the same key replaces the earlier one.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A transaction; the key is its `trace`.
    Transaction(Box<TransactionRow>),
    /// Anything else a session must remember.
    Fact(Fact),
    /// Something that a backoffice must still be told; the key is backoffice and number.
    Delivery(Box<Delivery>),
    /// It was told, or it never will be, knowingly: the delivery is forgotten.
    Delivered {
        /// Whose lane.
        backoffice: BackofficeId,
        /// Which delivery.
        number: u64,
    },
}

impl Record {
    /// Whether this says that the delivery in `other` was told: then neither needs to be kept, if that is not
    /// kept yet.
    pub fn is_delivered_of(&self, other: &Record) -> bool {
        matches!((self, other), (Record::Delivered { backoffice, number }, Record::Delivery(delivery))
            if delivery.number == *number && delivery.backoffice == *backoffice)
    }
}

/// What is remembered of a charger when its session begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// All that are not closed, the newest
    /// [`CLOSED_TRANSACTIONS`](crate::limits::CLOSED_TRANSACTIONS) that are, and all that the first
    /// deliveries of the lanes belong to.
    pub transactions: Vec<TransactionRow>,
    /// The charger's numbers of the newest transactions, closed or not; at most
    /// [`NUMBERS_REMEMBERED`](crate::limits::NUMBERS_REMEMBERED), oldest first.
    pub numbers: Vec<ChargerTransactionId>,
    /// All facts.
    pub facts: Vec<Fact>,
    /// The lane of every backoffice that ever had a delivery of this charger.
    pub lanes: Vec<Lane>,
}

/// What waits for one backoffice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Whose.
    pub backoffice: BackofficeId,
    /// The highest number that was ever used in this lane; none is used twice.
    pub last_number: u64,
    /// How many deliveries wait, parked ones left out.
    pub waiting: u64,
    /// By what the messages are recognised that were put among its deliveries last, at most
    /// [`TOLD_REMEMBERED`](crate::limits::TOLD_REMEMBERED), the newest last: see [`Delivery::recognised`].
    pub told: Vec<u64>,
    /// The first of them, at most [`LANE_WINDOW`](crate::limits::LANE_WINDOW), in order.
    pub first: Vec<Delivery>,
}

/// One message that a backoffice must be told, in its place in the lane (semantics §2.8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Who must be told.
    pub backoffice: BackofficeId,
    /// Its place: deliveries go in the order of their numbers.
    pub number: u64,
    /// The charger's call.
    pub trace: TraceId,
    /// OCPP's name of the message.
    pub action: String,
    /// The payload as the charger sent it.
    pub payload: String,
    /// The transaction it belongs to.
    pub transaction: Option<TraceId>,
    /// By what the message is recognised when the charger says it again, where its content alone says that it is. It
    /// is remembered with the lane, longer than the delivery (semantics T-60), and not asked for again.
    #[serde(skip)]
    pub recognised: Option<u64>,
    /// When the charger sent it; UTC, milliseconds since 1970.
    pub queued_unix_ms: i64,
    /// How often it was sent in vain.
    pub attempts: u32,
    /// Why it is not tried again by itself, if so: a stable name.
    pub parked: Option<String>,
}

/// A remembered fact: a small JSON body under a key that is unique for the charger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// For example `"reservation/1500000001"`, `"boot"`.
    pub key: String,
    /// JSON text; `None` forgets the fact.
    pub body: Option<String>,
}

/// One transaction of one charger, with the number every party uses for it (semantics §2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionRow {
    /// The trace of the StartTransaction that opened it; its key.
    pub trace: TraceId,
    /// How far it is.
    pub state: TransactionState,
    /// The number the charger uses; `None` while its StartTransaction is unanswered.
    pub charger_number: Option<ChargerTransactionId>,
    /// The connector.
    pub connector_id: i64,
    /// The card, as the charger sent it.
    pub id_tag: String,
    /// Meter value at the start, in Wh.
    pub meter_start: i64,
    /// The charger's own timestamp of the start, untouched.
    pub started_at: String,
    /// When the StartTransaction arrived; UTC, milliseconds since 1970.
    pub received_unix_ms: i64,
    /// The payload of the StartTransaction as the charger sent it.
    pub raw_start: String,
    /// The payload of the answer the charger got to it.
    pub start_answer: Option<String>,
    /// Who led when it started.
    pub leader_at_start: BackofficeId,
    /// What each backoffice knows of it. There are few of them, and many rows.
    pub peers: LiteMap<BackofficeId, PeerTransaction>,
    /// The payload of the StopTransaction as the charger sent it.
    pub raw_stop: Option<String>,
    /// When that arrived first; UTC, milliseconds since 1970.
    #[serde(default)]
    pub stop_received_unix_ms: Option<i64>,
    /// The payload of the answer the charger got to that.
    pub stop_answer: Option<String>,
    /// When it closed; UTC, milliseconds since 1970.
    pub closed_unix_ms: Option<i64>,
    /// Another transaction started on the connector before this one was stopped.
    pub superseded: bool,
    /// The charger goes on without an answer to the start: it does not ask again.
    #[serde(default)]
    pub given_up: bool,
    /// The proxy answered the start in the leader's place.
    #[serde(default)]
    pub provisional: bool,
    /// The leader refused the card when it was told late (semantics T-67); the charger is still to be
    /// told to stop.
    #[serde(default)]
    pub refused_late: bool,
    /// Who decided that the card may charge, where that was not the leader (semantics A-13).
    #[serde(default)]
    pub authoriser: Option<BackofficeId>,
    /// Who started it remotely (semantics A-30).
    #[serde(default)]
    pub remote_start_by: Option<BackofficeId>,
}

impl TransactionRow {
    /// Whether a backoffice started it, or decided about its card (semantics A-31).
    pub fn is_of(&self, backoffice: &BackofficeId) -> bool {
        self.authoriser.as_ref() == Some(backoffice) || self.remote_start_by.as_ref() == Some(backoffice)
    }

    /// Whether another backoffice than this decided about its card (semantics A-21).
    pub fn is_of_another_than(&self, backoffice: &BackofficeId) -> bool {
        self.authoriser.as_ref().is_some_and(|authoriser| authoriser != backoffice)
    }
}

/// How far a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionState {
    /// StartTransaction received, not answered yet.
    Starting,
    /// Running.
    Open,
    /// StopTransaction received, not answered yet.
    Stopping,
    /// Over.
    Closed,
}

impl TransactionState {
    /// A stable name.
    pub fn label(self) -> &'static str {
        match self {
            TransactionState::Starting => "starting",
            TransactionState::Open => "open",
            TransactionState::Stopping => "stopping",
            TransactionState::Closed => "closed",
        }
    }
}

/// What one backoffice knows of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct PeerTransaction {
    /// How far its copy of the start is.
    pub state: PeerState,
    /// The number it issued.
    pub number: Option<BackofficeTransactionId>,
    /// `idTagInfo.status` of its answer.
    pub status: Option<String>,
    /// It answered the stop as leader, or has it among its deliveries as follower.
    #[serde(default)]
    pub stop_told: bool,
}

/// How far a backoffice's copy of a StartTransaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// Waiting to be sent.
    #[default]
    Queued,
    /// Sent, not answered.
    Sent,
    /// Asked as leader, not answered. The charger asks again, whoever leads then; nothing of it waits
    /// among the deliveries.
    Asked,
    /// Answered with a number.
    Mapped,
    /// Answered without a usable number, or not at all.
    Failed,
}
