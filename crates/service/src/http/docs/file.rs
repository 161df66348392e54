//! A file that does not change while the process runs: compressed, with its digest as its tag, and
//! with answers to conditional requests (RFC 9110, section 13).

use std::{
    borrow::Cow,
    io::{Read, Write},
    sync::OnceLock,
};

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{
            ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
            VARY,
        },
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use sha2::{Digest, Sha256};

/// For a request that names the digest: what it gets can never be anything else.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
/// For every other: the browser asks each time whether its copy is current.
const ASK_AGAIN: &str = "no-cache";

pub(super) struct File {
    content_type: &'static str,
    digest: String,
    gzip: Bytes,
    /// Unpacked for the first client that takes nothing else.
    plain: OnceLock<Bytes>,
}

impl File {
    /// A file of these bytes.
    pub(super) fn new(content_type: &'static str, plain: &[u8]) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let gzip = encoder.write_all(plain).and_then(|()| encoder.finish());
        let gzip = gzip.expect("writing to memory does not fail");
        Self::from_gzip(content_type, Cow::Owned(gzip))
    }

    /// A file of these bytes, which are compressed already.
    pub(super) fn from_gzip(content_type: &'static str, gzip: Cow<'static, [u8]>) -> Self {
        let gzip = match gzip {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        let digest = Sha256::digest(&gzip);
        let digest = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { content_type, digest, gzip, plain: OnceLock::new() }
    }

    /// Half of its SHA-256, in hexadecimal digits.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// Its bytes, not compressed.
    pub(super) fn plain(&self) -> Bytes {
        let unpacked = self.plain.get_or_init(|| {
            let mut plain = Vec::new();
            let read = GzDecoder::new(self.gzip.as_ref()).read_to_end(&mut plain);
            read.expect("what was compressed at the build or here can be unpacked");
            Bytes::from(plain)
        });
        unpacked.clone()
    }

    /// Answers a request with this query and these headers.
    pub(super) fn answer(&self, query: Option<&str>, headers: &HeaderMap) -> Response {
        let is_gzip = accepts_gzip(headers);
        let tag = format!("\"{}{}\"", self.digest, if is_gzip { "-gzip" } else { "" });
        let is_named = query.and_then(|query| query.strip_prefix("v=")) == Some(&self.digest);
        let mut response = if is_current(headers, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let body = if is_gzip { self.gzip.clone() } else { self.plain() };
            let mut response = Response::new(Body::from(body));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
            if is_gzip {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            response
        };
        let headers = response.headers_mut();
        let tag = HeaderValue::from_str(&tag).expect("hexadecimal digits are visible ASCII");
        headers.insert(ETAG, tag);
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        let caching = if is_named { FOR_GOOD } else { ASK_AGAIN };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        response
    }
}

/// Whether the client's copy is the one that it would get. Tags are compared weakly.
fn is_current(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|found| found == "*" || found.strip_prefix("W/").unwrap_or(found) == tag)
}

/// Whether the client asks for gzip, or for anything (RFC 9110, section 12.5.3). One that names no
/// encoding gets none.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let (mut gzip, mut any) = (None, None);
    for element in values.flat_map(|value| value.split(',')) {
        let (coding, parameters) = element.split_once(';').unwrap_or((element, ""));
        let quality = parameters.trim().strip_prefix("q=").unwrap_or("1");
        let is_wanted = quality.parse::<f32>().is_ok_and(|quality| quality > 0.0);
        match coding.trim() {
            coding if coding.eq_ignore_ascii_case("gzip") => gzip = Some(is_wanted),
            "*" => any = Some(is_wanted),
            _ => {}
        }
    }
    gzip.or(any).unwrap_or(false)
}
