//! The trace of a batch. It serves many requests at once, so it is a trace of its own, with links
//! to those of its requests that are traced; and each of those has a span for its time in the
//! queue, with a link back.

use service::trace::Span;
use tokio::time::Instant;

use super::queue::Waiting;

/// A lane goes on with these jobs, which it has taken some time ago. Nothing unless one of them is
/// traced.
pub(super) fn begin_batch(jobs: &[Waiting], taken: Instant) -> Span {
    let places = jobs.iter().filter_map(|waiting| waiting.place.clone());
    let span = Span::for_all_of("batch", places, taken.elapsed());
    if !span.is_recorded() {
        return span;
    }
    span.set("batch.jobs", i64::try_from(jobs.len()).unwrap_or(i64::MAX));
    for waiting in jobs {
        if let Some(place) = &waiting.place {
            span.take_over(place, "queue", waiting.waited(taken), taken.elapsed());
        }
    }
    span
}
