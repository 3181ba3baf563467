//! What waits until a record is durable. Within one batch, what follows a `Keep` is held back; what
//! one destination is told never changes order; everything else goes at once. What was to be said may
//! be dropped, an order to hang up never: the engine believes that socket closed, nobody else will
//! close it.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll};

use engine::{Reason, Side};

use crate::limits::HELD_ORDERS;

/// Something for one peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Send this text.
    Say(String),
    /// Close its socket.
    HangUp(Reason),
}

/// The tickets of records that are not durable yet, and what waits for them. `K` is a ticket.
#[derive(Debug)]
pub(crate) struct Held<K> {
    next_ticket: u64,
    tickets: BTreeMap<u64, K>,
    /// The first ticket of the batch that is being performed.
    batch: Option<u64>,
    queues: BTreeMap<Side, VecDeque<Waiting>>,
    orders: usize,
}

#[derive(Debug)]
struct Waiting {
    /// The first and the last of the tickets that must be durable before; `None` when it only keeps
    /// its place behind others.
    behind: Option<(u64, u64)>,
    order: Order,
}

/// More waits than may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overfull;

/// What came of a ticket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settled<E> {
    /// What may go now, in order.
    pub(crate) released: Vec<(Side, Order)>,
    /// The record could not be kept; what followed it is dropped.
    pub(crate) failure: Option<E>,
}

impl<K> Default for Held<K> {
    fn default() -> Self {
        Self { next_ticket: 0, tickets: BTreeMap::new(), batch: None, queues: BTreeMap::new(), orders: 0 }
    }
}

impl<K> Held<K> {
    /// The effects of another event follow.
    pub(crate) fn begin_batch(&mut self) {
        self.batch = None;
    }

    /// Holds back what follows in this batch until the ticket resolves.
    pub(crate) fn keep(&mut self, ticket: K) {
        self.batch.get_or_insert(self.next_ticket);
        self.tickets.insert(self.next_ticket, ticket);
        self.next_ticket += 1;
    }

    /// Gives the order back when it may go at once; otherwise keeps it.
    pub(crate) fn admit(&mut self, side: &Side, order: Order) -> Result<Option<Order>, Overfull> {
        let behind = self.batch.map(|first| (first, self.next_ticket - 1));
        if behind.is_none() && !self.queues.contains_key(side) {
            return Ok(Some(order));
        }
        // A socket is hung up once: these orders are bounded by the number of sockets.
        if self.orders >= HELD_ORDERS && matches!(order, Order::Say(_)) {
            return Err(Overfull);
        }
        self.orders += 1;
        self.queues.entry(side.clone()).or_default().push_back(Waiting { behind, order });
        Ok(None)
    }

    /// Drops what waits for a peer that is gone.
    pub(crate) fn forget(&mut self, side: &Side) {
        if let Some(queue) = self.queues.remove(side) {
            self.orders -= queue.len();
        }
    }

    /// Drops everything that waits to be said. Sockets that wait to be hung up have nothing to wait
    /// for any more: they are given back.
    pub(crate) fn forget_said(&mut self) -> Vec<(Side, Order)> {
        self.orders = 0;
        let queues = std::mem::take(&mut self.queues).into_iter();
        let orders =
            queues.flat_map(|(side, queue)| queue.into_iter().map(move |one| (side.clone(), one.order)));
        orders.filter(|(_, order)| matches!(order, Order::HangUp(_))).collect()
    }

    /// Whether nothing is left to become durable.
    pub(crate) fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    fn release(&mut self) -> Vec<(Side, Order)> {
        let mut released = Vec::new();
        let tickets = &self.tickets;
        self.queues.retain(|side, queue| {
            let waits = |waiting: &Waiting| {
                waiting.behind.is_some_and(|(first, last)| tickets.range(first..=last).next().is_some())
            };
            let free = queue.iter().take_while(|waiting| !waits(waiting)).count();
            released.extend(queue.drain(..free).map(|waiting| (side.clone(), waiting.order)));
            !queue.is_empty()
        });
        self.orders -= released.len();
        released
    }

    fn drop_behind(&mut self, ticket: u64) {
        let mut kept = 0;
        for queue in self.queues.values_mut() {
            queue.retain(|waiting| {
                matches!(waiting.order, Order::HangUp(_))
                    || !waiting.behind.is_some_and(|(first, last)| (first..=last).contains(&ticket))
            });
            kept += queue.len();
        }
        self.orders = kept;
    }
}

