//! The async runtime: whether its workers keep up.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};
use tokio::runtime::{Handle, RuntimeMetrics};

#[derive(Debug)]
struct RuntimeCollector(RuntimeMetrics);

pub(super) fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(RuntimeCollector(Handle::current().metrics())));
}

impl Collector for RuntimeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let runtime = &self.0;
        let workers = runtime.num_workers();
        let busy: f64 = (0..workers)
            .map(|worker| runtime.worker_total_busy_duration(worker).as_secs_f64())
            .sum();
        let mut gauge = |name, help, value: usize| {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        gauge("mypay_runtime_workers", "Threads of the async runtime", workers)?;
        gauge("mypay_runtime_tasks", "Tasks that have not ended", runtime.num_alive_tasks())?;
        gauge(
            "mypay_runtime_queued_tasks",
            "Tasks that are ready and wait for any worker",
            runtime.global_queue_depth(),
        )?;
        let counter = ConstCounter::new(busy);
        counter.encode(encoder.encode_descriptor(
            "mypay_runtime_busy",
            "Time that workers were busy, all of them together",
            Some(&Unit::Seconds),
            counter.metric_type(),
        )?)
    }
}
