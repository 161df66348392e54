"""The report of a run, and the metrics by which Prometheus follows it."""

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

# Those of the services, in seconds.
BUCKETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


def histogram(times_ms):
    """Cumulative buckets and the sum, in seconds, from Locust's counts by milliseconds."""
    buckets = [
        (str(float(limit)), sum(count for time, count in times_ms.items() if time <= limit * 1000)) for limit in BUCKETS
    ]
    buckets.append(("+Inf", sum(times_ms.values())))
    return buckets, sum(time * count for time, count in times_ms.items()) / 1000


class Collector:
    """What Locust has counted so far, on all of its processes."""

    def __init__(self, environment):
        self.environment = environment

    def collect(self):
        runner = self.environment.runner
        yield GaugeMetricFamily("locust_users", "Simulated people", value=runner.user_count if runner else 0)
        requests = CounterMetricFamily("locust_requests", "Requests", labels=["method", "name", "outcome"])
        durations = HistogramMetricFamily(
            "locust_request_duration_seconds", "Time until a request was answered", labels=["method", "name"]
        )
        for entry in list(self.environment.stats.entries.values()):
            labels = [entry.method, entry.name]
            requests.add_metric([*labels, "ok"], entry.num_requests - entry.num_failures)
            requests.add_metric([*labels, "failed"], entry.num_failures)
            buckets, total = histogram(dict(entry.response_times))
            durations.add_metric(labels, buckets, total)
        yield requests
        yield durations


def lines(stats):
    """The report as text: quantiles, throughput, and errors by code."""
    text = [f"{'request':<24}{'count':>9}{'/s':>9}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'max ms':>9}{'failed':>9}"]
    for entry in [*sorted(stats.entries.values(), key=lambda entry: entry.name), stats.total]:
        quantiles = [entry.get_response_time_percentile(share) or 0 for share in (0.5, 0.95, 0.99)]
        numbers = "".join(f"{value:>9.0f}" for value in [*quantiles, entry.max_response_time])
        text.append(
            f"{entry.name:<24}{entry.num_requests:>9}{entry.total_rps:>9.1f}{numbers}{entry.num_failures:>9}"
        )
    if stats.errors:
        text.append("errors by code:")
        text += [f"{error.occurrences:>9}  {error.name}: {error.error}" for error in stats.errors.values()]
    return text
