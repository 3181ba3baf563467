//! The API: everything that the pages show and do, as JSON under `/api/v1`, with tokens. Its document,
//! `/api/v1/openapi.json`, is made from the handlers themselves.

pub(crate) mod calls;
mod chargers;
mod client;
mod comparison;
mod configuration;
mod deliveries;
mod entrance;
pub(crate) mod parameters;
pub(crate) mod problem;
mod proxy;
pub(crate) mod read;
mod tail;
mod transactions;
mod why;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, Ref, RefOr, Response};
use utoipa::{Modify, OpenApi, ToResponse};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::problem::Problem;
use crate::limits::FORM_BYTES;
use crate::state::AppState;

/// Where the API is.
const BASE: &str = "/api/v1";
/// The name of its way to prove who asks, in the document.
const TOKEN: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "ocpp-proxy",
        description = "What the portal shows and does, for programs. Ask with a token of `[[portal.tokens]]` in \
            proxy.toml: a viewer's may look, an operator's may change. Times are UTC in milliseconds since \
            1970, payloads JSON text as it was on the wire. Lists come in pages: while `next` is not null, \
            ask for the following one. What cannot be answered is a problem (RFC 9457) that names its \
            cause and the remedy.",
    ),
    components(schemas(Problem), responses(Malformed, Unauthorized, Forbidden, NotFound, TooSlow, Conflict, TooLarge, NotJson, Busy)),
    modifiers(&Everywhere),
)]
struct Description;

/// The request is not as this document says.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
#[expect(dead_code, reason = "stands in the document alone")]
struct Malformed(Problem);

/// The request bears no token that is known.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
#[expect(dead_code, reason = "stands in the document alone")]
struct Unauthorized(Problem);

/// The token may look and not change anything.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
#[expect(dead_code, reason = "stands in the document alone")]
struct Forbidden(Problem);

/// What the address names is not known.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
#[expect(dead_code, reason = "stands in the document alone")]
struct NotFound(Problem);

/// The body took too long to arrive.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
#[expect(dead_code, reason = "stands in the document alone")]
struct TooSlow(Problem);

/// proxy.toml does not allow it.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
#[expect(dead_code, reason = "stands in the document alone")]
struct Conflict(Problem);

/// The body is too large.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
#[expect(dead_code, reason = "stands in the document alone")]
struct TooLarge(Problem);

/// The body is not labelled as JSON.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
#[expect(dead_code, reason = "stands in the document alone")]
struct NotJson(Problem);

/// The store cannot answer at the moment.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
#[expect(dead_code, reason = "stands in the document alone")]
struct Busy(Problem);

/// What holds for every operation.
struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, document: &mut Document) {
        let scheme = Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("`ocpp-proxy hash-token` makes a token and the lines for proxy.toml."));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(TOKEN, SecurityScheme::Http(scheme.build()));
        document.security = Some(vec![SecurityRequirement::new(TOKEN, [""; 0])]);
    }
}

/// The routes, and the document made from them.
fn described() -> (Router<AppState>, Document) {
    let (router, mut document) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(chargers::list))
        .routes(routes!(chargers::one))
        .routes(routes!(calls::list))
        .routes(routes!(calls::one))
        .routes(routes!(calls::occurrences))
        .routes(routes!(tail::follow))
        .routes(routes!(proxy::show))
        .routes(routes!(proxy::lead, proxy::lead_by_file))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::retry))
        .routes(routes!(deliveries::forget))
        .routes(routes!(entrance::knocking))
        .routes(routes!(entrance::chargers))
        .routes(routes!(entrance::admit))
        .routes(routes!(entrance::remove))
        .routes(routes!(entrance::allow_plain))
        .routes(routes!(entrance::forget))
        .routes(routes!(comparison::compare))
        .routes(routes!(configuration::show))
        .routes(routes!(why::why))
        .routes(routes!(transactions::list))
        .split_for_parts();
    for (status, name) in [("400", "Malformed"), ("401", "Unauthorized"), ("503", "Busy")] {
        for item in document.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                let response: RefOr<Response> = RefOr::Ref(Ref::from_response_name(name));
                operation.responses.responses.entry(status.to_owned()).or_insert(response);
            }
        }
    }
    document.paths.paths =
        document.paths.paths.into_iter().map(|(path, item)| (format!("{BASE}{path}"), item)).collect();
    (router, document)
}

/// The document, as text.
static DOCUMENT: LazyLock<Arc<str>> = LazyLock::new(|| {
    let text = described().1.to_pretty_json().expect("a document is always JSON");
    text.into()
});

pub(crate) fn routes() -> Router<AppState> {
    let api = described()
        .0
        .route("/openapi.json", get(document))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_that_way)
        .layer(DefaultBodyLimit::max(FORM_BYTES));
    Router::new().nest(BASE, api)
}

async fn document() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.to_string())
}

async fn nowhere(uri: Uri) -> Problem {
    let detail = format!("The API has nothing at {}.", uri.path());
    let remedy = "/api/v1/openapi.json says what there is.";
    Problem::new(StatusCode::NOT_FOUND, "There is no such address", detail, remedy)
}

async fn not_that_way(method: Method) -> Problem {
    let detail = format!("This address does not take {method}.");
    let remedy = "/api/v1/openapi.json says what it takes.";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Not with this method", detail, remedy)
}

#[cfg(test)]
mod tests;
