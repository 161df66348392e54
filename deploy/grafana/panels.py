"""What every dashboard shows: one table of rows and panels each. generate.py makes Grafana's JSON of it.

A panel: (title, unit, description, [(query, legend)], options). Options: `max` and `min` of the axis,
`red` the value from which it is red, `kind` of panel (timeseries unless named), `wide` for full width.
`$rate` stands for the window of rates.
"""

GATEWAY = 'service="gateway",route!~"/livez|/readyz"'
RED = "mypay_http_request_duration_seconds"


def quantile(q, metric, by="", selector=""):
    """The quantile of a histogram over `$rate`."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket{{{selector}}}[$rate])))"


def quantiles(metric, selector=""):
    return [(quantile(q, metric, "", selector), f"p{str(q)[2:].ljust(2, '0')}") for q in (0.5, 0.95, 0.99)]


OVERVIEW = {
    "uid": "overview",
    "title": "Overview",
    "description": "The four golden signals of every service. Start here: a red tile names the dashboard to open.",
    "rows": [
        ("Now", [
            ("Alerts", "none", "Alerts that fire, with their runbook entries in docs/runbook.md. None is good.",
             [('count(ALERTS{alertstate="firing"}) or vector(0)', "firing")], {"kind": "stat", "red": 1}),
            ("Books", "none", "Sum over all wallets, in minor units, the worst currency. Anything but 0: ConservationBroken.",
             [("max(abs(mypay_money_conservation_imbalance_minor))", "imbalance")], {"kind": "stat", "red": 1}),
            ("Errors", "percentunit", "Share of the gateway's answers that are 5xx, 5 minutes. Open Gateway and auth.",
             [("job:mypay_request_errors:ratio_rate5m", "5xx")], {"kind": "stat", "red": 0.001, "max": 1}),
            ("Queue", "percentunit", "How full the fullest queue of the money services is. Open Money engine.",
             [("max(instance:mypay_queue:ratio)", "full")], {"kind": "stat", "red": 0.8, "max": 1}),
            ("Instances down", "none", "Targets that Prometheus cannot reach. See Instances below.",
             [('count(up{job!="locust"} == 0) or vector(0)', "down")], {"kind": "stat", "red": 1}),
            ("Disk left", "percentunit", "Room on the fullest file system. Open Database and Redis.",
             [('min(node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs|ramfs"} / (node_filesystem_size_bytes{fstype!~"tmpfs|overlay|squashfs|ramfs"} > 0))',
               "left")], {"kind": "stat", "red_below": 0.1, "max": 1}),
        ]),
        ("Traffic", [
            ("Requests", "reqps", "Answers of the gateway, by route. Health checks are left out.",
             [(f"sum by (route) (rate({RED}_count{{{GATEWAY}}}[$rate]))", "{{route}}")], {}),
            ("Transfers", "ops", "Commands to move money, by what became of them.",
             [("sum by (outcome) (rate(mypay_money_transfers_total[$rate])) > 0", "{{outcome}}")], {}),
        ]),
        ("Errors", [
            ("Errors by route and status", "reqps", "Answers of the gateway that are 5xx, or 499 (the client went away).",
             [(f'sum by (route, status) (rate({RED}_count{{{GATEWAY},status=~"5..|499"}}[$rate])) or vector(0)',
               "{{route}} {{status}}")], {}),
            ("Refusals by route and status", "reqps", "Answers that are 4xx: the client's fault, but a change of pace is news.",
             [(f'sum by (route, status) (rate({RED}_count{{{GATEWAY},status=~"4.."}}[$rate])) or vector(0)',
               "{{route}} {{status}}")], {}),
        ]),
        ("Latency", [
            ("Latency of moving money", "s", "From the head of a request to the head of its answer, at the gateway.",
             quantiles(RED, 'service="gateway",method="POST",route=~"/money/v1/(transfers|deposits|withdrawals)"'),
             {"red": 0.5}),
            ("Latency by service (p99)", "s", "The same for all requests, as each service sees them: the first that grows is the sick one. Without the account feed, whose readers wait on purpose.",
             [(quantile(0.99, RED, "service", 'route!~"/livez|/readyz|/internal/v1/account-changes"'), "{{service}}")], {}),
        ]),
        ("Saturation", [
            ("Queue of the money services", "percentunit", "Jobs that wait, as a share of those that may.",
             [("instance:mypay_queue:ratio", "{{instance}}")], {"max": 1, "red": 0.8}),
            ("Processors", "percentunit", "Processor time of each process, in processors.",
             [('rate(process_cpu_seconds_total{job=~"gateway|account|money|my-pay"}[$rate])', "{{job}} {{instance}}")], {}),
            ("Memory", "bytes", "Resident memory of each process.",
             [('process_resident_memory_bytes{job=~"gateway|account|money|my-pay"}', "{{job}} {{instance}}")], {}),
            ("Instances", "none", "Whether Prometheus reaches each process: 1, or 0.",
             [("up", "{{job}} {{instance}}")], {"max": 1}),
        ]),
    ],
}

MONEY = {
    "uid": "money",
    "title": "Money engine",
    "description": "How jobs become commits. Latency is time in the queue plus the stages of one batch.",
    "rows": [
        ("Work", [
            ("Transfers by type", "ops", "Completed movements.",
             [('sum by (type) (rate(mypay_money_transfers_total{outcome="completed"}[$rate]))', "{{type}}")], {}),
            ("Not completed", "ops", "Movements that were refused or failed, by reason, and replays.",
             [('sum by (outcome) (rate(mypay_money_transfers_total{outcome!="completed"}[$rate]))', "{{outcome}}"),
              ("sum(rate(mypay_money_replays_total[$rate]))", "replayed")], {}),
            ("Amounts moved", "none", "Minor units a second, by currency.",
             [("sum by (currency) (rate(mypay_money_moved_minor_total[$rate]))", "{{currency}}")], {}),
        ]),
        ("Queue and batches", [
            ("Jobs waiting", "none", "Jobs in the queue of each instance.",
             [("mypay_money_queue_jobs", "{{instance}}")], {}),
            ("Time in the queue", "s", "From a job's arrival to its batch.", quantiles("mypay_money_queue_seconds"), {}),
            ("Jobs in a batch", "none", "The mean: large batches make one commit cheap for many.",
             [("rate(mypay_money_batch_jobs_sum[$rate]) / (rate(mypay_money_batch_jobs_count[$rate]) > 0)", "{{instance}}")], {}),
            ("Busy lanes", "percentunit", "Share of the time that lanes have a batch in hand.",
             [("rate(mypay_money_lane_busy_seconds_total[$rate]) / mypay_money_lanes", "{{instance}}")], {"max": 1, "red": 0.95}),
            ("Stages of a batch (mean)", "s", "Where a batch spends its time. load, persist, commit: the database. lock: Redis.",
             [("sum by (stage) (rate(mypay_money_batch_stage_seconds_sum[$rate])) / (sum by (stage) (rate(mypay_money_batch_stage_seconds_count[$rate])) > 0)",
               "{{stage}}")], {}),
            ("Stages of a batch (p99)", "s", "The slowest hundredth of each stage.",
             [(quantile(0.99, "mypay_money_batch_stage_seconds", "stage"), "{{stage}}")], {}),
        ]),
        ("Conservation", [
            ("Imbalance", "none", "Sum over all wallets by currency, in minor units. Must be 0.",
             [("max by (currency) (mypay_money_conservation_imbalance_minor)", "{{currency}}")], {}),
            ("Age of the newest check", "s", "How long ago the newest check ended.",
             [("time() - max by (instance) (mypay_money_conservation_checked_timestamp_seconds)", "{{instance}}")], {"red": 600}),
            ("Cost of a check", "s", "How long a check took; the pause after it is fifty times as long.",
             [("mypay_money_conservation_duration_seconds", "{{instance}}")], {}),
        ]),
        ("Several instances", [
            ("Wallet locks", "ops", "Wallets that batches asked for: taken, or held by another instance.",
             [("sum by (outcome) (rate(mypay_money_lock_wallets_total[$rate]))", "{{outcome}}")], {}),
            ("Waiting for locks", "s", "Time until Redis has answered.", quantiles("mypay_money_lock_acquire_seconds"), {}),
            ("Locks lost, left, done without", "ops", "Lost before the end of a batch; left to expire; batches without locks at all.",
             [("sum(rate(mypay_money_lock_losses_total[$rate]))", "lost"),
              ("sum(rate(mypay_money_lock_unreleased_total[$rate]))", "left"),
              ("sum(rate(mypay_money_lock_fallbacks_total[$rate]))", "without")], {}),
            ("Batches decided again", "ops", "By what stood in their way.",
             [("sum by (reason) (rate(mypay_money_store_retries_total[$rate]))", "{{reason}}")], {}),
            ("Account feed", "s", "How late changes of accounts are applied, and since when the feed is silent.",
             [("mypay_money_feed_lag_seconds", "late {{instance}}"),
              ("time() - mypay_money_feed_answered_timestamp_seconds", "silent {{instance}}")], {"red": 10}),
        ]),
    ],
}

GATEWAY_AND_AUTH = {
    "uid": "gateway",
    "title": "Gateway and auth",
    "description": "The edge: routes, instances behind it, tokens, limits, logins.",
    "rows": [
        ("Requests", [
            ("Answers by status", "reqps", "All answers of the gateways.",
             [(f"sum by (status) (rate({RED}_count{{{GATEWAY}}}[$rate]))", "{{status}}")], {}),
            ("Latency by route (p99)", "s", "The slowest hundredth of each route.",
             [(quantile(0.99, RED, "route", GATEWAY), "{{route}}")], {}),
            ("Requests in flight", "none", "Requests that are not answered yet, of each service.",
             [("sum by (service) (mypay_http_requests_in_flight)", "{{service}}")], {}),
            ("Connections", "none", "Open connections of clients.",
             [("mypay_http_connections{job=~\"gateway|my-pay\"}", "{{instance}}")], {}),
        ]),
        ("Instances behind the gateway", [
            ("Ready", "none", "Whether each address is ready: 1, or 0.",
             [("mypay_gateway_upstream_ready", "{{upstream}} {{address}}")], {"max": 1}),
            ("Circuit", "none", "0 closed, 1 half open, 2 open.",
             [("mypay_gateway_upstream_circuit_state", "{{upstream}} {{address}}")], {"max": 2, "red": 1}),
            ("In flight", "none", "Requests in flight to each address.",
             [("mypay_gateway_upstream_requests_in_flight", "{{upstream}} {{address}}")], {}),
            ("Tried again", "ops", "Requests that were given to another instance, by reason, and those for which the budget was spent.",
             [("sum by (upstream, reason) (rate(mypay_gateway_upstream_retries_total[$rate]))", "{{upstream}} {{reason}}"),
              ("sum by (upstream) (rate(mypay_gateway_upstream_retries_denied_total[$rate]))", "{{upstream}} denied")], {}),
        ]),
        ("Tokens and limits", [
            ("Token memory", "percentunit", "Share of tokens that were remembered and not asked for.",
             [("sum(rate(mypay_gateway_introspection_cache_hits_total[$rate])) / (sum(rate(mypay_gateway_introspection_cache_hits_total[$rate])) + sum(rate(mypay_gateway_introspection_cache_misses_total[$rate])) > 0)",
               "remembered")], {"max": 1}),
            ("Tokens refused", "ops", "Malformed tokens, and tokens of nobody.",
             [("sum by (reason) (rate(mypay_gateway_tokens_refused_total[$rate]))", "{{reason}}")], {}),
            ("Rate limited", "ops", "Requests that were refused, by the limit that they exceeded.",
             [("sum by (limit) (rate(mypay_gateway_rate_limited_total[$rate]))", "{{limit}}")], {}),
            ("Revocations heard", "none", "Whether each gateway hears revocations: 1, or 0.",
             [("mypay_gateway_revocations_listening", "{{instance}}")], {"max": 1}),
        ]),
        ("Accounts", [
            ("Logins", "ops", "By what became of them.",
             [("sum by (outcome) (rate(mypay_account_logins_total[$rate]))", "{{outcome}}")], {}),
            ("Registrations", "ops", "By what became of them.",
             [("sum by (outcome) (rate(mypay_account_registrations_total[$rate]))", "{{outcome}}")], {}),
            ("Refreshes", "ops", "By what became of them; `reused` is a stolen or replayed token.",
             [("sum by (outcome) (rate(mypay_account_token_refreshes_total[$rate]))", "{{outcome}}")], {}),
            ("Passwords waiting", "none", "Passwords that wait to be hashed.",
             [("mypay_account_password_hashes_waiting", "{{instance}}")], {}),
            ("Time of a password", "s", "Waiting for its turn, and the hash itself, slowest hundredth.",
             [(quantile(0.99, "mypay_account_password_hash_wait_seconds"), "waiting"),
              (quantile(0.99, "mypay_account_password_hash_duration_seconds"), "hashing")], {}),
            ("Identities refused", "ops", "Calls past the gateway, or with another key.",
             [("sum by (service, reason) (rate(mypay_identity_refusals_total[$rate]))", "{{service}} {{reason}}")], {}),
        ]),
    ],
}

DATABASE = {
    "uid": "database",
    "title": "Database and Redis",
    "description": "What the services wait for, as they see it and as it sees itself.",
    "rows": [
        ("As the services see the database", [
            ("Connections in use", "none", "Of each pool; lanes have their own.",
             [('mypay_database_connections{state="in_use"}', "{{service}} {{instance}}")], {}),
            ("Waiting for a connection (p99)", "s", "Until a connection of the pool was free.",
             [(quantile(0.99, "mypay_database_connection_wait_seconds", "service"), "{{service}}")], {"red": 0.1}),
            ("Connections that failed", "ops", "Could not be made.",
             [("sum by (service) (rate(mypay_database_connect_failures_total[$rate]))", "{{service}}")], {}),
        ]),
        ("The database itself", [
            ("Statements", "ops", "Statements a second, by kind.",
             [('rate(mysql_global_status_commands_total{command=~"select|insert|update|delete|commit|rollback"}[$rate]) > 0', "{{command}}")], {}),
            ("Connections", "none", "Open connections, and those that are working.",
             [("mysql_global_status_threads_connected", "open"), ("mysql_global_status_threads_running", "working"),
              ("mysql_global_variables_max_connections", "most")], {}),
            ("Waiting for rows", "none", "Transactions that wait for a row at this moment.",
             [("mysql_global_status_innodb_row_lock_current_waits", "waiting")], {}),
            ("Time waited for rows", "s", "Seconds that transactions waited for rows, a second.",
             [("rate(mysql_global_status_innodb_row_lock_time[$rate]) / 1000", "waited")], {}),
            ("Log written", "Bps", "Bytes of the redo log.",
             [("rate(mysql_global_status_innodb_os_log_written[$rate])", "redo log")], {}),
            ("Flushes", "ops", "Flushes of the log to disk: one or a group of commits each.",
             [("rate(mysql_global_status_innodb_data_fsyncs[$rate])", "fsync")], {}),
            ("Read from memory", "percentunit", "Share of page reads that needed no disk.",
             [("1 - rate(mysql_global_status_innodb_buffer_pool_reads[$rate]) / (rate(mysql_global_status_innodb_buffer_pool_read_requests[$rate]) > 0)",
               "from memory")], {"max": 1}),
        ]),
        ("Redis", [
            ("Redis is to be had", "none", "As each process sees it: 1, or 0.",
             [("mypay_redis_up", "{{job}} {{instance}}")], {"max": 1}),
            ("Calls (p99)", "s", "As each service sees them.",
             [(quantile(0.99, "mypay_redis_call_seconds", "job"), "{{job}}")], {}),
            ("Failures", "ops", "Calls that failed, by cause.",
             [("sum by (job, cause) (rate(mypay_redis_failures_total[$rate]))", "{{job}} {{cause}}")], {}),
            ("Commands", "ops", "Commands of all clients.",
             [("rate(redis_commands_processed_total[$rate])", "commands")], {}),
            ("Memory of Redis", "bytes", "In use, and the most it may use.",
             [("redis_memory_used_bytes", "used"), ("redis_memory_max_bytes", "most")], {}),
        ]),
        ("The machine", [
            ("Processors", "percentunit", "Share that is busy.",
             [('1 - avg(rate(node_cpu_seconds_total{mode="idle"}[$rate]))', "busy")], {"max": 1}),
            ("Memory left", "bytes", "Available to programs.", [("node_memory_MemAvailable_bytes", "available")], {}),
            ("Disks", "percentunit", "Share that is left of each file system.",
             [('node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs|ramfs"} / (node_filesystem_size_bytes{fstype!~"tmpfs|overlay|squashfs|ramfs"} > 0)',
               "{{mountpoint}}")], {"max": 1}),
            ("Disk time", "percentunit", "Share of the time that each disk is busy.",
             [("rate(node_disk_io_time_seconds_total[$rate])", "{{device}}")], {"max": 1}),
        ]),
    ],
}

LOAD = {
    "uid": "load",
    "title": "Load test",
    "description": "A load test as Locust sees it, beside what the services do. Empty while none runs.",
    "rows": [
        ("Clients", [
            ("Users", "none", "Simulated people.", [("sum(locust_users)", "users")], {}),
            ("Requests", "reqps", "By name, as the clients count them.",
             [("sum by (name) (rate(locust_requests_total[$rate]))", "{{name}}")], {}),
            ("Failures", "reqps", "Requests that failed, by name.",
             [('sum by (name) (rate(locust_requests_total{outcome="failed"}[$rate]))', "{{name}}")], {}),
            ("Latency (p50)", "s", "As the clients see it.",
             [(quantile(0.5, "locust_request_duration_seconds", "name"), "{{name}}")], {}),
            ("Latency (p99)", "s", "As the clients see it.",
             [(quantile(0.99, "locust_request_duration_seconds", "name"), "{{name}}")], {}),
        ]),
        ("Services", [
            ("Transfers", "ops", "Completed, by type.",
             [('sum by (type) (rate(mypay_money_transfers_total{outcome="completed"}[$rate]))', "{{type}}")], {}),
            ("Jobs in a batch", "none", "The mean of each instance.",
             [("rate(mypay_money_batch_jobs_sum[$rate]) / (rate(mypay_money_batch_jobs_count[$rate]) > 0)", "{{instance}}")], {}),
            ("Processors", "percentunit", "Of each process, in processors; the load generator needs its own.",
             [('rate(process_cpu_seconds_total{job=~"gateway|account|money|locust"}[$rate])', "{{job}} {{instance}}")], {}),
            ("Books", "none", "Sum over all wallets by currency, in minor units. Must be 0.",
             [("max by (currency) (mypay_money_conservation_imbalance_minor)", "{{currency}}")], {}),
        ]),
    ],
}

DASHBOARDS = [OVERVIEW, MONEY, GATEWAY_AND_AUTH, DATABASE, LOAD]
