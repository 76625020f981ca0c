//! Where everything is, and what every request passes on its way there.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use super::extract::LARGEST;
use super::fault::Fault;
use super::openai::{chat, embeddings, models};
use super::{App, feedback, guard, metrics, page, rerank};

/// The description of the interfaces.
const OPENAPI: &str = include_str!("openapi.json");

/// The routes of a server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let doors = Arc::clone(&app.doors);
    let keyed = Router::new()
        .route("/v1/models", get(models::list))
        .route("/v1/models/{model}", get(models::one))
        .route("/v1/chat/completions", post(chat::complete))
        .route("/v1/embeddings", post(embeddings::embed))
        .route("/v1/rerank", post(rerank::rerank))
        .route("/v2/rerank", post(rerank::rerank))
        .route("/rerank", post(rerank::rerank))
        .route("/v1/feedback", post(feedback::keep))
        .route("/metrics", get(count))
        .route_layer(from_fn_with_state(Arc::clone(&doors), guard::inner));
    let open = Router::new()
        .route("/", get(page::html))
        .route("/page.css", get(page::css))
        .route("/page.js", get(page::js))
        .route("/icon.svg", get(page::icon))
        .route("/openapi.json", get(describe))
        .route("/health", get(health));
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(doors.origins.iter().cloned()))
        .allow_methods(Any)
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE]);
    open.merge(keyed)
        .fallback(|| async { Fault::no_route() })
        .method_not_allowed_fallback(|| async { Fault::no_method() })
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(cors)
        .layer(from_fn_with_state(doors, guard::outer))
        .layer(with_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(with_header(header::CACHE_CONTROL, "no-store"))
        .layer(from_fn_with_state(Arc::clone(&app), observe))
        .with_state(app)
}

/// A header of every answer that does not say otherwise.
fn with_header(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// Counts and logs a request; not what was said in it.
async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("other", MatchedPath::as_str);
    let response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    app.metrics.answered(route, status, took);
    tracing::info!(
        "{method} {route} {status} {:.1} ms",
        took.as_secs_f64() * 1e3
    );
    response
}

async fn describe() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

async fn health() -> impl IntoResponse {
    Json(json!({"status": "ok"}))
}

async fn count(State(app): State<Arc<App>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)],
        app.metrics.text(),
    )
}
