//! The handle that everyone holds.

mod entrance;

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use engine::{BackofficeId, ChargerId, Delivery, Memory, Record, TransactionRow};
use rusqlite::Connection;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use crate::counters::{Attempt, Counters};
use crate::database::{self, Files};
use crate::deliveries::bounds::Bounds;
use crate::deliveries::orders::{LaneChange, Watchers};
use crate::entrance::AdmissionOrder;
use crate::lead::{self, LeaderOrder, LeaderOverride};
use crate::memory::{self, Readers, StoredRecord};
use crate::queue::{Done, Order, Queue};
use crate::room::Room;
use crate::rows::LogEntry;
use crate::seal::{LostSeal, Seal};
use crate::watchers::OrderWatchers;
use crate::writer::{Around, Health, Writer};
use crate::{Figures, Limits, OpenError, Settings, StoreError, roster};

/// Threads that read, each with a connection.
const READERS: usize = 2;
/// Questions that may wait for them.
const QUESTIONS: usize = 16_384;

/// What the proxy remembers. Cheap to clone; the last clone dropped writes what waits and closes the
/// file.
#[derive(Clone)]
pub struct Store(Arc<Open>);

struct Open {
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    health: Arc<Health>,
    watchers: Arc<Watchers>,
    leader_watchers: Arc<OrderWatchers<LeaderOrder>>,
    admission_watchers: Arc<OrderWatchers<AdmissionOrder>>,
    seal: Arc<Seal>,
    lost_seal: Option<LostSeal>,
    readers: Readers,
    files: Files,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens the file, creating it on first start, and brings its schema up to date.
    ///
    /// # Errors
    /// Says what is wrong with the file or its place, and what would do.
    pub fn open(path: &Path, settings: Settings) -> Result<Store, OpenError> {
        Self::open_with(path, settings, Limits::default())
    }

