//! What waits for a backoffice, message by message, and what a person orders about it.

use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use engine::{BackofficeId, ChargerId};
use store::{Deliveries, DeliveryOrder, ListedDelivery, OpenError, Ordered, StoreError, Which};

use crate::limits::{DELIVERIES_SHOWN, ORDER_PATIENCE};
use crate::refusal::Refusal;

/// The lanes of the store's file. Read and ordered about by connections of their own, off the threads
/// that serve.
#[derive(Debug)]
pub(crate) struct Lanes(PathBuf);

impl Lanes {
    pub(crate) fn new(store: PathBuf) -> Self {
        Self(store)
    }

    /// What waits in one lane, the oldest first, as far as it is shown.
    pub(crate) async fn list(
        &self,
        charger: &ChargerId,
        backoffice: &BackofficeId,
    ) -> Result<Vec<ListedDelivery>, Refusal> {
        let which =
            Which { charger: Some(charger.clone()), backoffice: Some(backoffice.clone()), parked: false };
        self.blocking(move |path| {
            let mut found = Vec::new();
            let lanes = Deliveries::open(path)?;
            lanes.list::<StoreError>(&which, DELIVERIES_SHOWN, |delivery| {
                found.push(delivery);
                Ok(())
            })?;
            Ok(found)
        })
        .await
    }

    /// Has it done by whoever holds the store, and waits a moment for that.
    pub(crate) async fn order(&self, order: DeliveryOrder) -> Result<Ordered, Refusal> {
        self.blocking(move |path| Ok(order.give(path)?.wait(ORDER_PATIENCE)?)).await
    }

    async fn blocking<Found: Send + 'static>(
        &self,
        ask: impl FnOnce(&Path) -> Result<Found, Failed> + Send + 'static,
    ) -> Result<Found, Refusal> {
        let path = self.0.clone();
        let asked = tokio::task::spawn_blocking(move || ask(&path)).await;
        let failed = |why: String| {
            let remedy = format!("{why}. Try again in a moment; chargers are served meanwhile.");
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "What waits cannot be read now", remedy)
        };
        match asked {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed("the program is stopping".to_owned())),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a message is not tried again by itself; a reason that is not here is shown as it is.
pub(crate) fn meaning_of_parked(why: &str, attempts: u32) -> String {
    match why {
        "attempts_spent" => format!("{attempts} times it answered with an error or not at all"),
        "lane_full" => "too much waited for it; the oldest sessions were set aside".to_owned(),
        "not_supported" => "it says that it does not take such messages".to_owned(),
        "refused_as_malformed" => "it says that the message is malformed".to_owned(),
        "start_was_not_booked" => "it did not take the start of this session; try that one first".to_owned(),
        "too_old" => "it waited for more than 30 days".to_owned(),
        other => crate::words::shown(other),
    }
}
