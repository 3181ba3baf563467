//! What an address asks of the message log: what stands behind the `?`, as the question for the store.

use engine::ChargerId;
use jiff::Timestamp;
use store::CallsQuery;

use crate::api::calls::CallsParameters;
use crate::api::parameters::understood;
use crate::pages::logs::choice::Choice;

/// What the page of this charger's log asks; `None` when the page refuses the address.
pub fn by_page(parameters: &str, charger: &ChargerId, now: Timestamp) -> Option<CallsQuery> {
    let choice: Choice = serde_urlencoded::from_str(parameters).ok()?;
    Some(choice.query(charger, now))
}

/// The parameters under which that page links to itself.
pub fn page_link(parameters: &str) -> Option<String> {
    let choice: Choice = serde_urlencoded::from_str(parameters).ok()?;
    Some(choice.parameters().trim_start_matches('?').to_owned())
}

/// What `GET /api/v1/calls` asks.
///
/// # Errors
/// Says why the address is refused.
pub fn by_api(parameters: &str) -> Result<CallsQuery, String> {
    understood::<CallsParameters>(parameters).map(CallsParameters::query)
}
