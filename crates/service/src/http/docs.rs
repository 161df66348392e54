//! Serves a service's OpenAPI document and a viewer for it. The viewer's assets are in the binary.

use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// `{prefix}/docs/index.html` and `{prefix}/docs/openapi.json`.
pub fn routes<S: Clone + Send + Sync + 'static>(prefix: &str, document: OpenApi) -> Router<S> {
    let specification = format!("{prefix}/docs/openapi.json");
    SwaggerUi::new(format!("{prefix}/docs"))
        .url(specification.clone(), document)
        .config(
            Config::from(specification)
                .deep_linking(true)
                .display_request_duration(true)
                .persist_authorization(true)
                .validator_url("none"),
        )
        .into()
}
