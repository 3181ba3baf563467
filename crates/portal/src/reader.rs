//! What was, for somebody: a viewer is not shown cards' numbers, whichever page or answer they would stand on.

use engine::{ChargerId, TraceId};
use store::{
    Browser, CallsQuery, ChargerSummary, ChargersQuery, Comparison, ComparisonQuery, ListedTransaction,
    LoggedCall, LoggedOccurrence, News, Page, StoreError, TransactionsQuery,
};

use tokio::sync::Semaphore;

use crate::access::Role;
use crate::{limits, privacy};

/// Of [`aside`].
static PLACES: Semaphore = Semaphore::const_new(limits::MASKINGS);

/// Reads the store as somebody may see it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    browser: Browser,
    masks: bool,
}

impl Reader {
    pub(crate) fn new(browser: Browser, role: Role) -> Self {
        Self { browser, masks: hides_cards(role) }
    }

    /// See [`Browser::chargers`].
    pub(crate) async fn chargers(
        &self,
        query: ChargersQuery,
    ) -> Result<Page<ChargerSummary, ChargerId>, StoreError> {
        let mut page = self.browser.chargers(query).await?;
        page.items.iter_mut().for_each(|one| self.mask_charger(one));
        Ok(page)
    }

    /// See [`Browser::charger`].
    pub(crate) async fn charger(&self, charger: &ChargerId) -> Result<Option<ChargerSummary>, StoreError> {
        let mut found = self.browser.charger(charger).await?;
        found.iter_mut().for_each(|one| self.mask_charger(one));
        Ok(found)
    }

    /// See [`Browser::calls`].
    pub(crate) async fn calls(&self, query: CallsQuery) -> Result<Page<LoggedCall>, StoreError> {
        let page = self.browser.calls(self.restricted(query)).await?;
        Ok(self.masked(page, |page| page.items.iter_mut().for_each(privacy::call)).await)
    }

    /// See [`Browser::call`].
    pub(crate) async fn call(&self, trace: TraceId) -> Result<Option<LoggedCall>, StoreError> {
        let found = self.browser.call(trace).await?;
        Ok(self.masked(found, |found| found.iter_mut().for_each(privacy::call)).await)
    }

    /// See [`Browser::news`].
    pub(crate) async fn news(&self, query: CallsQuery, cursor: i64) -> Result<News, StoreError> {
        let news = self.browser.news(self.restricted(query), cursor).await?;
        if news.items.is_empty() {
            return Ok(news);
        }
        Ok(self.masked(news, |news| news.items.iter_mut().for_each(privacy::news)).await)
    }

    /// See [`Browser::occurrences`].
    pub(crate) async fn occurrences(
        &self,
        charger: &ChargerId,
        since_unix_ms: Option<i64>,
        until_unix_ms: Option<i64>,
        limit: usize,
    ) -> Result<Vec<LoggedOccurrence>, StoreError> {
        let found = self.browser.occurrences(charger, since_unix_ms, until_unix_ms, limit).await?;
        Ok(self.masked(found, |found| found.iter_mut().for_each(privacy::occurrence)).await)
    }

    /// See [`Browser::transactions`].
    pub(crate) async fn transactions(
        &self,
        query: TransactionsQuery,
    ) -> Result<Page<ListedTransaction>, StoreError> {
        let id_tag = query.id_tag.filter(|_| !self.masks);
        let page = self.browser.transactions(TransactionsQuery { id_tag, ..query }).await?;
        Ok(self.masked(page, |page| page.items.iter_mut().for_each(mask_transaction)).await)
    }

    /// See [`Browser::comparison`].
    pub(crate) async fn comparison(&self, query: ComparisonQuery) -> Result<Comparison, StoreError> {
        let mut found = self.browser.comparison(query).await?;
        if self.masks {
            found.cards.iter_mut().for_each(|one| one.id_tag = privacy::card(&one.id_tag));
        }
        Ok(found)
    }

    fn mask_charger(&self, charger: &mut ChargerSummary) {
        if self.masks {
            charger.running.iter_mut().for_each(|one| one.id_tag = privacy::card(&one.id_tag));
        }
    }

    /// Whoever is not shown numbers does not ask with them ([`privacy::asks_for_card`] says so before this).
    fn restricted(&self, query: CallsQuery) -> CallsQuery {
        let id_tag = query.id_tag.filter(|_| !self.masks);
        CallsQuery { hides_cards: self.masks, id_tag, ..query }
    }

    async fn masked<T: Send + 'static>(&self, what: T, mask: impl FnOnce(&mut T) + Send + 'static) -> T {
        if self.masks { aside(what, mask).await } else { what }
    }
}

fn mask_transaction(listed: &mut ListedTransaction) {
    let row = &mut listed.row;
    row.id_tag = privacy::card(&row.id_tag);
    row.raw_start = privacy::message("StartTransaction", &row.raw_start);
    let stop = row.raw_stop.iter_mut().chain(&mut row.start_answer).chain(&mut row.stop_answer);
    stop.for_each(|text| *text = privacy::message("StopTransaction", text));
}

/// Takes cards' numbers out of what may be much, on a thread of its own: those that serve chargers go on.
pub(crate) async fn aside<T: Send + 'static>(mut what: T, mask: impl FnOnce(&mut T) + Send + 'static) -> T {
    let place = PLACES.acquire().await.expect("the places are never closed");
    let masking = tokio::task::spawn_blocking(move || {
        // Held to the end, also when nobody waits for it any more.
        let _place = place;
        mask(&mut what);
        what
    });
    match masking.await {
        Ok(masked) => masked,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Whether cards' numbers are hidden from whoever has this role.
pub(crate) fn hides_cards(role: Role) -> bool {
    role == Role::Viewer
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn so_many_pages_are_masked_at_once() {
        let held = PLACES.acquire_many(u32::try_from(limits::MASKINGS).unwrap()).await.unwrap();
        let mut masking = Box::pin(aside(1, |number| *number += 1));
        assert!(masking.as_mut().now_or_never().is_none());
        drop(held);
        assert_eq!(masking.await, 2);
    }
}
