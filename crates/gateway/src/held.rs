//! What waits until records are durable. A `Keep` is a barrier for the peers it names: nothing more is
//! said to them until it is; nobody else waits, and what one peer is told never changes order. What was
//! to be said may be dropped, an order to hang up never: the engine believes that socket closed, nobody
//! else will close it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use engine::{Reason, Side};
use litemap::LiteMap;

use crate::limits::{HELD_ORDERS, HELD_WHILE_READ};

/// Something for one peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Send this text.
    Say(String),
    /// Close its socket.
    HangUp(Reason),
}

/// The barriers whose records are not durable yet, and what waits behind them. `K` is a ticket.
#[derive(Debug)]
pub(crate) struct Held<K> {
    next_ticket: u64,
    /// By number. There are few, of these and of peers, and many chargers.
    barriers: LiteMap<u64, Barrier<K>>,
    /// The barrier of what is postponed.
    postponed: Option<u64>,
    queues: LiteMap<Side, VecDeque<Waiting>>,
    orders: usize,
}

#[derive(Debug)]
struct Barrier<K> {
    /// None yet for what is postponed.
    ticket: Option<K>,
    before: Vec<Side>,
}

#[derive(Debug)]
struct Waiting {
    /// The tickets below this number were given out before it.
    after: u64,
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
    /// The records could not be kept; what was to be said behind them is dropped.
    pub(crate) failure: Option<E>,
}

impl<K> Default for Held<K> {
    fn default() -> Self {
        Self { next_ticket: 0, barriers: LiteMap::new(), postponed: None, queues: LiteMap::new(), orders: 0 }
    }
}

impl<K> Held<K> {
    /// Holds back what these peers are to be told from now on until the ticket resolves. It is the ticket of
    /// what was postponed, too.
    pub(crate) fn keep(&mut self, ticket: K, before: Vec<Side>) {
        let number = self.hold_back(before);
        self.postponed = None;
        if let Some(barrier) = self.barriers.get_mut(&number) {
            barrier.ticket = Some(ticket);
        }
    }

    /// Holds back what these peers are to be told from now on until the ticket resolves, which says nothing of what was
    /// postponed.
    pub(crate) fn keep_apart(&mut self, ticket: K, before: Vec<Side>) {
        self.insert(Barrier { ticket: Some(ticket), before });
    }

    /// Holds these peers back as well, until what is postponed is kept after all, or spared.
    pub(crate) fn postpone(&mut self, before: Vec<Side>) {
        self.postponed = Some(self.hold_back(before));
    }

    /// What was postponed turned out needless: nobody waits for it any more.
    pub(crate) fn spare(&mut self) -> Vec<(Side, Order)> {
        if let Some(number) = self.postponed.take() {
            self.barriers.remove(&number);
        }
        self.release()
    }

    /// The barrier of what is postponed, for these peers, too; or a new one.
    fn hold_back(&mut self, before: Vec<Side>) -> u64 {
        let Some(number) = self.postponed else {
            return self.insert(Barrier { ticket: None, before });
        };
        if let Some(barrier) = self.barriers.get_mut(&number) {
            let new = before.into_iter().filter(|side| !barrier.before.contains(side)).collect::<Vec<_>>();
            barrier.before.extend(new);
        }
        number
    }

    fn insert(&mut self, barrier: Barrier<K>) -> u64 {
        let number = self.next_ticket;
        self.next_ticket += 1;
        self.barriers.insert(number, barrier);
        number
    }

    /// Gives the order back when it may go at once; otherwise keeps it.
    pub(crate) fn admit(&mut self, side: &Side, order: Order) -> Result<Option<Order>, Overfull> {
        let waiting = Waiting { after: self.next_ticket, order };
        if !self.queues.contains_key(side) && !waits(&self.barriers, side, &waiting) {
            return Ok(Some(waiting.order));
        }
        // A socket is hung up once: these orders are bounded by the number of sockets.
        if self.orders >= HELD_ORDERS && matches!(waiting.order, Order::Say(_)) {
            return Err(Overfull);
        }
        self.orders += 1;
        self.queues.entry(side.clone()).or_default().push_back(waiting);
        Ok(None)
    }

    /// Whether more may be heard from a peer. One that goes on asking while its answers wait would fill
    /// the room of all.
    pub(crate) fn may_read(&self, side: &Side) -> bool {
        self.queues.get(side).is_none_or(|queue| queue.len() < HELD_WHILE_READ)
    }

    /// Drops what waits for a peer that is gone. Its barriers stay: they hold for its next socket, too.
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
        self.barriers.is_empty()
    }

    fn release(&mut self) -> Vec<(Side, Order)> {
        let mut released = Vec::new();
        let barriers = &self.barriers;
        for (side, queue) in self.queues.iter_mut() {
            let free = queue.iter().take_while(|waiting| !waits(barriers, side, waiting)).count();
            released.extend(queue.drain(..free).map(|waiting| (side.clone(), waiting.order)));
        }
        self.queues.retain(|_, queue| !queue.is_empty());
        self.orders -= released.len();
        released
    }

    fn drop_behind(&mut self, number: u64, before: &[Side]) {
        let mut kept = 0;
        for (side, queue) in self.queues.iter_mut() {
            if before.contains(side) {
                queue.retain(|waiting| matches!(waiting.order, Order::HangUp(_)) || waiting.after <= number);
            }
            kept += queue.len();
        }
        self.orders = kept;
    }
}

