//! `/configuration`: whether proxy.toml is in force as it stands.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::client::Client;
use super::problem::Problem;
use crate::access::Role;
use crate::configuration::RefusedConfiguration;
use crate::state::AppState;

/// How it is with proxy.toml.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Configuration {
    /// The last edit, if it was not valid: what was in force before stays in force. Null when the file is in force.
    refused: Option<Refused>,
}

/// An edit that is not in force.
#[derive(Debug, Serialize, ToSchema)]
struct Refused {
    /// When it was read; UTC, milliseconds since 1970.
    unix_ms: i64,
    /// What is wrong with it; null for viewers.
    errors: Option<Vec<ConfigurationError>>,
}

/// Something that is wrong.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigurationError {
    /// Counted from 1.
    line: usize,
    /// Counted from 1, in characters.
    column: usize,
    /// What it is, and what would do.
    message: String,
}

/// Says whether proxy.toml is in force as it stands.
///
/// An edit that is not valid changes nothing until it is mended.
#[utoipa::path(get, path = "/configuration", tag = "Proxy", operation_id = "get_configuration",
    responses((status = 200, description = "How it is.", body = Configuration)))]
pub(super) async fn show(
    client: Client,
    State(state): State<AppState>,
) -> Result<Json<Configuration>, Problem> {
    let refused = state.refused_configuration();
    Ok(Json(Configuration { refused: refused.map(|refused| shown(&refused, client.role)) }))
}

fn shown(refused: &RefusedConfiguration, role: Role) -> Refused {
    let errors = refused.errors.iter().map(|error| ConfigurationError {
        line: error.line,
        column: error.column,
        message: error.message.clone(),
    });
    Refused { unix_ms: refused.unix_ms, errors: (role == Role::Operator).then(|| errors.collect()) }
}
