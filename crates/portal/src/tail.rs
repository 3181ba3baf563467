//! What is written to the log, as it is written: for live tails of the pages and of the API. Whoever
//! listens holds one of a bounded number of places, and not for longer than an hour.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::routing::get;
use futures_util::stream::{self, Stream};
use store::{CallsQuery, NewsItem};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::limits;
use crate::pages::logs::live;
use crate::reader::Reader;
use crate::state::AppState;

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/chargers/{charger}/tail", get(live::follow))
}

/// What a listener hears.
#[derive(Debug)]
pub(crate) enum Heard {
    /// An entry of the log, or an answer to an earlier one.
    News(Box<NewsItem>),
    /// That there will be no more, and why. It is the last thing that is heard.
    Over(Over),
}

/// Why a listener hears no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// It has listened for an hour.
    TimeIsUp,
    /// Whoever listens has logged out, or users or tokens are others than when it began: they have to prove anew who they
    /// are.
    AccessChanged,
    /// The proxy is being stopped.
    Stopped,
    /// The log cannot be read.
    Unreadable,
}

impl Over {
    /// For a person.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Over::TimeIsUp => "Stopped by itself after an hour.",
            Over::AccessChanged => {
                "You were logged out, or users or tokens were changed. Load the page anew to go on."
            }
            Over::Stopped => "The proxy was stopped.",
            Over::Unreadable => "The log cannot be read at the moment.",
        }
    }
}

/// The places for those who listen: so many in all, and so many for each of them.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    each: usize,
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

/// One place. Free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    who: String,
    taken: Arc<Mutex<HashMap<String, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    /// So many in all, and for each.
    pub(crate) fn new(all: usize, each: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), each, taken: Arc::default() }
    }

    /// A place for this user or program, if one is free.
    pub(crate) fn take(&self, who: &str) -> Option<Place> {
        let permit = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let mut taken = lock(&self.taken);
        let count = taken.entry(who.to_owned()).or_default();
        if *count >= self.each {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place { who: who.to_owned(), taken: Arc::clone(&self.taken), _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(count) = taken.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.who);
            }
        }
    }
}

/// Counts only: nothing that runs under the lock leaves them half changed.
fn lock(taken: &Mutex<HashMap<String, usize>>) -> MutexGuard<'_, HashMap<String, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Listening<Allowed> {
    reader: Reader,
    is_allowed: Allowed,
    query: CallsQuery,
    cursor: i64,
    waiting: std::vec::IntoIter<NewsItem>,
    until: Instant,
    stopping: watch::Receiver<bool>,
    is_over: bool,
    _place: Place,
}

/// Everything that the query finds and that is written after `cursor`, in the order of writing, while that is
/// allowed.
pub(crate) fn listen(
    reader: Reader,
    query: CallsQuery,
    cursor: i64,
    stopping: watch::Receiver<bool>,
    place: Place,
    is_allowed: impl Fn() -> bool,
) -> impl Stream<Item = Heard> {
    let query = CallsQuery { limit: limits::NEWS_AT_ONCE, before: None, ..query };
    let until = Instant::now() + limits::TAIL_LENGTH;
    let waiting = Vec::new().into_iter();
    let listening = Listening {
        reader,
        is_allowed,
        query,
        cursor,
        waiting,
        until,
        stopping,
        is_over: false,
        _place: place,
    };
    stream::unfold(listening, |mut listening| async move {
        let heard = listening.next().await?;
        Some((heard, listening))
    })
}

impl<Allowed: Fn() -> bool> Listening<Allowed> {
    async fn next(&mut self) -> Option<Heard> {
        if self.is_over {
            return None;
        }
        loop {
            if !(self.is_allowed)() {
                return Some(self.over(Over::AccessChanged));
            }
            if let Some(item) = self.waiting.next() {
                return Some(Heard::News(Box::new(item)));
            }
            if *self.stopping.borrow() {
                return Some(self.over(Over::Stopped));
            }
            if Instant::now() >= self.until {
                return Some(self.over(Over::TimeIsUp));
            }
            match self.reader.news(self.query.clone(), self.cursor).await {
                Ok(news) => {
                    self.cursor = news.cursor;
                    self.waiting = news.items.into_iter();
                }
                Err(error) => {
                    tracing::warn!(%error, "a live tail ends: the log cannot be read");
                    return Some(self.over(Over::Unreadable));
                }
            }
            if self.waiting.len() == 0 {
                // Either is seen at the beginning of the next round.
                let _ = tokio::time::timeout(limits::TAIL_EVERY, self.stopping.changed()).await;
            }
        }
    }

    fn over(&mut self, why: Over) -> Heard {
        self.is_over = true;
        Heard::Over(why)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use store::Browser;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_forgotten_tail_ends_after_an_hour_and_its_place_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ocpp-proxy.db");
        let store = store::Store::open(&path, store::Settings::default()).unwrap();
        let reader = Reader::new(Browser::open(&path).unwrap(), crate::access::Role::Viewer);
        let places = Places::new(1, 1);
        let place = places.take("anna").unwrap();
        assert!(places.take("viktor").is_none());
        let stopping = watch::Sender::new(false);
        let began = Instant::now();
        let heard: Vec<Heard> =
            listen(reader, CallsQuery::default(), 0, stopping.subscribe(), place, || true).collect().await;
        assert!(matches!(heard[..], [Heard::Over(Over::TimeIsUp)]), "{heard:?}");
        assert!(began.elapsed() >= limits::TAIL_LENGTH);
        assert!(places.take("anna").is_some());
        drop(store);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tail_ends_when_it_is_not_allowed_any_more() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ocpp-proxy.db");
        let store = store::Store::open(&path, store::Settings::default()).unwrap();
        let reader = Reader::new(Browser::open(&path).unwrap(), crate::access::Role::Operator);
        let place = Places::new(1, 1).take("anna").unwrap();
        let stopping = watch::Sender::new(false);
        let rounds = std::cell::Cell::new(0);
        let is_allowed = || rounds.replace(rounds.get() + 1) < 2;
        let heard: Vec<Heard> =
            listen(reader, CallsQuery::default(), 0, stopping.subscribe(), place, is_allowed).collect().await;
        assert!(matches!(heard[..], [Heard::Over(Over::AccessChanged)]), "{heard:?}");
        assert_eq!(rounds.get(), 3);
        drop(store);
    }

    #[test]
    fn nobody_takes_all_places_by_himself() {
        let places = Places::new(3, 2);
        let held: Vec<Place> = (0..5).filter_map(|_| places.take("anna")).collect();
        assert_eq!(held.len(), 2);
        let other = places.take("viktor").unwrap();
        assert!(places.take("bert").is_none(), "three in all");
        drop(held);
        assert!(places.take("anna").is_some() && places.take("bert").is_some());
        drop(other);
        assert_eq!(lock(&places.taken).len(), 0, "who holds none is not remembered");
    }
}