    /// As [`Store::open`], with bounds of the caller's choice.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(path: &Path, settings: Settings, limits: Limits) -> Result<Store, OpenError> {
        let files = Files::new(path);
        let (connection, lock) = database::open_for_writing(path, &limits)?;
        // While nobody else may write beside the store.
        let is_new = !Seal::path(path).exists();
        let seal = Arc::new(Seal::open(path)?);
        let failed =
            |cause: &dyn fmt::Display| OpenError::Failed { path: path.to_owned(), cause: cause.to_string() };
        let lost_seal = seal.lost(&connection, is_new).map_err(|error| failed(&error))?;
        if let Some(lost) = lost_seal {
            let secret = Seal::path(path);
            tracing::error!(
                of_chargers = lost.of_chargers,
                of_links = lost.of_links,
                "the secret {} is not the one with which keys in the store were sealed: those chargers are turned away, and \
                 backoffices are shown what proxy.toml says. Stop, put it back from where the store is backed up to, and start; \
                 if it is lost, admit the chargers anew and have backoffices set their keys again",
                secret.display()
            );
        }
        let (bounds, room) = (Bounds::new(&limits), Room::new(path, &limits));
        let queue = Arc::new(Queue::new(limits));
        let watchers = Arc::new(Watchers::default());
        let leader_watchers = Arc::default();
        let admission_watchers = Arc::default();
        let counters = Arc::new(Counters::default());
        let health = Arc::new(Health::default());
        let readers = Readers::start(path, READERS, QUESTIONS)?;
        let around = Around { queue, counters, health, watchers, leader_watchers, admission_watchers };
        let writer = Writer::new(connection, lock, settings, bounds, room, around.clone())
            .map_err(|error| failed(&error))?;
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| failed(&error))?;
        let writer = Mutex::new(Some(writer));
        let Around { queue, counters, health, watchers, leader_watchers, admission_watchers } = around;
        Ok(Store(Arc::new(Open {
            queue,
            counters,
            health,
            watchers,
            leader_watchers,
            admission_watchers,
            seal,
            lost_seal,
            readers,
            files,
            writer,
        })))
    }

    /// What was kept of this charger: every fact, every transaction that is not closed, the newest 64
    /// that are, and the beginning of what every backoffice must still be told, with the transactions
    /// that it is about. Sees every record whose [`Store::keep`] was
    /// called before.
    ///
    /// Whoever asks begins anew with the answer: after a failed [`Store::keep`] of this charger, only
    /// this lets its records be kept again.
    ///
    /// # Errors
    /// When the file cannot be read. A record that cannot be understood is left out, loudly.
    pub async fn remembered(&self, charger: &ChargerId) -> Result<Memory, StoreError> {
        if !self.0.queue.begin_if_settled(charger) {
            self.settled(|done| Order::Begin(charger.clone(), done)).await?;
        }
        let charger = charger.clone();
        let counters = Arc::clone(&self.0.counters);
        self.read(move |connection| memory::remembered(connection, &charger, &counters)).await
    }

    /// What follows in a lane after a number, at most [`LANE_WINDOW`](engine::limits::LANE_WINDOW)
    /// deliveries. Sees every record whose [`Store::keep`] was called before.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn recall(
        &self,
        charger: &ChargerId,
        backoffice: &BackofficeId,
        after: u64,
    ) -> Result<Recalled, StoreError> {
        if !self.0.queue.is_settled() {
            self.settled(Order::Settle).await?;
        }
        let (charger, backoffice) = (charger.clone(), backoffice.clone());
        let counters = Arc::clone(&self.0.counters);
        self.read(move |connection| memory::recall(connection, &charger, &backoffice, after, &counters)).await
    }

    /// Resolves when every record that was to be kept before is kept or has failed. How those fared is told
    /// to those who kept them; this fails only when nobody can say.
    async fn settled(&self, order: impl FnOnce(Done) -> Order) -> Result<(), StoreError> {
        let (done, settled) = oneshot::channel();
        self.0.queue.order(order(done));
        settled.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn read<A: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<A, StoreError> + Send + 'static,
    ) -> Result<A, StoreError> {
        let read = self.0.readers.ask(question).await;
        if read.is_err() {
            self.0.counters.failed(Attempt::Read);
        }
        read
    }

    /// How this charger's identity was written when something of it was first remembered; `None` when
    /// nothing is. Capitals and small letters are equal here as everywhere in the store (semantics
    /// F-61).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn spelling(&self, charger: &ChargerId) -> Result<Option<ChargerId>, StoreError> {
        let charger = charger.clone();
        self.read(move |connection| roster::spelling(connection, &charger)).await
    }

    /// Makes records durable, all of them or none. The order is given when this is called, not when
    /// the result is first awaited: records of one charger are applied in the order of the calls.
    ///
    /// Once this has failed for a charger it fails for everything after it, with
    /// [`StoreError::Interrupted`], until [`Store::remembered`] is asked again: a later record may rest on
    /// the one that is missing.
    pub fn keep(&self, charger: &ChargerId, records: Vec<Record>) -> Kept {
        let (done, outcome) = oneshot::channel();
        match records.into_iter().map(StoredRecord::new).collect() {
            Ok(records) => self.0.queue.order(Order::Keep(charger.clone(), records, done)),
            Err(error) => {
                self.0.queue.turn_away(charger);
                crate::queue::settle(done, Err(StoreError::Failed(error.to_string())));
            }
        }
        Kept(outcome)
    }

    /// Tells from now on which lanes an operator changed from outside: their sessions must read them
    /// anew.
    pub fn lane_changes(&self) -> UnboundedReceiver<LaneChange> {
        self.0.watchers.subscribe()
    }

    /// Makes an operator's word about who leads a charger durable; `None` means whom `proxy.toml` names.
    /// Whether the charger can have this leader is for the caller to know.
    pub fn set_leader(
        &self,
        charger: &ChargerId,
        leader: Option<BackofficeId>,
        by: &str,
        reason: &str,
    ) -> Kept {
        let order =
            LeaderOrder { charger: charger.clone(), leader, by: by.to_owned(), reason: reason.to_owned() };
        let (done, outcome) = oneshot::channel();
        self.0.queue.order(Order::Lead(Box::new(order), done));
        Kept(outcome)
    }

    /// Adds to the history who leads from now on, for a change that no operator made. Never waited for.
    pub fn note_leader(&self, charger: &ChargerId, leader: &BackofficeId, by: &str, reason: &str) {
        let (charger, leader) = (charger.clone(), Some(leader.clone()));
        let order = LeaderOrder { charger, leader, by: by.to_owned(), reason: reason.to_owned() };
        self.0.queue.order(Order::Led(Box::new(order), oneshot::channel().0));
    }

    /// Every charger that is led by the word of an operator.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn leader_overrides(&self) -> Result<Vec<LeaderOverride>, StoreError> {
        self.read(lead::overrides).await
    }

    /// Tells from now on what other programs ordered about who leads; it stands in the file already.
    pub fn leader_orders(&self) -> UnboundedReceiver<LeaderOrder> {
        self.0.leader_watchers.subscribe()
    }

    /// Adds to the message log. Never waits; what does not fit is dropped and counted.
    pub fn note(&self, charger: &ChargerId, entry: LogEntry) {
        self.0.queue.note(charger, entry, &self.0.counters);
    }

    /// Resolves when every entry noted before is in the file, or is dropped and counted.
    pub fn flush(&self) -> Kept {
        let (done, outcome) = oneshot::channel();
        self.0.queue.flush(done);
        Kept(outcome)
    }

    /// Applies the retention now instead of when the writer next finds the time. Resolves when it is
    /// done.
    pub fn tidy(&self) -> Kept {
        let (done, outcome) = oneshot::channel();
        self.0.queue.order(Order::Tidy(done));
        Kept(outcome)
    }

    /// Figures for metrics. Costs a few atomic reads and a look at the sizes of two files.
    pub fn figures(&self) -> Figures {
        let waiting = self.0.queue.rows_waiting() as u64;
        self.0.counters.figures(self.0.files.size_bytes(), waiting)
    }

    /// Whether the last write succeeded. After a failure the writer tries again by itself, so that
    /// this turns good without a restart.
    ///
    /// # Errors
    /// The reason, for a person.
    pub fn is_writable(&self) -> Result<(), String> {
        self.0.health.check()
    }

    /// Writes what waits, closes the file and resolves when that is done. Other clones find the
    /// store closed.
    pub async fn close(self) {
        self.0.queue.close();
        self.0.health.over().await;
        self.0.join();
    }
}

impl Open {
    fn join(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("the writer of the store ended by a panic");
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.queue.close();
        self.join();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("files", &self.0.files).finish_non_exhaustive()
    }
}

/// What follows in a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalled {
    /// The next deliveries in the order of their numbers; parked ones are left out.
    pub deliveries: Vec<Delivery>,
    /// The transactions that these belong to.
    pub transactions: Vec<TransactionRow>,
    /// How many deliveries of this lane wait in all, parked ones left out.
    pub waiting: u64,
}

/// Resolves when it is on the disk, or cannot be. Dropping it withdraws nothing.
#[derive(Debug)]
#[must_use = "only the resolved future says that the record is durable"]
pub struct Kept(oneshot::Receiver<Result<(), StoreError>>);

impl Future for Kept {
    type Output = Result<(), StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|outcome| outcome.unwrap_or(Err(StoreError::Closed)))
    }
}
