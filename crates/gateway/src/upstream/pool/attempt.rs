//! One try: a request to one address, and what became of it. Answers are read whole, within a
//! bound: a service that dies in the middle of one is noticed while there is still a choice, a
//! client never gets half an answer, and the time limit covers all of it. Our services' answers are
//! small.

use std::{error::Error, io};

use axum::{
    body::{Body, Bytes},
    http::{Request, request::Parts, uri::Uri},
    response::Response,
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use service::{
    contract::identity::is_refusal,
    http::{problem::chain, route},
};

use super::{
    member::{Fault, Member},
    retry::says_unavailable,
};

/// Largest answer, in bytes. The largest there is, a script of the documentation, has 1.5 million.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

type BoxError = Box<dyn Error + Send + Sync>;

/// What became of a try.
pub(super) enum Outcome {
    /// An answer.
    Answered(Response),
    /// An answer by which the service has done nothing, and may later.
    Unavailable(Response),
    /// The service does not believe who we say is calling, and has done nothing.
    Refused,
    /// The request certainly did not arrive.
    NotReceived(BoxError),
    /// The connection broke, or the answer makes no sense. What was done is unknown.
    Broken(BoxError),
    /// There was no answer in time. What was done is unknown.
    Silent,
}

impl Outcome {
    /// The reasons for which there may be another try.
    pub(super) const REASONS: [&str; 5] =
        ["unavailable", "refused", "not_received", "broken", "silent"];

    /// The reason for another try, as metrics name it.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Unavailable(_) => "unavailable",
            Self::Refused => "refused",
            Self::NotReceived(_) => "not_received",
            Self::Broken(_) => "broken",
            Self::Silent => "silent",
        }
    }
}

/// Sends the request to the address, and tells the address how that went.
pub(super) async fn attempt(member: &Member, parts: &Parts, body: &Bytes) -> Outcome {
    let _in_flight = member.begin();
    let request = match address_request(member, parts, body) {
        Ok(request) => request,
        Err(error) => return Outcome::NotReceived(error.into()),
    };
    let response = match member.client().request(request).await {
        Ok(response) => response,
        Err(error) => {
            let fault = if is_refused(&error) { Fault::Refused } else { Fault::Broken };
            member.failed(fault, &chain(&error));
            let is_unsent = error.is_connect() || is_unsent(&error);
            let error = error.into();
            return if is_unsent { Outcome::NotReceived(error) } else { Outcome::Broken(error) };
        }
    };
    let (parts, body) = response.into_parts();
    match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
        Ok(body) => {
            member.answered();
            let body = body.to_bytes();
            if is_refusal(parts.status, &parts.headers) {
                return Outcome::Refused;
            }
            let is_unavailable = says_unavailable(parts.status, &body);
            let mut response = Response::from_parts(parts, Body::from(body));
            route::hear(&mut response);
            if is_unavailable {
                Outcome::Unavailable(response)
            } else {
                Outcome::Answered(response)
            }
        }
        Err(error) => {
            // Too long an answer is a defect of the service, but the address works.
            if !error.is::<LengthLimitError>() {
                member.failed(Fault::Broken, &chain(&*error));
            }
            Outcome::Broken(error)
        }
    }
}

/// The same request, with the address in its URI, which is where the client looks for it.
fn address_request(
    member: &Member,
    parts: &Parts,
    body: &Bytes,
) -> Result<Request<Full<Bytes>>, axum::http::Error> {
    let path_and_query = parts.uri.path_and_query().map_or("/", |found| found.as_str());
    let uri = Uri::builder()
        .scheme("http")
        .authority(member.address().to_string())
        .path_and_query(path_and_query)
        .build()?;
    let mut request = Request::new(Full::new(body.clone()));
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = parts.headers.clone();
    Ok(request)
}

/// Whether nobody listens at the address.
pub(super) fn is_refused(error: &(dyn Error + 'static)) -> bool {
    any_cause(error, |cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    })
}

/// Whether the connection was found closed before a byte of the request was written: hyper gives
/// exactly these requests back as cancelled (`hyper::client::dispatch::TrySendError`).
fn is_unsent(error: &(dyn Error + 'static)) -> bool {
    any_cause(error, |cause| {
        cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled)
    })
}

fn any_cause(error: &(dyn Error + 'static), test: impl Fn(&(dyn Error + 'static)) -> bool) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if test(error) {
            return true;
        }
        cause = error.source();
    }
    false
}
