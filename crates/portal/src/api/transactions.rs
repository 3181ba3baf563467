//! `/transactions`: running and past, with every backoffice's number.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use engine::{BackofficeId, ChargerId, PeerState};
use serde::{Deserialize, Serialize};
use store::{ListedTransaction, TransactionsQuery};
use utoipa::{IntoParams, ToSchema};

use super::client::Client;
use super::problem::Problem;
use super::read::{Check, Query, TEXT_CHARACTERS, check_limit, check_number, check_text, rows};
use crate::state::AppState;

/// One transaction of one charger.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Transaction {
    /// The call that began it.
    trace: String,
    /// The charger.
    charger: String,
    /// `starting`, `open`, `stopping` or `closed`.
    state: String,
    /// The number that the charger uses; null while its StartTransaction is not answered.
    charger_number: Option<i64>,
    /// The connector.
    connector_id: i64,
    /// The card.
    id_tag: String,
    /// Meter at the start, in Wh.
    meter_start_wh: i64,
    /// The charger's timestamp of the start, untouched.
    started_at: String,
    /// When the StartTransaction was received; UTC, milliseconds since 1970.
    received_unix_ms: i64,
    /// When the StopTransaction was; UTC, milliseconds since 1970.
    stop_received_unix_ms: Option<i64>,
    /// When it closed; UTC, milliseconds since 1970.
    closed_unix_ms: Option<i64>,
    /// Energy in Wh; null until it is stopped, or when the meter ran backwards.
    energy_wh: Option<i64>,
    /// Who led when it started.
    leader_at_start: String,
    /// The proxy answered the start in the leader's place.
    provisional: bool,
    /// The leader refused the card when it heard of it late.
    refused_late: bool,
    /// Another transaction started on the connector before this one was stopped.
    superseded: bool,
    /// What each backoffice knows of it.
    backoffices: Vec<BackofficeTransaction>,
}

/// What one backoffice knows of a transaction.
#[derive(Debug, Serialize, ToSchema)]
struct BackofficeTransaction {
    /// Its name.
    backoffice: String,
    /// The number that it uses.
    number: Option<i64>,
    /// How far its copy of the start is: `queued`, `sent`, `asked`, `mapped` (it has a number) or `failed`.
    state: String,
    /// `idTagInfo.status` of its answer.
    status: Option<String>,
    /// It was told the stop, or has it among its deliveries.
    stop_told: bool,
    /// Messages of the transaction that it must still be told.
    waiting: u64,
    /// Messages of the transaction that it was told in vain: a person must look at them.
    parked: u64,
}

/// A page of transactions, those begun last first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TransactionsPage {
    /// The transactions.
    items: Vec<Transaction>,
    /// What to ask for with `before` for the next page; null at the end. A page may be short, and even
    /// empty, before the end.
    next: Option<i64>,
}

/// Which transactions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TransactionsParameters {
    /// Of this charger; of all if left out.
    #[param(max_length = 500, nullable = false)]
    charger: Option<String>,
    /// Whether only those that are not closed are listed.
    #[param(nullable = false)]
    running: Option<bool>,
    /// Of this card.
    #[param(max_length = 500, nullable = false)]
    id_tag: Option<String>,
    /// Only those after this one: `next` of the page before.
    #[param(minimum = 0, maximum = 9007199254740991_i64, nullable = false)]
    before: Option<i64>,
    /// So many at most; 100 if left out.
    #[param(minimum = 1, maximum = 1000, nullable = false)]
    limit: Option<u32>,
}

impl Check for TransactionsParameters {
    fn check(&self) -> Result<(), String> {
        check_text("charger", self.charger.as_ref(), TEXT_CHARACTERS)?;
        check_text("id_tag", self.id_tag.as_ref(), TEXT_CHARACTERS)?;
        check_number("before", self.before)?;
        check_limit(self.limit)
    }
}

/// Lists transactions.
///
/// Running and past ones, each with the number that the charger and every backoffice use for it, its energy
/// and what must still be told to whom. Those begun last come first.
#[utoipa::path(get, path = "/transactions", tag = "Transactions", operation_id = "list_transactions", params(TransactionsParameters),
    responses((status = 200, description = "A page of transactions.", body = TransactionsPage)))]
pub(super) async fn list(
    client: Client,
    State(state): State<AppState>,
    Query(asked): Query<TransactionsParameters>,
) -> Result<Json<TransactionsPage>, Problem> {
    let query = TransactionsQuery {
        charger: asked.charger.map(|charger| ChargerId::from(charger.as_str())),
        running_only: asked.running.unwrap_or_default(),
        id_tag: asked.id_tag,
        before: asked.before,
        limit: rows(asked.limit),
    };
    let page = state.reader(client.role).transactions(query).await?;
    let items = page.items.into_iter().map(Transaction::from).collect();
    Ok(Json(TransactionsPage { items, next: page.next }))
}

impl From<ListedTransaction> for Transaction {
    fn from(listed: ListedTransaction) -> Self {
        let ListedTransaction { charger, row, energy_wh, waiting, parked, .. } = listed;
        let count = |counts: &BTreeMap<BackofficeId, u64>, backoffice: &BackofficeId| {
            counts.get(backoffice).copied().unwrap_or_default()
        };
        let backoffices = row.peers.into_iter().map(|(backoffice, peer)| BackofficeTransaction {
            number: peer.number.map(|number| number.0),
            state: label(peer.state).to_owned(),
            status: peer.status,
            stop_told: peer.stop_told,
            waiting: count(&waiting, &backoffice),
            parked: count(&parked, &backoffice),
            backoffice: backoffice.to_string(),
        });
        Self {
            trace: row.trace.to_string(),
            charger: charger.to_string(),
            state: row.state.label().to_owned(),
            charger_number: row.charger_number.map(|number| number.0),
            connector_id: row.connector_id,
            id_tag: row.id_tag,
            meter_start_wh: row.meter_start,
            started_at: row.started_at,
            received_unix_ms: row.received_unix_ms,
            stop_received_unix_ms: row.stop_received_unix_ms,
            closed_unix_ms: row.closed_unix_ms,
            energy_wh,
            leader_at_start: row.leader_at_start.to_string(),
            provisional: row.provisional,
            refused_late: row.refused_late,
            superseded: row.superseded,
            backoffices: backoffices.collect(),
        }
    }
}

fn label(state: PeerState) -> &'static str {
    match state {
        PeerState::Queued => "queued",
        PeerState::Sent => "sent",
        PeerState::Asked => "asked",
        PeerState::Mapped => "mapped",
        PeerState::Failed => "failed",
    }
}
