//! Asks one address again and again whether it is ready, and keeps its circuit: open while nobody
//! answers, half open while one question decides, closed once it says that it is ready.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    http::{StatusCode, Uri},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use service::http::problem::chain;
use tokio::time::{sleep, timeout};

use super::{
    attempt::is_refused,
    member::{Member, Standing},
    random::Random,
};

/// Largest report on readiness, in bytes.
const REPORT_BYTES_MAX: usize = 64 * 1024;

/// What an address said.
enum Verdict {
    Ready,
    /// An answer that is not yes.
    NotReady(String),
    /// Nobody listens there. Asking costs nobody anything.
    Refused(String),
    /// Something is there, and does not answer.
    Silent(String),
}

/// Asks until it is dropped; the first time at once.
pub(super) async fn probe(member: Arc<Member>, random: Arc<Random>) {
    let mut pauses = Pauses::new(&member);
    let mut wait = Duration::ZERO;
    loop {
        tokio::select! {
            () = sleep(wait) => {}
            () = member.opened() => {
                // A request found out first. The pause begins now.
                wait = random.jitter(pauses.after_opening(&member));
                continue;
            }
        }
        let openings = member.openings();
        if member.is_open() {
            member.half_open();
        }
        let verdict = ask(&member).await;
        let has_answered = member.take_answered();
        let interval = member.config().health_interval;
        wait = random.jitter(match verdict {
            Verdict::Ready => {
                pauses.settle(&member);
                member.become_ready(openings);
                interval
            }
            Verdict::NotReady(why) => {
                member.become_doubtful(&why);
                interval
            }
            Verdict::Refused(why) => {
                member.open(Standing::Out, &why);
                interval
            }
            // Slow, but at work: its requests know better.
            Verdict::Silent(_) if has_answered => interval,
            Verdict::Silent(why) => match member.standing() {
                Standing::Ready => {
                    member.become_doubtful(&why);
                    interval
                }
                Standing::Doubtful | Standing::Silent | Standing::Out => {
                    member.open(Standing::Silent, &why);
                    pauses.longer()
                }
            },
        });
    }
}

/// How long an open circuit pauses: twice as long each time that it opens again before the address
/// has come back to its full share.
struct Pauses {
    next: Duration,
    first: Duration,
    max: Duration,
}

impl Pauses {
    fn new(member: &Member) -> Self {
        let config = member.config();
        let first = config.circuit_pause;
        Self { next: first, first, max: config.circuit_pause_max }
    }

    /// After a request has opened the circuit.
    fn after_opening(&mut self, member: &Member) -> Duration {
        if !member.is_ramping_up() {
            self.next = self.first;
        }
        self.longer()
    }

    fn longer(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.max);
        pause
    }

    /// After it was ready for as long as a slow start takes.
    fn settle(&mut self, member: &Member) {
        if member.standing() == Standing::Ready && !member.is_ramping_up() {
            self.next = self.first;
        }
    }
}

async fn ask(member: &Member) -> Verdict {
    let limit = member.config().health_timeout;
    match timeout(limit, ask_unbounded(member)).await {
        Ok(verdict) => verdict,
        Err(_) => Verdict::Silent(format!("/readyz took more than {} ms", limit.as_millis())),
    }
}

async fn ask_unbounded(member: &Member) -> Verdict {
    let mut request = Request::new(Full::new(Bytes::new()));
    *request.uri_mut() = match readyz(member) {
        Ok(uri) => uri,
        Err(error) => return Verdict::NotReady(error.to_string()),
    };
    let response = match member.client().request(request).await {
        Ok(response) => response,
        Err(error) => {
            let why = chain(&error);
            return if is_refused(&error) { Verdict::Refused(why) } else { Verdict::Silent(why) };
        }
    };
    let (parts, body) = response.into_parts();
    // Read to the end, so that the connection can be used again.
    match Limited::new(body, REPORT_BYTES_MAX).collect().await {
        Ok(_) if parts.status == StatusCode::OK => Verdict::Ready,
        Ok(_) => Verdict::NotReady(format!("/readyz answers {}", parts.status)),
        Err(error) => Verdict::Silent(chain(&*error)),
    }
}

fn readyz(member: &Member) -> Result<Uri, axum::http::Error> {
    Uri::builder()
        .scheme("http")
        .authority(member.address().to_string())
        .path_and_query("/readyz")
        .build()
}

#[cfg(test)]
mod tests {
    use service::clock::{Clock, Timestamp};

    use super::*;
    use crate::{metrics::Metrics, upstream::pool::PoolConfig};

    #[test]
    fn pauses_double_until_the_address_is_back_for_good() {
        let clock = Clock::held(Timestamp::from_micros(1));
        let config = PoolConfig::default();
        let address = "127.0.0.1:1".parse().unwrap();
        let member = Member::new("things", address, &config, &clock, &Metrics::default());
        let mut pauses = Pauses::new(&member);
        for expected in [1, 2, 4, 8, 8] {
            member.become_ready(member.openings());
            clock.advance(config.slow_start / 2);
            pauses.settle(&member);
            assert_eq!(pauses.after_opening(&member), Duration::from_secs(expected));
            member.open(Standing::Out, "on purpose");
        }
        member.become_ready(member.openings());
        clock.advance(config.slow_start);
        assert_eq!(pauses.after_opening(&member), Duration::from_secs(1));
        assert_eq!(pauses.longer(), Duration::from_secs(2));
        pauses.settle(&member);
        assert_eq!(pauses.longer(), Duration::from_secs(1));
    }
}
