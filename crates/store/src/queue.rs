//! What waits for the writer: orders that somebody awaits, and log rows that nobody does.

use std::collections::{HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::ChargerId;
use tokio::sync::oneshot;

use crate::counters::{Counters, DropReason};
use crate::entrance::EntranceRecord;
use crate::lead::LeaderOrder;
use crate::memory::StoredRecord;
use crate::rows::LogEntry;
use crate::{Limits, StoreError};

/// Rows are committed at the latest this long after the first of them came: the more go into one commit, the fewer pages
/// are written for each.
const GROUP_FOR: Duration = Duration::from_millis(250);
/// Or as soon as so many wait.
pub(crate) const GROUP_ROWS: usize = 500;

/// Where the outcome of an order is awaited.
pub(crate) type Done = oneshot::Sender<Result<(), StoreError>>;

/// Something that somebody awaits.
pub(crate) enum Order {
    /// Make these durable, all or none.
    Keep(ChargerId, Vec<StoredRecord>, Done),
    /// Somebody begins anew with what is remembered of this charger: say when every earlier keep is
    /// settled, and refuse its records no longer.
    Begin(ChargerId, Done),
    /// Say when every earlier keep is settled.
    Settle(Done),
    /// Make durable who leads.
    Lead(Box<LeaderOrder>, Done),
    /// Remember who led since when, for people.
    Led(Box<LeaderOrder>, Done),
    /// Make durable who is let in, or who asked to be.
    Entrance(Box<EntranceRecord>, Done),
    /// Apply the retention now and say when it is done.
    Tidy(Done),
}

/// Something for the message log.
pub(crate) enum Row {
    Entry {
        charger: ChargerId,
        entry: LogEntry,
        bytes: usize,
    },
    /// Say when every earlier row is settled.
    Flush(Done),
}

/// Why the writer woke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// There is something to write.
    Work,
    /// Nothing came until the time given.
    Quiet,
    /// The store is closing and everything is written.
    Over,
}

#[derive(Default)]
struct Waiting {
    orders: VecDeque<Order>,
    rows: VecDeque<Row>,
    row_bytes: usize,
    /// When the oldest waiting row came.
    rows_since: Option<Instant>,
    /// Somebody awaits the rows.
    hurry: bool,
    closing: bool,
    /// The writer waits to be woken. Waking one that does not is a system call, too.
    is_asleep: bool,
    /// Orders taken by the writer and not settled yet, and one more while arrivals are not in their lanes.
    in_hand: usize,
    /// Chargers of whom a record could not be written. Their later records rest on it: none is written
    /// until somebody begins anew. A charger gets here only while it is served and the disk fails, so
    /// that this does not outgrow the fleet.
    barred: HashSet<String>,
    /// The same for chargers of whom a record was refused at the door.
    turned_away: HashSet<String>,
}

impl Waiting {
    /// Whether the rows are to be written, and if not yet, when; never while there are none.
    fn rows_due(&self) -> RowsDue {
        if self.hurry || self.closing || self.rows.len() >= GROUP_ROWS {
            return RowsDue::Now;
        }
        match self.rows_since.map(|since| since + GROUP_FOR) {
            Some(due) if due <= Instant::now() => RowsDue::Now,
            Some(due) => RowsDue::At(due),
            None => RowsDue::Never,
        }
    }
}

/// When rows are to be written.
enum RowsDue {
    Now,
    At(Instant),
    Never,
}

pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    limits: Limits,
}

impl Queue {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { waiting: Mutex::default(), wake: Condvar::new(), limits }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that runs under the lock leaves it half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the writer, if it waits.
    fn wake(&self, mut waiting: MutexGuard<'_, Waiting>) {
        let is_asleep = std::mem::take(&mut waiting.is_asleep);
        drop(waiting);
        if is_asleep {
            self.wake.notify_one();
        }
    }

