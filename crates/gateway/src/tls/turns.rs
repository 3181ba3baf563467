//! Whose turn it is where many wait for a few threads: sites take turns, so that one of which thousands wait
//! keeps no other waiting for longer than for one of its own.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

/// Who works and who waits.
#[derive(Debug)]
pub(super) struct Turns(Mutex<Tables>);

#[derive(Debug)]
struct Tables {
    /// So many more may work.
    free: usize,
    /// Sites of which somebody waits, the next first.
    order: VecDeque<IpAddr>,
    waiting: HashMap<IpAddr, VecDeque<oneshot::Sender<()>>>,
}

impl Turns {
    /// So many work at a time.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Tables { free: most, order: VecDeque::new(), waiting: HashMap::new() })))
    }

    /// Does this in turns with others: each time that it can go on it waits for one.
    pub(super) fn in_turn<F: Future>(self: &Arc<Self>, site: IpAddr, work: F) -> InTurn<F> {
        InTurn { turns: self.clone(), site, work: Box::pin(work), waiting: None }
    }

    fn ask(self: &Arc<Self>, site: IpAddr) -> Result<Turn, Waiting> {
        let mut tables = self.lock();
        if tables.free > 0 {
            tables.free -= 1;
            return Ok(Turn(self.clone()));
        }
        let (granted, grant) = oneshot::channel();
        let of_site = tables.waiting.entry(site).or_default();
        of_site.push_back(granted);
        if of_site.len() == 1 {
            tables.order.push_back(site);
        }
        Err(Waiting { turns: self.clone(), grant })
    }

    /// A turn is over: the next site's first who still waits has it.
    fn give_back(&self) {
        let mut tables = self.lock();
        while let Some(site) = tables.order.pop_front() {
            let Some(of_site) = tables.waiting.get_mut(&site) else { continue };
            let granted = std::iter::from_fn(|| of_site.pop_front()).any(|next| next.send(()).is_ok());
            if of_site.is_empty() {
                tables.waiting.remove(&site);
            } else {
                tables.order.push_back(site);
            }
            if granted {
                return;
            }
        }
        tables.free += 1;
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.values().map(VecDeque::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // Nothing that runs under the lock leaves it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to work, until it is dropped.
struct Turn(Arc<Turns>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// The wait for a turn.
struct Waiting {
    turns: Arc<Turns>,
    grant: oneshot::Receiver<()>,
}

impl Waiting {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Turn> {
        // Nobody drops a sender without a word.
        ready!(Pin::new(&mut self.grant).poll(context)).ok();
        Poll::Ready(Turn(self.turns.clone()))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Given up at the moment in which it was its turn.
        self.grant.close();
        if self.grant.try_recv().is_ok() {
            self.turns.give_back();
        }
    }
}

/// Work that is done in turns.
pub(super) struct InTurn<F> {
    turns: Arc<Turns>,
    site: IpAddr,
    work: Pin<Box<F>>,
    waiting: Option<Waiting>,
}

impl<F: Future> Future for InTurn<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let asked = match this.waiting.take() {
            Some(waiting) => Err(waiting),
            None => this.turns.ask(this.site),
        };
        let _turn = match asked {
            Ok(turn) => turn,
            Err(mut waiting) => match waiting.poll(context) {
                Poll::Ready(turn) => turn,
                Poll::Pending => {
                    this.waiting = Some(waiting);
                    return Poll::Pending;
                }
            },
        };
        this.work.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn site(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    #[test]
    fn sites_take_turns_and_who_gives_up_keeps_nobody_waiting() {
        let turns = Turns::new(1);
        let done = Arc::new(Mutex::new(Vec::new()));
        let first = turns.ask(site(9)).ok().unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let work = |of: u8, number: u32| {
            let done = done.clone();
            Box::pin(turns.in_turn(site(of), async move { done.lock().unwrap().push((of, number)) }))
        };
        let mut all: Vec<_> = (0..50).map(|number| work(1, number)).collect();
        all.extend((0..3).map(|number| work(2, number)));
        all.push(work(3, 0));
        for one in &mut all {
            assert!(one.as_mut().poll(&mut context).is_pending());
        }
        // Those of the third that are next give up.
        drop(all.pop());
        drop(all.remove(0));
        drop(first);
        while !all.is_empty() {
            let former = all.len();
            all.retain_mut(|one| one.as_mut().poll(&mut context).is_pending());
            assert!(all.len() < former, "somebody has the turn");
        }
        let done = done.lock().unwrap();
        assert_eq!(done.len(), 52);
        assert_eq!(done[..6], [(1, 1), (2, 0), (1, 2), (2, 1), (1, 3), (2, 2)]);
        assert_eq!(turns.lock().free, 1);
        assert!(turns.lock().waiting.is_empty() && turns.lock().order.is_empty());
    }

    #[test]
    fn a_turn_that_comes_to_who_gives_up_goes_on_to_the_next() {
        let turns = Turns::new(1);
        let first = turns.ask(site(1)).ok().unwrap();
        let (granted, next) = (turns.ask(site(1)).err().unwrap(), turns.ask(site(1)).err().unwrap());
        drop(first);
        drop(granted);
        let mut next = next;
        let mut context = Context::from_waker(Waker::noop());
        let turn = match next.poll(&mut context) {
            Poll::Ready(turn) => turn,
            Poll::Pending => panic!("nobody has the turn"),
        };
        assert_eq!(turns.lock().free, 0);
        drop((turn, next));
        assert_eq!(turns.lock().free, 1);
    }
}
