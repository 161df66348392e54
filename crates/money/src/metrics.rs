//! The money service's metrics, all of them. The names are in docs/metrics.md.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use ledger::{Command, Currency, Movement};
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder,
    },
    metrics::{
        MetricType,
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use service::metrics::{counted_from_zero, duration_histogram};

use crate::{
    engine::{Answer, EngineError},
    store::{CurrencyTotal, Reason, Totals},
};

/// Counted and measured by the money service; clones share everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    pub(crate) engine: Arc<EngineMetrics>,
    pub(crate) feed: FeedMetrics,
    pub(crate) conservation: ConservationMetrics,
}

impl Metrics {
    /// Makes them readable.
    pub(crate) fn register(&self, registry: &mut Registry) {
        self.engine.register(registry);
        self.feed.register(registry);
        self.conservation.register(registry);
    }
}

/// What the engine counts.
#[derive(Debug)]
pub(crate) struct EngineMetrics {
    transfers: Family<TransferLabels, Counter>,
    moved: Family<MovedLabels, Counter>,
    replays: Counter,
    pub(crate) queue_refusals: Counter,
    queue_seconds: Histogram,
    batch_jobs: Histogram,
    stages: [Histogram; 6],
    pub(crate) lanes: Gauge,
    lane_busy: Counter<f64, AtomicU64>,
    retries: Family<RetryLabels, Counter>,
}

/// A part of the time that a batch takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Asking Redis for the wallets' locks.
    Lock,
    /// Reading and locking rows, ids included.
    Load,
    /// Deciding, in memory.
    Decide,
    /// Writing rows.
    Persist,
    /// Committing.
    Commit,
    /// Waiting for the disk, beside the lane.
    Flush,
}

impl Stage {
    const ALL: [Self; 6] =
        [Self::Lock, Self::Load, Self::Decide, Self::Persist, Self::Commit, Self::Flush];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Load => "load",
            Self::Decide => "decide",
            Self::Persist => "persist",
            Self::Commit => "commit",
            Self::Flush => "flush",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TransferLabels {
    r#type: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MovedLabels {
    r#type: &'static str,
    currency: CurrencyLabel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RetryLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct CurrencyLabel(Currency);

impl EncodeLabelValue for CurrencyLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        self.0.code().encode(encoder)
    }
}

/// Batches of 1, 2, 4 and so on up to 4,096 jobs.
const BATCH_BUCKETS: u16 = 13;

impl Default for EngineMetrics {
    fn default() -> Self {
        let outcomes = ["completed", "overloaded", "unavailable", "outcome_unknown"];
        let transfers = ["transfer", "deposit", "withdrawal"]
            .into_iter()
            .flat_map(|r#type| outcomes.map(|outcome| TransferLabels { r#type, outcome }));
        let retries = Reason::ALL.map(|reason| RetryLabels { reason: reason.as_str() });
        Self {
            transfers: counted_from_zero(transfers),
            moved: Family::default(),
            replays: Counter::default(),
            queue_refusals: Counter::default(),
            queue_seconds: duration_histogram(),
            batch_jobs: Histogram::new(exponential_buckets(1.0, 2.0, BATCH_BUCKETS)),
            stages: Stage::ALL.map(|_| duration_histogram()),
            lanes: Gauge::default(),
            lane_busy: Counter::default(),
            retries: counted_from_zero(retries),
        }
    }
}

impl EngineMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "mypay_money_transfers",
            "Commands to move money, by what became of them; a command that is sent again counts \
             as a replay instead",
            self.transfers.clone(),
        );
        registry.register(
            "mypay_money_moved_minor",
            "Amounts that were moved, in the currency's minor unit",
            self.moved.clone(),
        );
        registry.register(
            "mypay_money_replays",
            "Answers that were given again, for a key that had been decided before",
            self.replays.clone(),
        );
        registry.register(
            "mypay_money_queue_refusals",
            "Jobs that were refused because the queue was full",
            self.queue_refusals.clone(),
        );
        registry.register_with_unit(
            "mypay_money_queue",
            "Time from a job's arrival in the queue to its batch",
            Unit::Seconds,
            self.queue_seconds.clone(),
        );
        registry.register(
            "mypay_money_batch_jobs",
            "Jobs that were taken together",
            self.batch_jobs.clone(),
        );
        registry.register_collector(Box::new(StageCollector(self.stages.clone())));
        registry.register("mypay_money_lanes", "Writers of this process", self.lanes.clone());
        registry.register_with_unit(
            "mypay_money_lane_busy",
            "Time that lanes had a batch in hand, all of them together",
            Unit::Seconds,
            self.lane_busy.clone(),
        );
        registry.register(
            "mypay_money_store_retries",
            "Batches that were decided again, by what stood in their way",
            self.retries.clone(),
        );
    }

    /// Measures a batch that a lane begins with.
    pub(crate) fn observe_batch(&self, jobs: usize, waits: impl Iterator<Item = Duration>) {
        #[expect(clippy::cast_precision_loss, reason = "a batch is bounded to thousands")]
        self.batch_jobs.observe(jobs as f64);
        waits.for_each(|waited| self.queue_seconds.observe(waited.as_secs_f64()));
    }

    pub(crate) fn observe_stage(&self, stage: Stage, took: Duration) {
        self.stages[stage as usize].observe(took.as_secs_f64());
    }

    pub(crate) fn count_busy(&self, took: Duration) {
        self.lane_busy.inc_by(took.as_secs_f64());
    }

    pub(crate) fn count_retry(&self, reason: Reason) {
        self.retries.get_or_create(&RetryLabels { reason: reason.as_str() }).inc();
    }

    /// Counts what a command came to.
    pub(crate) fn count_outcome(
        &self,
        r#type: &'static str,
        outcome: &Result<Answer, EngineError>,
    ) {
        let outcome = match outcome {
            Ok(Answer::Decided { replayed: true, .. }) => {
                self.replays.inc();
                return;
            }
            Ok(Answer::Decided { transfer, .. }) => match transfer.outcome {
                ledger::Outcome::Completed { .. } => {
                    let currency = CurrencyLabel(transfer.currency);
                    let amount = transfer.amount.minor().unsigned_abs();
                    self.moved.get_or_create(&MovedLabels { r#type, currency }).inc_by(amount);
                    "completed"
                }
                ledger::Outcome::Failed(rejection) => rejection.code(),
            },
            Ok(Answer::Refused(rejection)) => rejection.code(),
            Err(EngineError::Overloaded) => "overloaded",
            Err(EngineError::ShuttingDown | EngineError::Unavailable) => "unavailable",
            Err(EngineError::OutcomeUnknown) => "outcome_unknown",
        };
        self.transfers.get_or_create(&TransferLabels { r#type, outcome }).inc();
    }
}

/// The type of a command, as a label.
pub(crate) fn type_of(command: &Command) -> &'static str {
    match command.movement {
        Movement::Transfer { .. } => "transfer",
        Movement::Deposit { .. } => "deposit",
        Movement::Withdrawal { .. } | Movement::Payout { .. } => "withdrawal",
    }
}

/// The stages as one family, without looking one up each time.
#[derive(Debug)]
struct StageCollector([Histogram; 6]);

impl Collector for StageCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let name = "mypay_money_batch_stage";
        let help = "Time that each stage of a batch took";
        let unit = Some(&Unit::Seconds);
        let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        for (stage, histogram) in Stage::ALL.into_iter().zip(&self.0) {
            histogram.encode(family.encode_family(&[("stage", stage.as_str())])?)?;
        }
        Ok(())
    }
}

