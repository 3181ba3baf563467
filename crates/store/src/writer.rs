//! The one thread that writes, in groups.

mod group;
mod round;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use tokio::sync::watch;

use self::group::{Group, Transaction, write_records};
use self::round::Round;
use crate::counters::{Attempt, Counters, DropReason, LaneCount, Tally};
use crate::database::{self, Lock};
use crate::deliveries::arrivals::{Arrivals, Lanes};
use crate::deliveries::bounds::{Bounds, Evicted};
use crate::deliveries::orders::Watchers;
use crate::entrance::AdmissionOrder;
use crate::lead::LeaderOrder;
use crate::queue::{GROUP_ROWS, Order, Queue, Wake, settle};
use crate::room::Room;
use crate::rows;
use crate::upkeep::Upkeep;
use crate::watchers::OrderWatchers;
use crate::{Settings, StoreError};

/// Records that go into one commit.
const GROUP_ORDERS: usize = 500;
/// Rows taken between two looks at the orders: what a record waits for at most.
const CHUNK_ROWS: usize = 32;
/// A group is committed when filling it took this long.
const FILL_FOR: Duration = Duration::from_millis(10);
/// Commits begin this far apart at least: what comes meanwhile goes with the next. A record after a quiet while
/// does not wait.
const COMMITS_APART: Duration = Duration::from_millis(5);
/// While many wait they begin twice as far apart as the last one took, up to this: a page that many write in is written
/// once for more of them, and the sessions have the core meanwhile.
const COMMITS_APART_WHEN_BUSY: Duration = Duration::from_millis(25);
/// While writing fails, it is tried again this often even if nothing is to be written.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Whether writing works, for everyone to see.
pub(crate) struct Health {
    trouble: Mutex<Option<String>>,
    over: watch::Sender<bool>,
}

impl Default for Health {
    fn default() -> Self {
        Self { trouble: Mutex::default(), over: watch::Sender::new(false) }
    }
}

impl Health {
    pub(crate) fn check(&self) -> Result<(), String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone().map_or(Ok(()), Err)
    }

    /// Resolves when the writer has ended.
    pub(crate) async fn over(&self) {
        let mut over = self.over.subscribe();
        // The sender lives as long as this does.
        let _ended = over.wait_for(|over| *over).await;
    }

    fn set(&self, trouble: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.trouble.lock().unwrap_or_else(PoisonError::into_inner), trouble)
    }
}

/// What the writer shares with those who use the store.
#[derive(Clone)]
pub(crate) struct Around {
    pub(crate) queue: Arc<Queue>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) health: Arc<Health>,
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) leader_watchers: Arc<OrderWatchers<LeaderOrder>>,
    pub(crate) admission_watchers: Arc<OrderWatchers<AdmissionOrder>>,
}

pub(crate) struct Writer {
    connection: Connection,
    settings: Settings,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    health: Arc<Health>,
    watchers: Arc<Watchers>,
    leader_watchers: Arc<OrderWatchers<LeaderOrder>>,
    admission_watchers: Arc<OrderWatchers<AdmissionOrder>>,
    bounds: Bounds,
    arrivals: Arrivals,
    room: Arc<Room>,
    upkeep: Upkeep,
    round: Round,
    /// The number of the last log row.
    sequence: i64,
    /// Dropped after the connection.
    _lock: Lock,
}

/// Tells everyone when the writer ends, also when it ends by a panic.
struct Ending {
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    health: Arc<Health>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.queue.abandon(&self.counters);
        self.health.set(Some(StoreError::Closed.to_string()));
        self.health.over.send_replace(true);
    }
}

impl Writer {
    pub(crate) fn new(
        connection: Connection,
        lock: Lock,
        settings: Settings,
        bounds: Bounds,
        room: Room,
        around: Around,
    ) -> rusqlite::Result<Self> {
        let Around { queue, counters, health, watchers, leader_watchers, admission_watchers } = around;
        let sequence = connection.query_row("SELECT last FROM sequence", [], |row| row.get(0))?;
        counters.counted(LaneCount::all(&connection)?);
        let room = Arc::new(room);
        let upkeep = Upkeep::new(Instant::now(), bounds, Arc::clone(&room));
        let round = Round::new(&connection)?;
        Ok(Self {
            connection,
            settings,
            queue,
            counters,
            health,
            watchers,
            leader_watchers,
            admission_watchers,
            bounds,
            arrivals: Arrivals::default(),
            room,
            upkeep,
            round,
            sequence,
            _lock: lock,
        })
    }

