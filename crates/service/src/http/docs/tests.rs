//! The pages as browsers get them.

use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

async fn get_with(uri: &str, headers: &[(&str, &str)], docs: Docs) -> (Response, Vec<u8>) {
    let document = OpenApi::default();
    let router: Router = routes("/things", document, docs);
    let mut request = Request::builder().uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(axum::body::Body::empty()).unwrap();
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    (Response::from_parts(parts, axum::body::Body::empty()), body)
}

async fn get_plain(uri: &str) -> (Response, Vec<u8>) {
    get_with(uri, &[], Docs::Served).await
}

fn header(response: &Response, name: header::HeaderName) -> &str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// What the page names, with its digest.
async fn named_by_the_page() -> Vec<String> {
    let (response, body) = get_plain("/things/docs/index.html").await;
    assert_eq!(header(&response, header::CONTENT_TYPE), "text/html; charset=utf-8");
    assert_eq!(header(&response, header::CACHE_CONTROL), "no-cache");
    let page = String::from_utf8(body).unwrap();
    let links =
        page.split(['"']).filter(|part| part.contains("initializer") || part.contains("?v="));
    links.map(|link| link.trim_start_matches("./").to_owned()).collect()
}

#[tokio::test]
async fn the_page_names_files_by_their_digest_and_they_are_kept_for_good() {
    let named = named_by_the_page().await;
    assert_eq!(named.len(), 7, "{named:?}");
    for name in named {
        let (response, plain) = get_plain(&format!("/things/docs/{name}")).await;
        assert_eq!(response.status(), StatusCode::OK, "{name}");
        let kept =
            if name.contains("?v=") { "public, max-age=31536000, immutable" } else { "no-cache" };
        assert_eq!(header(&response, header::CACHE_CONTROL), kept, "{name}");
        assert_eq!(header(&response, header::CONTENT_ENCODING), "", "{name}");
        assert!(plain.len() > 100, "{name}");
        let without = name.split('?').next().unwrap();
        for other in [without.to_owned(), format!("{without}?v=0")] {
            let (response, _) = get_plain(&format!("/things/docs/{other}")).await;
            assert_eq!(header(&response, header::CACHE_CONTROL), "no-cache", "{other}");
        }
    }
}

#[tokio::test]
async fn files_are_compressed_for_those_who_ask() {
    for name in ["index.html", "openapi.json", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        let uri = format!("/things/docs/{name}");
        let (plain_response, plain) = get_plain(&uri).await;
        for (accepted, is_gzip) in [
            ("gzip", true),
            ("br, GZip;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000, *", false),
            ("*;q=0", false),
            ("identity, br", false),
            ("", false),
        ] {
            let sent = [("accept-encoding", accepted)];
            let (response, body) = get_with(&uri, &sent, Docs::Served).await;
            assert_eq!(header(&response, header::VARY), "accept-encoding");
            let encoding = header(&response, header::CONTENT_ENCODING);
            assert_eq!(encoding, if is_gzip { "gzip" } else { "" }, "{name} {accepted}");
            let (tag, plain_tag) =
                (header(&response, header::ETAG), header(&plain_response, header::ETAG));
            assert_eq!(tag == plain_tag, !is_gzip, "{name} {accepted}");
            let mut unpacked = Vec::new();
            if is_gzip {
                let mut decoder = flate2::read::GzDecoder::new(body.as_slice());
                std::io::Read::read_to_end(&mut decoder, &mut unpacked).unwrap();
            }
            assert_eq!(if is_gzip { unpacked } else { body }, plain, "{name} {accepted}");
        }
    }
}

#[tokio::test]
async fn a_copy_that_is_current_is_not_sent_again() {
    let uri = "/things/docs/swagger-ui.css";
    let gzip = ("accept-encoding", "gzip");
    let (response, _) = get_with(uri, &[gzip], Docs::Served).await;
    let tag = header(&response, header::ETAG).to_owned();
    for (sent, status) in [
        (tag.clone(), 304),
        (format!("W/{tag}"), 304),
        (format!("\"other\", {tag}"), 304),
        ("*".to_owned(), 304),
        ("\"other\"".to_owned(), 200),
    ] {
        let sent = [gzip, ("if-none-match", sent.as_str())];
        let (response, body) = get_with(uri, &sent, Docs::Served).await;
        assert_eq!((response.status().as_u16(), body.is_empty()), (status, status == 304));
        assert_eq!(header(&response, header::ETAG), tag);
    }
    // The compressed and the plain file are two.
    let (response, _) = get_with(uri, &[("if-none-match", &tag)], Docs::Served).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_initializer_names_the_document() {
    let (_, body) = get_plain("/things/docs/swagger-initializer.js").await;
    assert!(String::from_utf8(body).unwrap().contains("/things/docs/openapi.json"));
    let (response, _) = get_plain("/things/docs").await;
    assert_eq!(header(&response, header::LOCATION), "/things/docs/");
    let (response, _) = get_plain("/things/docs/").await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_there_or_switched_off_is_not_found() {
    for name in ["swagger-ui.js", "..", "x", "openapi.json/x"] {
        let (response, _) = get_plain(&format!("/things/docs/{name}")).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{name}");
    }
    for path in ["", "/", "/index.html", "/openapi.json", "/swagger-ui.css"] {
        let (response, _) = get_with(&format!("/things/docs{path}"), &[], Docs::Off).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
}