/// What following the account feed tells.
#[derive(Debug, Clone, Default)]
pub(crate) struct FeedMetrics {
    /// Place in the account feed.
    pub(crate) sequence: Gauge,
    /// How long after its cause the newest change was applied; 0 once all are.
    pub(crate) lag_seconds: Gauge<f64, AtomicU64>,
    /// When the account service last answered.
    pub(crate) answered_seconds: Gauge<f64, AtomicU64>,
    /// Errors of the feed, or of applying what it tells.
    pub(crate) failures: Counter,
    /// 1 while the account service that answers belongs to another installation.
    pub(crate) other_installation: Gauge,
}

impl FeedMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "mypay_money_feed_sequence",
            "Place in the account feed up to which this process knows changes to be applied",
            self.sequence.clone(),
        );
        registry.register(
            "mypay_money_feed_lag_seconds",
            "Age of the change of the account feed that is being applied; 0 when none is left",
            self.lag_seconds.clone(),
        );
        registry.register(
            "mypay_money_feed_answered_timestamp_seconds",
            "When the account feed last answered, also without a change",
            self.answered_seconds.clone(),
        );
        registry.register(
            "mypay_money_feed_failures",
            "Times the account feed could not be read, or a change of it not be applied",
            self.failures.clone(),
        );
        registry.register(
            "mypay_money_feed_other_installation",
            "1 while the account service that answers belongs to another installation, whose \
             changes are not applied",
            self.other_installation.clone(),
        );
    }
}

/// What the check of conservation tells.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConservationMetrics {
    totals: Arc<Mutex<Totals>>,
    wallets: Gauge,
    duration_seconds: Gauge<f64, AtomicU64>,
    checked_seconds: Gauge<f64, AtomicU64>,
    pub(crate) failures: Counter,
}

impl ConservationMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(TotalsCollector(Arc::clone(&self.totals))));
        registry.register(
            "mypay_money_conservation_wallets",
            "Wallets that the newest check summed",
            self.wallets.clone(),
        );
        registry.register(
            "mypay_money_conservation_duration_seconds",
            "How long the newest check took",
            self.duration_seconds.clone(),
        );
        registry.register(
            "mypay_money_conservation_checked_timestamp_seconds",
            "When the newest check ended",
            self.checked_seconds.clone(),
        );
        registry.register(
            "mypay_money_conservation_failures",
            "Checks that could not be made",
            self.failures.clone(),
        );
    }

    /// Keeps what a check found.
    pub(crate) fn set(&self, totals: Totals, took: Duration, ended_seconds: f64) {
        self.wallets.set(totals.wallets());
        self.duration_seconds.set(took.as_secs_f64());
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner) = totals;
        self.checked_seconds.set(ended_seconds);
    }
}

/// A currency that is gone from the books is gone from here too.
#[derive(Debug)]
struct TotalsCollector(Arc<Mutex<Totals>>);

impl Collector for TotalsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let name = "mypay_money_conservation_imbalance_minor";
        let help = "Sum of all wallets, in the currency's minor unit: anything but 0 is wrong";
        let totals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for CurrencyTotal { currency, sum, .. } in &totals.0 {
            let label = [("currency", currency.as_str())];
            ConstGauge::new(*sum).encode(family.encode_family(&label)?)?;
        }
        let name = "mypay_money_system_room_used_ratio";
        let help = "Share of its room that the fullest system wallet has used; half is normal";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (currency, used) in totals.system_room_used() {
            ConstGauge::new(used).encode(family.encode_family(&[("currency", currency)])?)?;
        }
        Ok(())
    }
}
