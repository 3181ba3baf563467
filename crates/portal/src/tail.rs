//! What is written to the log, as it is written: for live tails of the pages and of the API. Whoever
//! listens holds one of a bounded number of places, and not for longer than an hour.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use futures_util::stream::{self, Stream};
use store::{Browser, CallsQuery, NewsItem};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::limits;
use crate::pages::logs::live;
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
            Over::Stopped => "The proxy was stopped.",
            Over::Unreadable => "The log cannot be read at the moment.",
        }
    }
}

/// The places for those who listen.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Semaphore>);

impl Places {
    /// So many.
    pub(crate) fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }

    /// A place, if one is free. It is free again once what it was taken for is dropped.
    pub(crate) fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }
}

struct Listening {
    browser: Browser,
    query: CallsQuery,
    cursor: i64,
    waiting: std::vec::IntoIter<NewsItem>,
    until: Instant,
    stopping: watch::Receiver<bool>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

/// Everything that the query finds and that is written after `cursor`, in the order of writing.
pub(crate) fn listen(
    browser: Browser,
    query: CallsQuery,
    cursor: i64,
    stopping: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Heard> {
    let query = CallsQuery { limit: limits::NEWS_AT_ONCE, before: None, ..query };
    let until = Instant::now() + limits::TAIL_LENGTH;
    let waiting = Vec::new().into_iter();
    let listening =
        Listening { browser, query, cursor, waiting, until, stopping, is_over: false, _place: place };
    stream::unfold(listening, |mut listening| async move {
        let heard = listening.next().await?;
        Some((heard, listening))
    })
}

impl Listening {
    async fn next(&mut self) -> Option<Heard> {
        if self.is_over {
            return None;
        }
        loop {
            if let Some(item) = self.waiting.next() {
                return Some(Heard::News(Box::new(item)));
            }
            if *self.stopping.borrow() {
                return Some(self.over(Over::Stopped));
            }
            if Instant::now() >= self.until {
                return Some(self.over(Over::TimeIsUp));
            }
            match self.browser.news(self.query.clone(), self.cursor).await {
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

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_forgotten_tail_ends_after_an_hour_and_its_place_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ocpp-proxy.db");
        let store = store::Store::open(&path, store::Settings::default()).unwrap();
        let browser = Browser::open(&path).unwrap();
        let places = Places::new(1);
        let place = places.take().unwrap();
        assert!(places.take().is_none());
        let stopping = watch::Sender::new(false);
        let began = Instant::now();
        let heard: Vec<Heard> =
            listen(browser, CallsQuery::default(), 0, stopping.subscribe(), place).collect().await;
        assert!(matches!(heard[..], [Heard::Over(Over::TimeIsUp)]), "{heard:?}");
        assert!(began.elapsed() >= limits::TAIL_LENGTH);
        assert!(places.take().is_some());
        drop(store);
    }
}