/// Whether an order has to wait for a barrier. A socket may be hung up at any time, once what was to be
/// said before has been said.
fn waits<K>(barriers: &LiteMap<u64, Barrier<K>>, side: &Side, waiting: &Waiting) -> bool {
    matches!(waiting.order, Order::Say(_))
        && barriers.iter().any(|(number, barrier)| *number < waiting.after && barrier.before.contains(side))
}

impl<K, E> Held<K>
where
    K: Future<Output = Result<(), E>> + Unpin,
{
    /// Ready when a ticket has resolved.
    pub(crate) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Settled<E>> {
        let resolved = self.barriers.iter_mut().find_map(|(number, barrier)| {
            match Pin::new(barrier.ticket.as_mut()?).poll(cx) {
                Poll::Ready(outcome) => Some((*number, outcome)),
                Poll::Pending => None,
            }
        });
        let Some((number, outcome)) = resolved else { return Poll::Pending };
        let barrier = self.barriers.remove(&number);
        if let (Err(_), Some(Barrier { before, .. })) = (&outcome, barrier) {
            self.drop_behind(number, &before);
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

    fn went(released: Vec<(Side, Order)>) -> Poll<Settled<&'static str>> {
        Poll::Ready(Settled { released, failure: None })
    }

    #[test]
    fn a_peer_whose_answers_wait_is_not_read_until_they_have_gone() {
        let mut held = Held::default();
        let (done, first) = ticket();
        held.keep(first, vec![follower()]);
        for number in 0..HELD_WHILE_READ {
            assert!(held.may_read(&follower()), "{number}");
            assert_eq!(held.admit(&follower(), say("no")), Ok(None));
        }
        assert!(!held.may_read(&follower()));
        assert!(held.may_read(&Side::Charger));
        done.send(Ok(())).unwrap();
        assert!(settled(&mut held).is_ready());
        assert!(held.may_read(&follower()));
    }

    #[test]
    fn a_barrier_holds_back_its_own_peers_and_nobody_else() {
        let mut held = Held::default();
        assert_eq!(held.admit(&Side::Charger, say("before")), Ok(Some(say("before"))));
        let (done, first) = ticket();
        held.keep(first, vec![Side::Charger]);
        assert_eq!(held.admit(&Side::Charger, say("after")), Ok(None));
        assert_eq!(held.admit(&follower(), say("free")), Ok(Some(say("free"))));
        assert!(settled(&mut held).is_pending());
        done.send(Ok(())).unwrap();
        assert_eq!(settled(&mut held), went(vec![(Side::Charger, say("after"))]));
        assert!(held.is_empty());
        assert_eq!(held.admit(&Side::Charger, say("three")), Ok(Some(say("three"))));
    }

    #[test]
    fn what_is_postponed_holds_back_until_it_is_spared_or_kept() {
        let mut held = Held::<Ticket>::default();
        held.postpone(vec![Side::Charger]);
        assert_eq!(held.admit(&Side::Charger, say("one")), Ok(None));
        assert_eq!(held.admit(&follower(), say("free")), Ok(Some(say("free"))));
        assert!(settled(&mut held).is_pending(), "there is no ticket yet");
        assert_eq!(held.spare(), [(Side::Charger, say("one"))]);
        assert!(held.is_empty());

        held.postpone(vec![Side::Charger]);
        held.admit(&Side::Charger, say("two")).unwrap();
        let (done, ticket) = ticket();
        held.keep(ticket, vec![follower()]);
        assert_eq!(held.admit(&follower(), say("three")), Ok(None));
        assert_eq!(held.spare(), [], "it is on its way to the disk by now");
        done.send(Ok(())).unwrap();
        let Poll::Ready(mut settled) = settled(&mut held) else { panic!("the ticket is resolved") };
        settled.released.sort_by_key(|(side, _)| *side != Side::Charger);
        assert_eq!(settled.released, [(Side::Charger, say("two")), (follower(), say("three"))]);
        assert!(held.is_empty());
    }

    #[test]
    fn what_is_kept_apart_says_nothing_of_what_is_postponed() {
        let mut held = Held::<Ticket>::default();
        held.postpone(vec![Side::Charger]);
        let (done, ticket) = ticket();
        held.keep_apart(ticket, vec![follower()]);
        held.admit(&Side::Charger, say("one")).unwrap();
        held.admit(&follower(), say("two")).unwrap();
        done.send(Ok(())).unwrap();
        assert_eq!(settled(&mut held), went(vec![(follower(), say("two"))]));
        assert_eq!(held.spare(), [(Side::Charger, say("one"))]);
    }

    #[test]
    fn what_names_nobody_holds_nobody_back_but_is_waited_for() {
        let mut held = Held::default();
        let (done, first) = ticket();
        held.keep(first, vec![]);
        assert_eq!(held.admit(&Side::Charger, say("free")), Ok(Some(say("free"))));
        assert!(!held.is_empty());
        done.send(Ok(())).unwrap();
        assert_eq!(settled(&mut held), went(vec![]));
        assert!(held.is_empty());
    }

    #[test]
    fn a_hang_up_waits_for_what_is_to_be_said_before_it_only() {
        let mut held = Held::default();
        let (done, first) = ticket();
        held.keep(first, vec![Side::Charger, follower()]);
        let hang_up = Order::HangUp(Reason::Shutdown);
        assert_eq!(held.admit(&follower(), Order::HangUp(Reason::Shutdown)), Ok(Some(hang_up)));
        held.admit(&Side::Charger, say("one")).unwrap();
        assert_eq!(held.admit(&Side::Charger, Order::HangUp(Reason::Shutdown)), Ok(None));
        done.send(Ok(())).unwrap();
        let released = vec![(Side::Charger, say("one")), (Side::Charger, Order::HangUp(Reason::Shutdown))];
        assert_eq!(settled(&mut held), went(released));
    }

    #[test]
    fn two_barriers_of_one_peer_are_both_waited_for_in_any_order() {
        let mut held = Held::default();
        let ((done_1, one), (done_2, two)) = (ticket(), ticket());
        held.keep(one, vec![Side::Charger]);
        held.admit(&Side::Charger, say("after one")).unwrap();
        held.keep(two, vec![Side::Charger, follower()]);
        held.admit(&Side::Charger, say("after both")).unwrap();
        held.admit(&follower(), say("after two")).unwrap();
        done_2.send(Ok(())).unwrap();
        assert_eq!(settled(&mut held), went(vec![(follower(), say("after two"))]));
        done_1.send(Ok(())).unwrap();
        let released = vec![(Side::Charger, say("after one")), (Side::Charger, say("after both"))];
        assert_eq!(settled(&mut held), went(released));
    }

    #[test]
    fn a_barrier_outlives_the_socket_that_it_was_made_for() {
        let mut held = Held::default();
        let (done, first) = ticket();
        held.keep(first, vec![Side::Charger]);
        held.admit(&Side::Charger, say("to the old socket")).unwrap();
        held.forget(&Side::Charger);
        assert_eq!(held.admit(&Side::Charger, say("to the new one")), Ok(None));
        done.send(Ok(())).unwrap();
        assert_eq!(settled(&mut held), went(vec![(Side::Charger, say("to the new one"))]));
    }

    #[test]
    fn failed_records_drop_what_was_to_be_said_behind_them_and_nothing_else() {
        let mut held = Held::default();
        let ((done_1, one), (done_2, two)) = (ticket(), ticket());
        held.keep(one, vec![Side::Charger]);
        held.admit(&Side::Charger, say("before the failure")).unwrap();
        held.keep(two, vec![Side::Charger]);
        held.admit(&Side::Charger, say("behind it")).unwrap();
        held.admit(&Side::Charger, Order::HangUp(Reason::LeaderLost)).unwrap();
        done_2.send(Err("disk full")).unwrap();
        let failed = Settled { released: vec![], failure: Some("disk full") };
        assert_eq!(settled(&mut held), Poll::Ready(failed));
        done_1.send(Ok(())).unwrap();
        let released = vec![
            (Side::Charger, say("before the failure")),
            (Side::Charger, Order::HangUp(Reason::LeaderLost)),
        ];
        assert_eq!(settled(&mut held), went(released));
    }

    #[test]
    fn too_much_to_say_drops_what_was_to_be_said_but_no_hang_up() {
        let mut held: Held<Ticket> = Held::default();
        let (_done, first) = ticket();
        held.keep(first, vec![Side::Charger, follower()]);
        for _ in 1..HELD_ORDERS {
            held.admit(&follower(), say("x")).unwrap();
        }
        held.admit(&Side::Charger, say("x")).unwrap();
        assert_eq!(held.admit(&Side::Charger, Order::HangUp(Reason::LeaderLost)), Ok(None));
        assert_eq!(held.admit(&Side::Charger, say("x")), Err(Overfull));
        assert_eq!(held.forget_said(), [(Side::Charger, Order::HangUp(Reason::LeaderLost))]);
        assert_eq!(held.admit(&follower(), say("x")), Ok(None));
    }

    #[test]
    fn what_waits_is_bounded_and_forgotten_with_its_peer() {
        let mut held: Held<Ticket> = Held::default();
        let (_done, first) = ticket();
        held.keep(first, vec![Side::Charger]);
        for _ in 0..HELD_ORDERS {
            assert_eq!(held.admit(&Side::Charger, say("x")), Ok(None));
        }
        assert_eq!(held.admit(&Side::Charger, say("x")), Err(Overfull));
        held.forget(&Side::Charger);
        assert_eq!(held.admit(&Side::Charger, say("x")), Ok(None));
    }
}
