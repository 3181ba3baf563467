//! Reading on in lanes: what the engine asked the store for and waits for.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use engine::{BackofficeId, ChargerId};
use store::{Recalled, Store, StoreError};

use crate::rate::Pace;

type Reading = Pin<Box<dyn Future<Output = Result<Recalled, StoreError>> + Send>>;

/// The readings under way, at most one for each backoffice.
#[derive(Default)]
pub(crate) struct Recalls(Vec<(BackofficeId, Reading)>);

impl Recalls {
    /// Reads when it is this lane's turn among those of the backoffice. An earlier reading of the same lane
    /// is of no use any more. A session that ends gives up its turns with this.
    pub(crate) fn begin(
        &mut self,
        pace: Arc<Pace>,
        store: Store,
        charger: ChargerId,
        backoffice: BackofficeId,
        after: u64,
    ) {
        let whose = backoffice.clone();
        let reading = Box::pin(async move {
            pace.turn().await;
            store.recall(&charger, &whose, after).await
        });
        self.0.retain(|(other, _)| *other != backoffice);
        self.0.push((backoffice, reading));
    }

    /// Ready when a reading has ended.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<(BackofficeId, Result<Recalled, StoreError>)> {
        for at in 0..self.0.len() {
            if let Poll::Ready(outcome) = self.0[at].1.as_mut().poll(cx) {
                let (backoffice, _) = self.0.swap_remove(at);
                return Poll::Ready((backoffice, outcome));
            }
        }
        Poll::Pending
    }
}
