//! What the process uses of its machine, under the names that all exporters of Prometheus share.

use procfs::{
    ProcError,
    process::{LimitValue, Process},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

#[derive(Debug)]
struct ProcessCollector;

/// What the system says of this process.
struct Usage {
    cpu_seconds: f64,
    start_time_seconds: f64,
    resident_bytes: u64,
    virtual_bytes: u64,
    threads: i64,
    open_files: usize,
    open_files_max: Option<u64>,
}

pub(super) fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(ProcessCollector));
}

impl Usage {
    #[expect(clippy::cast_precision_loss, reason = "ticks are far below 2^53")]
    fn read() -> Result<Self, ProcError> {
        let process = Process::myself()?;
        let stat = process.stat()?;
        let ticks_per_second = procfs::ticks_per_second() as f64;
        let boot = procfs::boot_time_secs()? as f64;
        Ok(Self {
            cpu_seconds: (stat.utime + stat.stime) as f64 / ticks_per_second,
            start_time_seconds: boot + stat.starttime as f64 / ticks_per_second,
            resident_bytes: stat.rss * procfs::page_size(),
            virtual_bytes: stat.vsize,
            threads: stat.num_threads,
            open_files: process.fd_count()?,
            open_files_max: match process.limits()?.max_open_files.soft_limit {
                LimitValue::Value(max) => Some(max),
                LimitValue::Unlimited => None,
            },
        })
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let usage = match Usage::read() {
            Ok(usage) => usage,
            Err(error) => {
                tracing::debug!(%error, "the system does not say what this process uses");
                return Ok(());
            }
        };
        let cpu = ConstCounter::new(usage.cpu_seconds);
        let help = "Processor time, user's and system's";
        let unit = Some(&Unit::Seconds);
        cpu.encode(encoder.encode_descriptor("process_cpu", help, unit, cpu.metric_type())?)?;
        let start = ConstGauge::new(usage.start_time_seconds);
        let help = "When the process started, in seconds since 1970";
        let name = "process_start_time";
        start.encode(encoder.encode_descriptor(name, help, unit, start.metric_type())?)?;
        let mut gauge = |name, help, value: i64| {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        gauge("process_resident_memory_bytes", "Memory in use", signed(usage.resident_bytes))?;
        gauge("process_virtual_memory_bytes", "Address space in use", signed(usage.virtual_bytes))?;
        gauge("process_threads", "Threads", usage.threads)?;
        gauge("process_open_fds", "Open file descriptors", signed(usage.open_files as u64))?;
        match usage.open_files_max {
            Some(max) => gauge("process_max_fds", "Most open file descriptors", signed(max)),
            None => Ok(()),
        }
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
