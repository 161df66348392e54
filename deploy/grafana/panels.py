"""What every dashboard shows: one table of rows and panels each. generate.py makes Grafana's JSON of it.

A panel: (title, unit, description, [(query, legend)], options). Options: `max` of the axis, which begins
at 0; `red` the value from which it is red, or `red_below`; `kind` of panel (timeseries unless named);
`opens` the dashboard that a click leads to. `$rate` stands for the window of rates.
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
            ("Alerts", "none", "Alerts that fire; which ones is in Firing alerts below. None is good.",
             [('count(ALERTS{alertstate="firing"}) or vector(0)', "firing")], {"kind": "stat", "red": 1}),
            ("Books", "none", "Sum over all wallets, in minor units, the worst currency. Anything but 0: ConservationBroken. Click: Money engine.",
             [("max(abs(mypay_money_conservation_imbalance_minor))", "imbalance")], {"kind": "stat", "red": 1, "opens": "money"}),
            ("Failures", "percentunit", "Share of requests that the gateway failed, 5 minutes: 5xx, or the client gave up. Click: Gateway and auth.",
             [("job:mypay_request_failures:ratio_rate5m", "failed")], {"kind": "stat", "red": 0.001, "max": 1, "opens": "gateway"}),
            ("Moving money", "s", "The slowest hundredth of movements, 5 minutes. Click: Money engine.",
             [("job:mypay_movement_seconds:p99_5m", "p99")], {"kind": "stat", "red": 0.5, "opens": "money"}),
            ("Queue", "percentunit", "How full the fullest queue of the money services is. Click: Money engine.",
             [("max(instance:mypay_queue:ratio)", "full")], {"kind": "stat", "red": 0.8, "max": 1, "opens": "money"}),
            ("Stores down", "none", "Database and Redis, as the exporter and as each service sees them. Click: Database and Redis.",
             [('(count(mysql_up == 0) or vector(0)) + (count(up{job="mysqld"} == 0) or vector(0)) + (count(mypay_redis_up == 0) or vector(0))', "down")],
             {"kind": "stat", "red": 1, "opens": "database"}),
            ("Instances down", "none", "Targets that Prometheus cannot reach, and services without any. See Instances below.",
             [('(count(up{job!="locust"} == 0) or vector(0)) + (absent(up{job=~"gateway|my-pay"}) or vector(0)) + (absent(up{job=~"account|my-pay"}) or vector(0)) + (absent(up{job=~"money|my-pay"}) or vector(0))',
               "down")], {"kind": "stat", "red": 1}),
            ("Disk left", "percentunit", "Room on the fullest file system. Click: Database and Redis.",
             [('min(node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs|ramfs"} / (node_filesystem_size_bytes{fstype!~"tmpfs|overlay|squashfs|ramfs"} > 0))',
               "left")], {"kind": "stat", "red_below": 0.1, "max": 1, "opens": "database"}),
        ]),
        ("Traffic", [
            ("Requests", "reqps", "Answers of the gateway, by route. Health checks are left out.",
             [(f"sum by (route) (rate({RED}_count{{{GATEWAY}}}[$rate]))", "{{route}}")], {}),
            ("Transfers", "ops", "Commands to move money, by what became of them.",
             [("sum by (outcome) (rate(mypay_money_transfers_total[$rate])) > 0", "{{outcome}}")], {}),
        ]),
        ("Errors", [
            ("Errors by route and status", "reqps", "Answers of the gateway that are 5xx, or 499 (the client went away).",
             [(f'sum by (route, status) (rate({RED}_count{{{GATEWAY},status=~"5..|499"}}[$rate])) > 0', "{{route}} {{status}}")],
             {"opens": "gateway"}),
            ("Refusals by route and status", "reqps", "Answers that are 4xx: the client's fault, but a change of pace is news.",
             [(f'sum by (route, status) (rate({RED}_count{{{GATEWAY},status=~"4..",status!="499"}}[$rate])) > 0', "{{route}} {{status}}")],
             {"opens": "gateway"}),
            ("Failures by service", "reqps", "Requests that each service failed: 5xx, or the client gave up after more than a second. Without health checks.",
             [("sum by (service) (rate(mypay_http_failures_total[$rate]))", "{{service}}")], {}),
        ]),
        ("Latency", [
            ("Latency of moving money", "s", "From the head of a request to the head of its answer, at the gateway.",
             quantiles(RED, 'service="gateway",method="POST",route=~"/money/v1/(transfers|deposits|withdrawals)"'),
             {"red": 0.5, "opens": "money"}),
            ("Latency by service (p99)", "s", "The same for all requests, as each service sees them: the first that grows is the sick one. Without the account feed, whose readers wait on purpose.",
             [(quantile(0.99, RED, "service", 'route!~"/livez|/readyz|/internal/v1/account-changes"'), "{{service}}")], {}),
        ]),
        ("Saturation", [
            ("Queue of the money services", "percentunit", "Jobs that wait, as a share of those that may.",
             [("instance:mypay_queue:ratio", "{{instance}}")], {"max": 1, "red": 0.8, "opens": "money"}),
            ("Requests in flight of the gateways", "percentunit", "As a share of those that a gateway gives to services at once.",
             [("instance:mypay_gateway_in_flight:ratio", "{{instance}}")], {"max": 1, "red": 0.8, "opens": "gateway"}),
            ("Connections of clients", "percentunit", "As a share of those that a listener accepts.",
             [("mypay_http_connections / mypay_http_connections_max", "{{job}} {{instance}}")], {"max": 1, "red": 0.8}),
            ("File descriptors", "percentunit", "In use, as a share of those that each process may have.",
             [('process_open_fds{job=~"gateway|account|money|my-pay"} / process_max_fds', "{{job}} {{instance}}")], {"max": 1, "red": 0.8}),
            ("Processors", "percentunit", "Processor time of each process, in processors.",
             [('rate(process_cpu_seconds_total{job=~"gateway|account|money|my-pay"}[$rate])', "{{job}} {{instance}}")], {}),
            ("Memory", "bytes", "Resident memory of each process.",
             [('process_resident_memory_bytes{job=~"gateway|account|money|my-pay"}', "{{job}} {{instance}}")], {}),
        ]),
        ("What is wrong", [
            ("Firing alerts", "none", "Each has an entry in docs/runbook.md: what it means, where to look, what to do.",
             [('count by (alertname, severity, service) (ALERTS{alertstate="firing"})', "{{alertname}}")], {"kind": "table"}),
            ("Instances", "none", "Whether Prometheus reaches each process: 1, or 0.",
             [("up", "{{job}} {{instance}}")], {"max": 1}),
            ("Starts", "none", "How often the one that starts most often has done so within a quarter of an hour. More than twice: RestartsOften.",
             [('max by (job) (changes(process_start_time_seconds{job=~"gateway|account|money|my-pay"}[15m]))', "{{job}}")], {"red": 3}),
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
              ("sum(rate(mypay_money_replays_total[$rate]))", "replayed"),
              ("sum(rate(mypay_money_queue_refusals_total[$rate]))", "queue full")], {}),
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
            ("Imbalance", "none", "Sum over all wallets by currency, in minor units, without its sign. Must be 0.",
             [("max by (currency) (abs(mypay_money_conservation_imbalance_minor))", "{{currency}}")], {"red": 1}),
            ("Room of the system wallets", "percentunit", "Share that the fullest system wallet has used, by currency. At a half another one takes over.",
             [("max by (currency) (mypay_money_system_room_used_ratio)", "{{currency}}")], {"max": 1, "red": 0.75}),
            ("Age of the newest check", "s", "How long ago the newest check ended.",
             [("time() - max by (instance) (mypay_money_conservation_checked_timestamp_seconds)", "{{instance}}")], {"red": 600}),
            ("Cost of a check", "s", "How long a check took; the pause after it is fifty times as long.",
             [("mypay_money_conservation_duration_seconds", "{{instance}}")], {}),
            ("Checks that failed", "ops", "Checks that could not be made: the database did not answer.",
             [("rate(mypay_money_conservation_failures_total[$rate])", "{{instance}}")], {}),
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
        ]),
        ("Account feed", [
            ("How late changes are", "s", "Age of the change of an account that is being applied; 0 when none is left.",
             [("mypay_money_feed_lag_seconds", "{{instance}}")], {"red": 10}),
            ("Silence of the feed", "s", "Time since the feed last answered, which it does within 20 s also without a change.",
             [("time() - mypay_money_feed_answered_timestamp_seconds", "{{instance}}")], {"red": 30}),
            ("Failures of the feed", "ops", "Times it could not be read, or a change not be applied.",
             [("rate(mypay_money_feed_failures_total[$rate])", "{{instance}}")], {}),
            ("Accounts of another installation", "short", "1: the account service has the database of another installation, and money is not served.",
             [("mypay_money_feed_other_installation", "{{instance}}")], {"red": 1}),
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
            ("Latency of services (p99)", "s", "From the first try of a request to the last answer, or until it was given up.",
             [(quantile(0.99, "mypay_gateway_upstream_request_duration_seconds", "upstream"), "{{upstream}}")], {}),
            ("Ready", "none", "Whether each address is ready: 1, or 0.",
             [("mypay_gateway_upstream_ready", "{{upstream}} {{address}}")], {"max": 1}),
            ("Circuit", "none", "0 closed, 1 half open, 2 open.",
             [("mypay_gateway_upstream_circuit_state", "{{upstream}} {{address}}")], {"max": 2, "red": 1}),
            ("Circuits opened", "ops", "How often the circuit of each address has opened.",
             [("rate(mypay_gateway_upstream_circuit_openings_total[$rate])", "{{upstream}} {{address}}")], {}),
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
            ("Tokens asked for", "ops", "Tokens that were not remembered, answers that did not come, and times that all were forgotten.",
             [("sum(rate(mypay_gateway_introspection_cache_misses_total[$rate]))", "asked for"),
              ("sum(rate(mypay_gateway_introspection_failures_total[$rate]))", "no answer"),
              ("sum(rate(mypay_gateway_introspection_cache_forgotten_total[$rate]))", "all forgotten")], {}),
            ("Tokens refused", "ops", "Malformed tokens, and tokens of nobody.",
             [("sum by (reason) (rate(mypay_gateway_tokens_refused_total[$rate]))", "{{reason}}")], {}),
            ("Rate limited", "ops", "Requests that were refused, by the limit that they exceeded, and decisions that Redis had no part in.",
             [("sum by (limit) (rate(mypay_gateway_rate_limited_total[$rate]))", "{{limit}}"),
              ("sum(rate(mypay_gateway_rate_limit_fallbacks_total[$rate]))", "decided without Redis")], {}),
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
            ("Passwords refused", "ops", "Because too many waited: 503.",
             [("rate(mypay_account_password_hashes_refused_total[$rate])", "{{instance}}")], {}),
            ("Time of a password", "s", "Waiting for its turn, and the hash itself, slowest hundredth.",
             [(quantile(0.99, "mypay_account_password_hash_wait_seconds"), "waiting"),
              (quantile(0.99, "mypay_account_password_hash_duration_seconds"), "hashing")], {}),
            ("Identities refused", "ops", "Calls past the gateway, or with another key.",
             [("sum by (service, reason) (rate(mypay_identity_refusals_total[$rate]))", "{{service}} {{reason}}")], {}),
        ]),
        ("Traces", [
            ("Spans", "ops", "By whether the collector took them. All zero where nothing is traced.",
             [("sum by (job, outcome) (rate(mypay_trace_spans_total[$rate]))", "{{job}} {{outcome}}")], {}),
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
             [('mypay_database_connections{state="in_use"}', "{{service}} {{instance}}"),
              ("max by (service) (mypay_database_connections_max)", "{{service}} most")], {}),
            ("Waiting for a connection (p99)", "s", "Until a connection of the pool was free.",
             [(quantile(0.99, "mypay_database_connection_wait_seconds", "service"), "{{service}}")], {"red": 0.1}),
            ("Connections that failed", "ops", "Could not be made.",
             [("sum by (service) (rate(mypay_database_connect_failures_total[$rate]))", "{{service}}")], {}),
            ("Transactions run again", "ops", "By what stood in their way.",
             [("sum by (reason) (rate(mypay_money_store_retries_total[$rate]))", "money {{reason}}"),
              ("sum by (transaction, reason) (rate(mypay_account_store_retries_total[$rate]))", "account {{transaction}} {{reason}}")], {}),
        ]),
        ("The database itself", [
            ("Answers", "none", "Whether the exporter can log in: 1, or 0.", [("mysql_up", "{{instance}}")], {"max": 1}),
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
             [("sum by (job, cause) (rate(mypay_redis_failures_total[$rate]))", "{{job}} {{cause}}"),
              ("sum by (job) (rate(mypay_redis_skipped_total[$rate]))", "{{job}} not tried")], {}),
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
               "{{mountpoint}}"), ("mypay_data_dir_free_bytes / mypay_data_dir_size_bytes", "data folder of {{instance}}")],
             {"max": 1, "red_below": 0.1}),
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
             [("max by (currency) (abs(mypay_money_conservation_imbalance_minor))", "{{currency}}")], {"red": 1}),
        ]),
    ],
}

DASHBOARDS = [OVERVIEW, MONEY, GATEWAY_AND_AUTH, DATABASE, LOAD]
