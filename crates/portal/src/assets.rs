//! The two files that pages name: `app.css` and `app.js`, in the program itself. Their names on the pages
//! carry their hash, so that browsers may keep them for ever.

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

use crate::refusal::Refusal;
use crate::state::AppState;

#[derive(RustEmbed)]
#[folder = "assets"]
struct Assets;

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/assets/{name}", get(asset))
}

/// The address of a file, for a page.
pub(crate) fn address(name: &str) -> String {
    let file = Assets::get(name).expect("pages name files that exist");
    let hash: String = file.metadata.sha256_hash()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("/assets/{name}?{hash}")
}

async fn asset(Path(name): Path<String>) -> Response {
    let Some(file) = Assets::get(&name) else {
        return Refusal::not_found("There is no such file", "Load the page again.").into_response();
    };
    let kind = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, file.data).into_response()
}
