//! Chargers: which there are and how they are, and one of them at a glance.

use axum::Router;

use crate::state::AppState;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
}