impl<K, E> Held<K>
where
    K: Future<Output = Result<(), E>> + Unpin,
{
    /// Ready when a ticket has resolved.
    pub(crate) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Settled<E>> {
        let resolved = self.tickets.iter_mut().find_map(|(number, ticket)| match Pin::new(ticket).poll(cx) {
            Poll::Ready(outcome) => Some((*number, outcome)),
            Poll::Pending => None,
        });
        let Some((number, outcome)) = resolved else { return Poll::Pending };
        self.tickets.remove(&number);
        if outcome.is_err() {
            self.drop_behind(number);
        }
        Poll::Ready(Settled { released: self.release(), failure: outcome.err() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::BackofficeId;
    use tokio::sync::oneshot;

    type Ticket = Pin<Box<dyn Future<Output = Result<(), &'static str>>>>;

    fn ticket() -> (oneshot::Sender<Result<(), &'static str>>, Ticket) {
        let (done, outcome) = oneshot::channel();
        (done, Box::pin(async move { outcome.await.unwrap() }))
    }

    fn follower() -> Side {
        Side::Backoffice(BackofficeId::from("acme"))
    }

    fn say(text: &str) -> Order {
        Order::Say(text.to_owned())
    }

    fn settled(held: &mut Held<Ticket>) -> Poll<Settled<&'static str>> {
        held.poll_settled(&mut Context::from_waker(std::task::Waker::noop()))
    }

    #[test]
    fn what_precedes_a_keep_goes_at_once_and_what_follows_waits() {
        let mut held = Held::default();
        held.begin_batch();
        assert_eq!(held.admit(&Side::Charger, say("before")), Ok(Some(say("before"))));
        let (done, first) = ticket();
        held.keep(first);
        assert_eq!(held.admit(&Side::Charger, say("after")), Ok(None));
        assert!(settled(&mut held).is_pending());
        done.send(Ok(())).unwrap();
        let expected = Settled { released: vec![(Side::Charger, say("after"))], failure: None };
        assert_eq!(settled(&mut held), Poll::Ready(expected));
        assert!(held.is_empty());
    }

    #[test]
    fn a_later_batch_queues_only_behind_its_own_destination() {
        let mut held = Held::default();
        let (done, first) = ticket();
        held.keep(first);
        held.admit(&Side::Charger, say("one")).unwrap();
        held.begin_batch();
        assert_eq!(held.admit(&follower(), say("free")), Ok(Some(say("free"))));
        assert_eq!(held.admit(&Side::Charger, say("two")), Ok(None));
        assert_eq!(held.admit(&Side::Charger, Order::HangUp(Reason::Shutdown)), Ok(None));
        done.send(Ok(())).unwrap();
        let released = vec![
            (Side::Charger, say("one")),
            (Side::Charger, say("two")),
            (Side::Charger, Order::HangUp(Reason::Shutdown)),
        ];
        assert_eq!(settled(&mut held), Poll::Ready(Settled { released, failure: None }));
        held.begin_batch();
        assert_eq!(held.admit(&Side::Charger, say("three")), Ok(Some(say("three"))));
    }

    #[test]
    fn two_records_in_a_batch_are_both_waited_for_in_any_order() {
        let mut held = Held::default();
        let ((done_1, one), (done_2, two)) = (ticket(), ticket());
        held.keep(one);
        held.admit(&Side::Charger, say("after one")).unwrap();
        held.keep(two);
        held.admit(&follower(), say("after both")).unwrap();
        done_2.send(Ok(())).unwrap();
        assert_eq!(settled(&mut held), Poll::Ready(Settled { released: vec![], failure: None }));
        done_1.send(Ok(())).unwrap();
        let released = vec![(Side::Charger, say("after one")), (follower(), say("after both"))];
        assert_eq!(settled(&mut held), Poll::Ready(Settled { released, failure: None }));
    }

    #[test]
    fn a_failed_record_drops_what_followed_it_and_nothing_else() {
        let mut held = Held::default();
        let (done, first) = ticket();
        held.keep(first);
        held.admit(&Side::Charger, say("followed")).unwrap();
        held.begin_batch();
        held.admit(&Side::Charger, say("another batch")).unwrap();
        done.send(Err("disk full")).unwrap();
        let released = vec![(Side::Charger, say("another batch"))];
        assert_eq!(settled(&mut held), Poll::Ready(Settled { released, failure: Some("disk full") }));
    }

    #[test]
    fn a_failed_record_drops_what_was_to_be_said_but_not_the_hang_up() {
        let mut held = Held::default();
        let (done, first) = ticket();
        held.keep(first);
        held.admit(&Side::Charger, say("followed")).unwrap();
        held.admit(&Side::Charger, Order::HangUp(Reason::LeaderLost)).unwrap();
        done.send(Err("disk full")).unwrap();
        let released = vec![(Side::Charger, Order::HangUp(Reason::LeaderLost))];
        assert_eq!(settled(&mut held), Poll::Ready(Settled { released, failure: Some("disk full") }));
    }

    #[test]
    fn too_much_to_say_drops_what_was_to_be_said_but_no_hang_up() {
        let mut held: Held<Ticket> = Held::default();
        let (_done, first) = ticket();
        held.keep(first);
        for _ in 0..HELD_ORDERS {
            held.admit(&follower(), say("x")).unwrap();
        }
        assert_eq!(held.admit(&Side::Charger, Order::HangUp(Reason::LeaderLost)), Ok(None));
        assert_eq!(held.admit(&Side::Charger, say("x")), Err(Overfull));
        assert_eq!(held.forget_said(), [(Side::Charger, Order::HangUp(Reason::LeaderLost))]);
        assert_eq!(held.admit(&follower(), say("x")), Ok(None));
    }

    #[test]
    fn what_waits_is_bounded_and_forgotten_with_its_peer() {
        let mut held: Held<Ticket> = Held::default();
        let (_done, first) = ticket();
        held.keep(first);
        for _ in 0..HELD_ORDERS {
            assert_eq!(held.admit(&Side::Charger, say("x")), Ok(None));
        }
        assert_eq!(held.admit(&Side::Charger, say("x")), Err(Overfull));
        held.forget(&Side::Charger);
        assert_eq!(held.admit(&Side::Charger, say("x")), Ok(None));
    }
}