    /// Adds an order; an order that cannot be taken is settled at once.
    pub(crate) fn order(&self, order: Order) {
        let mut waiting = self.lock();
        let refused = if waiting.closing {
            Some(StoreError::Closed)
        } else if waiting.orders.len() >= self.limits.queued_keeps {
            Some(StoreError::Overloaded)
        } else {
            match &order {
                Order::Keep(charger, ..) if waiting.turned_away.contains(&folded(charger)) => {
                    Some(StoreError::Interrupted)
                }
                _ => None,
            }
        };
        match (&order, &refused) {
            (Order::Keep(charger, ..), Some(StoreError::Overloaded)) => {
                waiting.turned_away.insert(folded(charger));
            }
            (Order::Begin(charger, _), None) => {
                waiting.turned_away.remove(&folded(charger));
            }
            _ => {}
        }
        match refused {
            None => {
                waiting.orders.push_back(order);
                self.wake(waiting);
            }
            Some(error) => {
                drop(waiting);
                order.settle(Err(error));
            }
        }
    }

    /// Whether every order so far is settled.
    pub(crate) fn is_settled(&self) -> bool {
        let waiting = self.lock();
        waiting.orders.is_empty() && waiting.in_hand == 0
    }

    /// Refuses further records of this charger: what they rest on could not even be ordered.
    pub(crate) fn turn_away(&self, charger: &ChargerId) {
        self.lock().turned_away.insert(folded(charger));
    }

    /// As [`Order::Begin`], when there is nothing to wait for; says whether that is so.
    pub(crate) fn begin_if_settled(&self, charger: &ChargerId) -> bool {
        let mut waiting = self.lock();
        let settled = waiting.orders.is_empty() && waiting.in_hand == 0 && !waiting.closing;
        if settled {
            let charger = folded(charger);
            waiting.barred.remove(&charger);
            waiting.turned_away.remove(&charger);
        }
        settled
    }

    /// Parts the orders into those that may be carried out and records of barred chargers, in the order
    /// they were given.
    pub(crate) fn admit(&self, orders: Vec<Order>) -> (Vec<Order>, Vec<Order>) {
        let mut waiting = self.lock();
        let barred = &mut waiting.barred;
        if barred.is_empty() {
            return (orders, Vec::new());
        }
        orders.into_iter().partition(|order| match order {
            Order::Keep(charger, ..) => !barred.contains(&folded(charger)),
            Order::Begin(charger, _) => {
                barred.remove(&folded(charger));
                true
            }
            Order::Lead(..) | Order::Led(..) | Order::Entrance(..) | Order::Settle(_) | Order::Tidy(_) => {
                true
            }
        })
    }

    /// These orders could not be carried out: the chargers they are about are barred, unless somebody
    /// began anew after it.
    pub(crate) fn bar(&self, orders: &[Order]) {
        let mut waiting = self.lock();
        for order in orders {
            match order {
                Order::Keep(charger, ..) => {
                    waiting.barred.insert(folded(charger));
                }
                Order::Begin(charger, _) => {
                    waiting.barred.remove(&folded(charger));
                }
                Order::Lead(..)
                | Order::Led(..)
                | Order::Entrance(..)
                | Order::Settle(_)
                | Order::Tidy(_) => {}
            }
        }
    }

    /// Adds a log row, or drops and counts it.
    pub(crate) fn note(&self, charger: &ChargerId, entry: LogEntry, counters: &Counters) {
        let bytes = entry.weight();
        let mut waiting = self.lock();
        let dropped = if waiting.closing {
            Some(DropReason::Closed)
        } else if waiting.rows.len() >= self.limits.queued_rows
            || waiting.row_bytes.saturating_add(bytes) > self.limits.queued_row_bytes
        {
            Some(DropReason::QueueFull)
        } else {
            None
        };
        if let Some(reason) = dropped {
            drop(waiting);
            counters.dropped(entry.kind(), reason);
            return;
        }
        waiting.row_bytes += bytes;
        waiting.rows.push_back(Row::Entry { charger: charger.clone(), entry, bytes });
        waiting.rows_since.get_or_insert_with(Instant::now);
        // The writer sleeps until the first row, then until the group is complete or its time is over.
        if matches!(waiting.rows.len(), 1 | GROUP_ROWS) {
            self.wake(waiting);
        }
    }

    /// Asks to be told when every row so far is written or dropped.
    pub(crate) fn flush(&self, done: Done) {
        let mut waiting = self.lock();
        if waiting.closing {
            drop(waiting);
            settle(done, Err(StoreError::Closed));
            return;
        }
        waiting.rows.push_back(Row::Flush(done));
        waiting.hurry = true;
        self.wake(waiting);
    }

    /// Lets the writer finish what waits, and refuses everything new.
    pub(crate) fn close(&self) {
        let mut waiting = self.lock();
        waiting.closing = true;
        self.wake(waiting);
    }