    pub(crate) fn run(mut self) {
        let ending = Ending {
            queue: Arc::clone(&self.queue),
            counters: Arc::clone(&self.counters),
            health: Arc::clone(&self.health),
        };
        // When the last group began, and when the next may.
        let mut began = Instant::now();
        let mut apart = COMMITS_APART;
        loop {
            let mut until = self.upkeep.due().min(self.round.due);
            until = self.arrivals.due().unwrap_or(until).min(until);
            let failing = self.health.check().is_err();
            if failing {
                until = until.min(Instant::now() + RETRY_EVERY);
            }
            match self.queue.wait(until) {
                Wake::Work => {
                    std::thread::sleep(apart.saturating_sub(began.elapsed()));
                    began = Instant::now();
                    self.write_group();
                    apart = (2 * began.elapsed()).clamp(COMMITS_APART, COMMITS_APART_WHEN_BUSY);
                }
                Wake::Quiet if failing => self.probe(),
                Wake::Quiet => {}
                Wake::Over => break,
            }
            if self.arrivals.due().is_some_and(|due| due <= Instant::now()) {
                self.sort_arrivals();
            }
            self.look_round();
            self.tend();
        }
        self.sort_arrivals();
        if let Err(error) = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!(%error, "the write-ahead log stays beside the store");
        }
        // Closes the file and gives the lock back before anyone hears that it is over.
        drop(self);
        drop(ending);
    }

    /// Writes what waits, in one commit.
    fn write_group(&mut self) {
        let mut group = Group::default();
        let mut evicted = Evicted::default();
        let mut rows_outcome = self.fill_and_commit(&mut group, &mut evicted);
        let mut outcome = rows_outcome.clone();
        // What nobody waits for must not be the reason why a record is not durable.
        if outcome.is_err() && group.rows.total() > 0 && group.keeps > 0 {
            self.counters.failed(Attempt::Commit);
            evicted = Evicted::default();
            outcome = self.commit_records(&group, &mut evicted);
        }
        match &rows_outcome {
            Ok(()) => self.counters.wrote(group.rows, 0),
            Err(_) => self.counters.dropped_all(group.rows, DropReason::StoreFailed),
        }
        if group.crowded_out.total() > 0 {
            self.counters.dropped_all(group.crowded_out, DropReason::NoRoom);
            rows_outcome = rows_outcome.and(Err(StoreError::Full));
        }
        if outcome.is_ok() {
            self.counters.wrote(Tally::default(), group.keeps);
            self.counters.evicted(evicted);
            self.round.has_news |= group.has_deliveries;
            self.settle_arrivals(&mut group);
        } else {
            self.queue.bar(&group.orders);
        }
        if group.keeps > 0 || (group.rows.total() > 0 && outcome.is_ok()) {
            self.report(&outcome);
        } else if outcome.is_err() {
            // Only the log failed: that says nothing about records.
            self.counters.failed(Attempt::Commit);
            self.probe();
        }
        self.queue.settled(group.orders.len() + group.refused.len());
        for order in group.refused {
            order.settle(Err(StoreError::Interrupted));
        }
        let mut tidy = Vec::new();
        for order in group.orders {
            match order {
                Order::Tidy(done) => tidy.push(done),
                order => order.settle(outcome.clone()),
            }
        }
        for done in group.flushes {
            settle(done, rows_outcome.clone());
        }
        if !tidy.is_empty() {
            let outcome = self.upkeep.everything(&mut self.connection, &self.settings, &self.counters);
            self.round.has_news = true;
            self.count_lanes();
            for done in tidy {
                settle(done, outcome.clone());
            }
        }
    }

    /// Takes rows that are due from the queue until the group is full, or complete with every record that waits.
    fn fill_and_commit(&mut self, group: &mut Group, evicted: &mut Evicted) -> Result<(), StoreError> {
        let started = Instant::now();
        let mut transaction = None;
        loop {
            let (orders, rows) = self.queue.take(GROUP_ORDERS, CHUNK_ROWS);
            if orders.is_empty() && rows.is_empty() {
                break;
            }
            // Everything taken is in the group before anything can fail.
            let known = group.orders.len();
            let (orders, refused) = self.queue.admit(orders);
            group.refused.extend(refused);
            if !orders.is_empty() {
                group.lanes = self.arrivals.lanes_for(&orders);
            }
            let may_log = rows.is_empty() || transaction.is_some() || self.may_log();
            let entries = group.add(orders, rows, may_log);
            let sorts = group.orders.len() > known && !self.arrivals.is_empty();
            if transaction.is_none() && (group.keeps > 0 || sorts || !entries.is_empty()) {
                transaction = Some(Transaction::begin(&self.connection)?);
            }
            if let Some(transaction) = &transaction {
                self.write_orders(&transaction.0, &group.orders[known..], group.lanes, evicted)?;
                for (charger, entry) in entries {
                    self.sequence += 1;
                    rows::insert(&transaction.0, self.sequence, &charger, entry)?;
                }
            }
            let full = group.rows.total() >= GROUP_ROWS as u64 || started.elapsed() >= FILL_FOR;
            if full || !group.orders.is_empty() {
                break;
            }
        }
        match transaction {
            Some(transaction) => {
                if group.rows.total() > 0 {
                    let sql = "UPDATE sequence SET last = ?1";
                    transaction.0.prepare_cached(sql)?.execute(params![self.sequence])?;
                }
                transaction.commit(&self.counters)
            }
            None => Ok(()),
        }
    }

    /// Commits the records of a group again, without its rows.
    fn commit_records(&self, group: &Group, evicted: &mut Evicted) -> Result<(), StoreError> {
        let transaction = Transaction::begin(&self.connection)?;
        self.write_orders(&transaction.0, &group.orders, group.lanes, evicted)?;
        transaction.commit(&self.counters)
    }

    fn write_orders(
        &self,
        connection: &Connection,
        orders: &[Order],
        lanes: Lanes,
        evicted: &mut Evicted,
    ) -> Result<(), StoreError> {
        match lanes {
            _ if orders.is_empty() => return Ok(()),
            Lanes::Arriving => Arrivals::write(connection, orders)?,
            Lanes::Sorted => self.arrivals.sort(connection, self.bounds, evicted)?,
        }
        write_records(connection, orders, lanes, self.bounds, evicted)
    }

    /// What a group that is durable did with arrivals. While there are any, an order counts as not settled: who wants to
    /// read lanes has them sorted first.
    fn settle_arrivals(&mut self, group: &mut Group) {
        let had = !self.arrivals.is_empty();
        match group.lanes {
            _ if group.orders.is_empty() => {}
            Lanes::Arriving => self.arrivals.take(&mut group.orders),
            Lanes::Sorted => self.arrivals.are_sorted(),
        }
        match (had, !self.arrivals.is_empty()) {
            (false, true) => self.queue.holds_more(),
            (true, false) => self.queue.settled(1),
            _ => {}
        }
    }

    /// Sorts what has arrived into its lanes, in a commit of its own.
    fn sort_arrivals(&mut self) {
        if self.arrivals.is_empty() {
            return;
        }
        let mut evicted = Evicted::default();
        let outcome = Transaction::begin(&self.connection).and_then(|transaction| {
            self.arrivals.sort(&transaction.0, self.bounds, &mut evicted)?;
            transaction.commit(&self.counters)
        });
        if outcome.is_ok() {
            self.arrivals.are_sorted();
            self.counters.evicted(evicted);
            self.queue.settled(1);
            self.round.has_news = true;
        } else {
            self.arrivals.try_later();
        }
        self.report(&outcome);
    }

    /// Whether there is more room than what is kept for records.
    fn may_log(&self) -> bool {
        let ample = self.room.is_ample(&self.connection).unwrap_or_else(|error| {
            self.counters.failed(Attempt::Read);
            tracing::warn!(%error, "how much room the store has cannot be found out");
            false
        });
        if self.counters.log_paused(!ample) {
            if ample {
                tracing::info!("the message log is written again");
            } else {
                tracing::error!(
                    "the disk is nearly full: the message log is not written until there is room, so that \
                     transactions can be kept; free some space or lower log.keep_size"
                );
            }
        }
        ample
    }

    /// Tries to write while writing fails and nothing comes that would show whether it works again.
    fn probe(&self) {
        self.cut_write_ahead_log();
        let outcome = Transaction::begin(&self.connection).and_then(|transaction| {
            transaction.0.execute("UPDATE sequence SET last = ?1", params![self.sequence])?;
            transaction.commit(&self.counters)
        });
        let room = |()| match self.room.is_back(&self.connection)? {
            true => Ok(()),
            false => Err(StoreError::Full),
        };
        self.report(&outcome.and_then(room));
    }

    /// On a full disk the space of the write-ahead log may be all that is needed. Whoever reads just now
    /// is not waited for.
    fn cut_write_ahead_log(&self) {
        let without_waiting = self.connection.busy_timeout(Duration::ZERO);
        let cut = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let waiting_again = self.connection.busy_timeout(database::BUSY_FOR);
        if let Err(error) = without_waiting.and(cut).and(waiting_again) {
            tracing::debug!(%error, "the write-ahead log cannot be cut");
        }
    }

    /// Keeps the health current; a change is worth a line in the log, its repetition is not.
    fn report(&self, outcome: &Result<(), StoreError>) {
        match outcome {
            Ok(()) => {
                if let Some(trouble) = self.health.set(None) {
                    tracing::info!(%trouble, "the store can be written again");
                }
            }
            Err(error) => {
                self.counters.failed(Attempt::Commit);
                if self.health.set(Some(error.to_string())).is_none() {
                    tracing::error!(%error, "the store cannot be written");
                }
            }
        }
    }

    /// One step of upkeep, if it is due and nobody waits.
    fn tend(&mut self) {
        if self.upkeep.due() <= Instant::now() && !self.queue.has_orders() {
            // What must still be told is not to be forgotten.
            self.sort_arrivals();
            self.upkeep.step(&mut self.connection, &self.settings, &self.counters);
            self.round.has_news = true;
        }
    }
}
