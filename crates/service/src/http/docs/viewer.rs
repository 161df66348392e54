//! The files of Swagger UI. Its page names them with their digest, so that a browser may keep them
//! for good and still has the right ones after an upgrade.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use utoipa_swagger_ui::{Config, SwaggerFile, serve};

use super::file::File;

/// Tells the viewer where the document is: the one file that each service has its own of.
pub(super) const INITIALIZER: &str = "swagger-initializer.js";

/// What the page loads besides. The package has more, which nothing asks for.
const FILES: [(&str, &str); 6] = [
    ("swagger-ui.css", "text/css"),
    ("index.css", "text/css"),
    ("favicon-32x32.png", "image/png"),
    ("favicon-16x16.png", "image/png"),
    ("swagger-ui-bundle.js", "text/javascript"),
    ("swagger-ui-standalone-preset.js", "text/javascript"),
];

static VIEWER: LazyLock<HashMap<&'static str, File>> = LazyLock::new(|| {
    let mut files: HashMap<_, _> = FILES
        .iter()
        .map(|(name, content_type)| {
            let packed = packaged(name, Config::default());
            (*name, File::from_gzip(content_type, packed.bytes))
        })
        .collect();
    let packed = File::from_gzip("text/html", packaged("index.html", Config::default()).bytes);
    let mut page = String::from_utf8(packed.plain().to_vec()).expect("the page is UTF-8");
    for (name, file) in &files {
        page = page.replace(&format!("{name}\""), &format!("{name}?v={}\"", file.digest()));
    }
    files.insert("index.html", File::new("text/html; charset=utf-8", page.as_bytes()));
    files
});

/// A file that all services have in common.
pub(super) fn file(name: &str) -> Option<&'static File> {
    VIEWER.get(name)
}

/// The initializer for the document at this path.
pub(super) fn initializer(specification: String) -> File {
    let config = Config::from(specification)
        .deep_linking(true)
        .display_request_duration(true)
        .persist_authorization(true)
        .validator_url("none");
    File::new("text/javascript", &packaged(INITIALIZER, config).bytes)
}

fn packaged(name: &str, config: Config<'static>) -> SwaggerFile<'static> {
    let found = serve(name, Arc::new(config)).expect("the package's own files can be read");
    found.expect("the file is part of the package, or the tests of this module fail")
}