    /// The writer is gone: nothing that waits will ever be written.
    pub(crate) fn abandon(&self, counters: &Counters) {
        let mut waiting = self.lock();
        waiting.closing = true;
        waiting.in_hand = 0;
        waiting.row_bytes = 0;
        let orders = std::mem::take(&mut waiting.orders);
        let rows = std::mem::take(&mut waiting.rows);
        drop(waiting);
        for order in orders {
            order.settle(Err(StoreError::Closed));
        }
        for row in rows {
            match row {
                Row::Entry { entry, .. } => counters.dropped(entry.kind(), DropReason::Closed),
                Row::Flush(done) => settle(done, Err(StoreError::Closed)),
            }
        }
    }

    /// Log rows that wait.
    pub(crate) fn rows_waiting(&self) -> usize {
        self.lock().rows.len()
    }

    /// Waits for work: an order at once, rows when their group is complete or its time is over.
    pub(crate) fn wait(&self, until: Instant) -> Wake {
        let mut waiting = self.lock();
        loop {
            let idle = waiting.orders.is_empty() && waiting.rows.is_empty();
            if waiting.closing {
                return if idle { Wake::Over } else { Wake::Work };
            }
            if !waiting.orders.is_empty() {
                return Wake::Work;
            }
            let due = match waiting.rows_due() {
                RowsDue::Now => return Wake::Work,
                RowsDue::At(due) => until.min(due),
                RowsDue::Never => until,
            };
            let now = Instant::now();
            if due <= now {
                return Wake::Quiet;
            }
            waiting.is_asleep = true;
            waiting = self.wake.wait_timeout(waiting, due - now).unwrap_or_else(PoisonError::into_inner).0;
            waiting.is_asleep = false;
        }
    }

    /// Takes every order up to `orders`, and up to `rows` rows if these are due.
    pub(crate) fn take(&self, orders: usize, rows: usize) -> (Vec<Order>, Vec<Row>) {
        let mut waiting = self.lock();
        let count = waiting.orders.len().min(orders);
        let taken_orders: Vec<Order> = waiting.orders.drain(..count).collect();
        waiting.in_hand += count;
        let count = match waiting.rows_due() {
            RowsDue::Now => waiting.rows.len().min(rows),
            RowsDue::At(_) | RowsDue::Never => 0,
        };
        let taken_rows: Vec<Row> = waiting.rows.drain(..count).collect();
        for row in &taken_rows {
            if let Row::Entry { bytes, .. } = row {
                waiting.row_bytes = waiting.row_bytes.saturating_sub(*bytes);
            }
        }
        if waiting.rows.is_empty() {
            waiting.rows_since = None;
            waiting.hurry = false;
        }
        (taken_orders, taken_rows)
    }

    /// The writer has something in hand that came with orders and outlasts them.
    pub(crate) fn holds_more(&self) {
        self.lock().in_hand += 1;
    }

    /// So many orders that were taken are settled.
    pub(crate) fn settled(&self, orders: usize) {
        let mut waiting = self.lock();
        waiting.in_hand = waiting.in_hand.saturating_sub(orders);
    }

    /// Whether an order waits: upkeep then steps back.
    pub(crate) fn has_orders(&self) -> bool {
        !self.lock().orders.is_empty()
    }
}

impl Order {
    /// Tells whoever awaits it how it went.
    pub(crate) fn settle(self, outcome: Result<(), StoreError>) {
        match self {
            Order::Keep(_, _, done)
            | Order::Lead(_, done)
            | Order::Led(_, done)
            | Order::Entrance(_, done)
            | Order::Tidy(done) => {
                settle(done, outcome);
            }
            // Told how it stands, not how the others fared, unless nobody can tell.
            Order::Begin(_, done) | Order::Settle(done) => match outcome {
                Err(error @ (StoreError::Closed | StoreError::Overloaded)) => settle(done, Err(error)),
                _ => settle(done, Ok(())),
            },
        }
    }
}

/// Two spellings of an identity are one charger, as in the file.
fn folded(charger: &ChargerId) -> String {
    charger.as_str().to_ascii_lowercase()
}

/// Whoever asked may have stopped waiting; the work is done all the same.
pub(crate) fn settle(done: Done, outcome: Result<(), StoreError>) {
    let _not_awaited_any_more = done.send(outcome);
}
