//! What was, for somebody: a viewer is not shown cards' numbers, whichever page or answer they would stand on.

use engine::{ChargerId, TraceId};
use store::{
    Browser, CallsQuery, ChargerSummary, ChargersQuery, Comparison, ComparisonQuery, ListedTransaction,
    LoggedCall, LoggedOccurrence, News, Page, StoreError, TransactionsQuery,
};

use crate::access::Role;
use crate::privacy;

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
        let mut page = self.browser.calls(self.restricted(query)).await?;
        if self.masks {
            page.items.iter_mut().for_each(privacy::call);
        }
        Ok(page)
    }

    /// See [`Browser::call`].
    pub(crate) async fn call(&self, trace: TraceId) -> Result<Option<LoggedCall>, StoreError> {
        let mut found = self.browser.call(trace).await?;
        if self.masks {
            found.iter_mut().for_each(privacy::call);
        }
        Ok(found)
    }

    /// See [`Browser::news`].
    pub(crate) async fn news(&self, query: CallsQuery, cursor: i64) -> Result<News, StoreError> {
        let mut news = self.browser.news(self.restricted(query), cursor).await?;
        if self.masks {
            news.items.iter_mut().for_each(privacy::news);
        }
        Ok(news)
    }

    /// See [`Browser::occurrences`].
    pub(crate) async fn occurrences(
        &self,
        charger: &ChargerId,
        since_unix_ms: Option<i64>,
        until_unix_ms: Option<i64>,
        limit: usize,
    ) -> Result<Vec<LoggedOccurrence>, StoreError> {
        let mut found = self.browser.occurrences(charger, since_unix_ms, until_unix_ms, limit).await?;
        if self.masks {
            found.iter_mut().for_each(privacy::occurrence);
        }
        Ok(found)
    }

    /// See [`Browser::transactions`].
    pub(crate) async fn transactions(
        &self,
        query: TransactionsQuery,
    ) -> Result<Page<ListedTransaction>, StoreError> {
        let mut page = self.browser.transactions(query).await?;
        if self.masks {
            for row in page.items.iter_mut().map(|listed| &mut listed.row) {
                row.id_tag = privacy::card(&row.id_tag);
                row.raw_start = privacy::message("StartTransaction", &row.raw_start);
                let stop = row.raw_stop.iter_mut().chain(&mut row.start_answer).chain(&mut row.stop_answer);
                stop.for_each(|text| *text = privacy::message("StopTransaction", text));
            }
        }
        Ok(page)
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

    fn restricted(&self, query: CallsQuery) -> CallsQuery {
        CallsQuery { hides_cards: self.masks, ..query }
    }
}

/// Whether cards' numbers are hidden from whoever has this role.
pub(crate) fn hides_cards(role: Role) -> bool {
    role == Role::Viewer
}
