//! What refusing identities counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::Refusal;
use crate::metrics::counted_from_zero;

/// Metrics of a verifier; clones share everything.
#[derive(Debug, Clone)]
pub(super) struct IdentityMetrics(Family<RefusalLabels, Counter>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    reason: &'static str,
}

impl Default for IdentityMetrics {
    fn default() -> Self {
        Self(counted_from_zero(["missing", "invalid"].map(|reason| RefusalLabels { reason })))
    }
}

impl IdentityMetrics {
    pub(super) fn register(&self, service: &'static str, registry: &mut Registry) {
        let label = ("service".into(), service.into());
        registry.sub_registry_with_label(label).register(
            "mypay_identity_refusals",
            "Calls without an identity, or with one that is not signed for them",
            self.0.clone(),
        );
    }

    pub(super) fn count(&self, refusal: Refusal) {
        let reason = if refusal == Refusal::Missing { "missing" } else { "invalid" };
        self.0.get_or_create(&RefusalLabels { reason }).inc();
    }
}
