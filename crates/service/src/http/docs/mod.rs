//! Serves a service's OpenAPI document and a viewer for it. The viewer's files are in the binary,
//! compressed. Browsers keep what cannot change, and ask again for the rest with its digest.

mod file;
mod viewer;

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, Uri},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use utoipa::openapi::OpenApi;

use self::file::File;
use super::problem::{NOT_FOUND, Problem};

/// Whether a service serves its documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Docs {
    /// To everyone who reaches the service.
    Served,
    /// Its paths are not there.
    Off,
}

/// What a service's documentation is made from.
struct Documentation {
    /// Where the document is.
    specification_path: String,
    document: OpenApi,
    /// Made when they are first asked for.
    specification: OnceLock<File>,
    initializer: OnceLock<File>,
}

/// `{prefix}/docs/index.html`, `{prefix}/docs/openapi.json` and the files of the viewer.
pub fn routes<S: Clone + Send + Sync + 'static>(
    prefix: &str,
    document: OpenApi,
    docs: Docs,
) -> Router<S> {
    if docs == Docs::Off {
        return Router::new();
    }
    let page = format!("{prefix}/docs/");
    let documentation = Arc::new(Documentation {
        specification_path: format!("{page}openapi.json"),
        document,
        specification: OnceLock::new(),
        initializer: OnceLock::new(),
    });
    let [of_specification, of_index, of_files] = [(); 3].map(|()| Arc::clone(&documentation));
    Router::new()
        .route(
            &documentation.specification_path,
            get(async move |uri: Uri, headers: HeaderMap| {
                of_specification.answer("openapi.json", &uri, &headers)
            }),
        )
        .route(
            &page,
            get(async move |uri: Uri, headers: HeaderMap| {
                of_index.answer("index.html", &uri, &headers)
            }),
        )
        .route(
            &format!("{page}{{file}}"),
            get(async move |Path(name): Path<String>, uri: Uri, headers: HeaderMap| {
                of_files.answer(&name, &uri, &headers)
            }),
        )
        .route(&format!("{prefix}/docs"), get(async move || Redirect::to(&page)))
}

impl Documentation {
    fn answer(&self, name: &str, uri: &Uri, headers: &HeaderMap) -> Response {
        let file = match name {
            "openapi.json" => self.specification.get_or_init(|| self.write_specification()),
            viewer::INITIALIZER => self
                .initializer
                .get_or_init(|| viewer::initializer(self.specification_path.clone())),
            name => match viewer::file(name) {
                Some(file) => file,
                None => return Problem::new(&NOT_FOUND).into_response(),
            },
        };
        file.answer(uri.query(), headers)
    }

    fn write_specification(&self) -> File {
        let json = serde_json::to_vec(&self.document).expect("an OpenAPI document is plain data");
        File::new("application/json", &json)
    }
}

#[cfg(test)]
mod tests;
