//! Middleware in front of a service's routes: only what is signed gets past it, as the typed
//! extension that the service would see in one process with the gateway.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{HeaderMap, StatusCode, body::Body as _, header::HeaderValue, http::request::Parts};

use super::{Party, Refusal, Subject, Verifier, X_MY_PAY_IDENTITY};
use crate::http::{
    fields::BODY_BYTES_MAX,
    finish::problem_response,
    health,
    problem::{
        CONTENT_TOO_LARGE, INCOMPLETE_BODY, Problem, REQUEST_TIMEOUT, UNTRUSTED_IDENTITY, chain,
    },
    request_id::{RequestId, X_REQUEST_ID},
};
use crate::trace;

/// How long a body may take after its head. Whoever could sign has it whole already.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

struct Guard {
    verifier: Verifier,
    accepts: Accepts,
}

/// Who may call.
enum Accepts {
    /// The gateway, for its clients; and anybody may ask for health and read the documentation.
    Callers { prefix: &'static str },
    /// Those services among the others, for themselves.
    Services { issuers: &'static [Party] },
}

/// Puts a service's routes, of which all but the health ones are below `prefix`, behind the
/// signature of the gateway. What gets in has the extensions `Caller` and `RequestId`, and no
/// identity header any more. Open to everybody: `/livez`, `/readyz`, the ping, the documentation.
pub fn guard(router: Router, verifier: Verifier, prefix: &'static str) -> Router {
    wrap(router, Guard { verifier, accepts: Accepts::Callers { prefix } })
}

/// Puts routes behind the signature of one of these services.
pub(crate) fn guard_services(
    router: Router,
    verifier: Verifier,
    issuers: &'static [Party],
) -> Router {
    wrap(router, Guard { verifier, accepts: Accepts::Services { issuers } })
}

/// Whether a service refused the identity that came with a request: its keys or its clock are not
/// ours. It did nothing, and the client is not to blame.
pub fn is_refusal(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::UNAUTHORIZED && headers.contains_key(X_MY_PAY_IDENTITY)
}

fn wrap(router: Router, guard: Guard) -> Router {
    router.layer(middleware::from_fn_with_state(Arc::new(guard), check))
}

async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if guard.accepts.is_open(parts.uri.path()) {
        parts.headers.remove(X_MY_PAY_IDENTITY);
        // Nobody has signed it, so it is no part of anybody's trace.
        trace::forget(&mut parts.headers);
        let request_id = RequestId::accept_or_make(&parts.headers, guard.verifier.now());
        parts.extensions.insert(request_id);
        return next.run(Request::from_parts(parts, body)).await;
    }
    match guard.admit(&mut parts, body).await {
        Ok(body) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => {
            let request_id = RequestId::accept_or_make(&parts.headers, guard.verifier.now());
            let is_refusal = problem.kind == &UNTRUSTED_IDENTITY;
            let mut response = problem_response(problem, &parts.uri, &request_id);
            if is_refusal {
                let refused = HeaderValue::from_static("refused");
                response.headers_mut().insert(X_MY_PAY_IDENTITY, refused);
            }
            response
        }
    }
}

impl Guard {
    /// Makes the extensions of what the header says, and hands back the body, whole.
    async fn admit(&self, parts: &mut Parts, body: Body) -> Result<Body, Problem> {
        let verified = self.verifier.verify(parts).map_err(|refusal| self.refuse(refusal))?;
        let caller = match (&self.accepts, verified.subject, verified.issuer) {
            (Accepts::Callers { .. }, Subject::Caller(caller), Party::Gateway) => Some(caller),
            (Accepts::Services { issuers }, Subject::Service, issuer)
                if issuers.contains(&issuer) =>
            {
                None
            }
            _ => return Err(self.refuse(Refusal::Subject)),
        };
        let body = read(body).await?;
        verified.is_for(parts, &body).map_err(|refusal| self.refuse(refusal))?;
        parts.headers.remove(X_MY_PAY_IDENTITY);
        match HeaderValue::from_str(&verified.request_id) {
            Ok(request_id) => parts.headers.insert(X_REQUEST_ID, request_id),
            Err(_) => parts.headers.remove(X_REQUEST_ID),
        };
        // The signed id, unless the sender had none.
        let request_id = RequestId::accept_or_make(&parts.headers, self.verifier.now());
        parts.extensions.insert(request_id);
        if let Some(caller) = caller {
            parts.extensions.insert(caller);
        }
        Ok(Body::from(body))
    }

    /// One answer for every reason: what is wrong with a forgery is not for its maker to learn.
    fn refuse(&self, refusal: Refusal) -> Problem {
        self.verifier.metrics.count(refusal);
        // What anybody gets who looks at the port is not worth a line each.
        if refusal == Refusal::Missing {
            tracing::debug!("a request without an identity was refused");
        } else {
            tracing::warn!(error = %chain(&refusal), "a request's identity was refused");
        }
        Problem::new(&UNTRUSTED_IDENTITY)
            .detail("This service is reached through the gateway only.")
    }
}

impl Accepts {
    fn is_open(&self, path: &str) -> bool {
        let Self::Callers { prefix } = self else { return false };
        if health::route_of(path).is_some() {
            return true;
        }
        match path.strip_prefix(prefix) {
            Some(below) => matches!(below, "/health/ping" | "/docs") || below.starts_with("/docs/"),
            None => false,
        }
    }
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let whole = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_TIMEOUT, whole).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::new(&CONTENT_TOO_LARGE)),
        Ok(Err(_)) => Err(Problem::new(&INCOMPLETE_BODY)),
        Err(_) => Err(Problem::new(&REQUEST_TIMEOUT)),
    }
}
