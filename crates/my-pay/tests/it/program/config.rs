//! Configuration: where a setting comes from, what is refused, and the reference that documents it
//! all.

use std::{fs, path::Path};

use expect_test::{expect, expect_file};

use super::refusal;
use crate::support::process::{PATIENCE, Process, Program, my_pay, run_my_pay};

/// The line of the effective configuration that sets this key outside of any section.
fn effective(folder: &Path, key: &str, variables: &[(&str, &str)], flags: &[&str]) -> String {
    let mut command = my_pay(folder, &["config"]);
    command.args(flags).envs(variables.iter().copied());
    let ended = Process::start(&mut command).wait(PATIENCE);
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""));
    let start = format!("{key} = ");
    let line = ended.stdout.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("{key} is not in {}", ended.stdout)).to_owned()
}

#[test]
fn version() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run_my_pay(folder.path(), &["--version"]);
    assert_eq!(ended.code(), Some(0));
    assert_eq!(ended.stdout, concat!("my-pay ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn the_effective_configuration_is_a_file_that_gives_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let printed = run_my_pay(folder.path(), &["config", "--rate-limit", "off"]);
    expect![[r#"
        listen = "127.0.0.1:8080"
        data_dir = "my-pay-data"
        log_format = "text"
        log_levels = "info"
        rate_limit = "off"
        docs = "on"

        [server]
        connections_max = 10000
        shared_addresses = []
        head_timeout_ms = 30000
        write_timeout_ms = 10000
        drain_delay_ms = 3000
        drain_timeout_ms = 10000

        [clock]
        stopped_max_seconds = 2678400
        difference_max_seconds = 60

        [tracing]
        otlp_endpoint = ""
        sampling_ratio = 1.0
        follow_clients = "off"

        [identity]

        [redis]

        [upstreams]
        account = []
        money = []

        [gateway]
        body_bytes_max = 65536
        body_timeout_ms = 10000
        upstream_timeout_ms = 30000
        requests_in_flight_max = 4096
        address_requests_per_second = 200
        address_requests_burst = 400
        token_requests_per_second = 50
        token_requests_burst = 100
        api_key_requests_per_second = 1000
        api_key_requests_burst = 2000
        introspection_cache_life_ms = 5000
        introspection_cache_tokens_max = 100000
        introspection_timeout_ms = 2000
        upstream_try_timeout_ms = 5000
        upstream_retries_max = 2
        upstream_health_interval_ms = 1000
        upstream_slow_start_ms = 5000
        cors_origins = []

        [account]
        listen = "127.0.0.1:8081"
        database_connections_max = 16
        migrate_at_start = true
        access_token_lifetime_seconds = 3600
        refresh_token_lifetime_seconds = 2592000
        refresh_grace_seconds = 10
        sessions_max = 100
        login_attempts_free = 5
        login_wait_seconds_max = 60
        reset_token_lifetime_seconds = 1800
        password_memory_kib = 19456
        password_iterations = 2
        password_waiting_max = 64

        [money]
        listen = "127.0.0.1:8082"
        database_connections_max = 16
        migrate_at_start = true
        lanes = 4
        lock_expiry_ms = 5000
        queue_jobs_max = 16384
        batch_jobs_max = 1024
        self_service_funding = false
        conservation_interval_ms = 10000
    "#]]
    .assert_eq(&printed.stdout);
    fs::write(folder.path().join("printed.toml"), &printed.stdout).unwrap();
    let again = run_my_pay(folder.path(), &["config", "--config", "printed.toml"]);
    assert_eq!(again.stdout, printed.stdout);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "printing creates nothing");
}

#[test]
fn a_flag_goes_before_a_variable_before_the_file_before_the_default() {
    let folder = tempfile::tempdir().unwrap();
    for (key, variable, flag, [default, in_file, in_variable, in_flag]) in [
        (
            "listen",
            "MY_PAY_LISTEN",
            "--listen",
            ["127.0.0.1:8080", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"],
        ),
        ("data_dir", "MY_PAY_DATA_DIR", "--data-dir", ["my-pay-data", "a", "b", "c"]),
        ("log_format", "MY_PAY_LOG_FORMAT", "--log-format", ["text", "json", "text", "json"]),
        ("rate_limit", "MY_PAY_RATE_LIMIT", "--rate-limit", ["on", "off", "on", "off"]),
    ] {
        let path = folder.path();
        fs::write(path.join("file.toml"), format!("{key} = \"{in_file}\"\n")).unwrap();
        let (file, set) = (["--config", "file.toml"], [(variable, in_variable)]);
        let all = [file[0], file[1], flag, in_flag];
        assert_eq!(effective(path, key, &[], &[]), format!("{default:?}"));
        assert_eq!(effective(path, key, &[], &file), format!("{in_file:?}"));
        assert_eq!(effective(path, key, &set, &file), format!("{in_variable:?}"));
        assert_eq!(effective(path, key, &set, &all), format!("{in_flag:?}"));
    }
}

#[test]
fn the_file_is_named_by_a_flag_before_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("one.toml"), "listen = \"127.0.0.1:1\"\n").unwrap();
    fs::write(path.join("two"), "listen = \"127.0.0.1:2\"\n").unwrap();
    let named = [("MY_PAY_CONFIG", "one.toml")];
    assert_eq!(effective(path, "listen", &named, &[]), r#""127.0.0.1:1""#);
    assert_eq!(effective(path, "listen", &named, &["--config", "two"]), r#""127.0.0.1:2""#);
}

#[test]
fn a_list_in_a_variable_is_separated_by_commas() {
    let folder = tempfile::tempdir().unwrap();
    let origins = "https://a.example.com,https://b.example.com";
    let listed =
        effective(folder.path(), "cors_origins", &[("MY_PAY_GATEWAY_CORS_ORIGINS", origins)], &[]);
    assert_eq!(listed, r#"["https://a.example.com", "https://b.example.com"]"#);
}

/// Each case as it was given, with what the program says to it.
fn table<T: std::fmt::Debug>(cases: &[T], refuse: impl Fn(&T) -> String) -> String {
    let rows: Vec<_> = cases.iter().map(|case| format!("{case:?}\n{}", refuse(case))).collect();
    rows.join("\n")
}

/// What is said of a configuration file with this content, by every command alike.
fn refuse_file(content: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file.toml"), content).unwrap();
    let refuse = |command| refusal(&mut my_pay(folder.path(), &[command, "--config", "file.toml"]));
    let said = refuse("config");
    assert_eq!(refuse("up"), said);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "`up` leaves no trace");
    said
}

#[test]
fn bad_files_are_refused() {
    let cases = [
        "lisen = \"127.0.0.1:1\"",
        "\n[server]\nconections_max = 1",
        "[sever]\nconnections_max = 1",
        "[server]\nconnections_max = \"many\"",
        "[server]\nconnections_max = -1",
        "[server",
        "listen = \"somewhere\"",
        "listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"",
        "log_format = \"xml\"",
        "log_levels = \"a=b=c\"",
        "[server]\nconnections_max = 0",
        "[server]\ndrain_timeout_ms = 3600001",
        "[tracing]\notlp_endpoint = \"localhost:4317\"",
        "[tracing]\notlp_endpoint = \"https://collector:4318\"",
        "[tracing]\notlp_endpoint = \"http://collector:4318\"\nsampling_ratio = 1.5",
        "[gateway]\nbody_bytes_max = 0\nbody_timeout_ms = 0",
        "[gateway]\ncors_origins = [\"example\"]",
        "[account]\nsessions_max = 0",
        "[money]\nbatch_jobs_max = 5000",
    ];
    expect![[r#"
        "lisen = \"127.0.0.1:1\""
        my-pay: file.toml, line 1: unknown field `lisen`, expected one of `listen`,
            `data_dir`, `log_format`, `log_levels`, `rate_limit`, `docs`, `server`,
            `clock`, `tracing`, `identity`, `redis`, `upstreams`, `gateway`, `account`,
            `money`

        "\n[server]\nconections_max = 1"
        my-pay: file.toml, line 3: unknown field `conections_max`, expected one of
            `operations_listen`, `connections_max`, `address_connections_max`,
            `shared_addresses`, `head_timeout_ms`, `write_timeout_ms`, `drain_delay_ms`,
            `drain_timeout_ms`

        "[sever]\nconnections_max = 1"
        my-pay: file.toml, line 1: unknown field `sever`, expected one of `listen`,
            `data_dir`, `log_format`, `log_levels`, `rate_limit`, `docs`, `server`,
            `clock`, `tracing`, `identity`, `redis`, `upstreams`, `gateway`, `account`,
            `money`

        "[server]\nconnections_max = \"many\""
        my-pay: file.toml, line 2: invalid type: string "many", expected usize

        "[server]\nconnections_max = -1"
        my-pay: file.toml, line 2: invalid value: integer `-1`, expected usize

        "[server"
        my-pay: file.toml, line 1: unclosed table, expected `]`

        "listen = \"somewhere\""
        my-pay: file.toml, line 1: invalid socket address syntax

        "listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\""
        my-pay: file.toml, line 2: duplicate key

        "log_format = \"xml\""
        my-pay: file.toml, line 1: unknown variant `xml`, expected `text` or `json`

        "log_levels = \"a=b=c\""
        my-pay: `a=b=c` is not a list of log levels: invalid filter directive: too many
            '=' in filter directive, expected 0 or 1

        "[server]\nconnections_max = 0"
        my-pay: server.connections_max must be from 1 to 1000000

        "[server]\ndrain_timeout_ms = 3600001"
        my-pay: server.drain_timeout_ms must be from 1 to 3600000

        "[tracing]\notlp_endpoint = \"localhost:4317\""
        my-pay: tracing.otlp_endpoint: `localhost:4317` is not an address such as
            `http://collector:4318`

        "[tracing]\notlp_endpoint = \"https://collector:4318\""
        my-pay: tracing.otlp_endpoint: `https://collector:4318` is not an address such
            as `http://collector:4318`

        "[tracing]\notlp_endpoint = \"http://collector:4318\"\nsampling_ratio = 1.5"
        my-pay: tracing.sampling_ratio: `1.5` is not a sampling ratio from 0 to 1

        "[gateway]\nbody_bytes_max = 0\nbody_timeout_ms = 0"
        my-pay: in the section `gateway`: the body limit must be from 1 to 65536 bytes;
            the body timeout must be more than zero and at most an hour

        "[gateway]\ncors_origins = [\"example\"]"
        my-pay: in the section `gateway`: `example` is not an origin such as
            `https://app.example.com`

        "[account]\nsessions_max = 0"
        my-pay: in the section `account`: sessions_max must be from 1 to 100

        "[money]\nbatch_jobs_max = 5000"
        my-pay: money.batch_jobs_max must be from 1 to 4096
    "#]]
    .assert_eq(&table(&cases, |content| refuse_file(content)));
}

#[test]
fn an_empty_text_in_the_file_is_refused() {
    let cases = [
        "data_dir = \"\"",
        "log_levels = \"\"",
        "[redis]\nurl = \"\"",
        "[redis]\nurl_file = \"\"",
        "[identity]\nkeys = \"\"",
        "[account]\ndatabase_url_file = \"\"",
        "[money]\nmigration_database_url = \"\"",
        "[gateway]\ncors_origins = [\"\"]",
        "[upstreams]\nmoney = [\"\"]",
    ];
    expect![[r#"
        "data_dir = \"\""
        my-pay: file.toml, line 1: validation failed: it is empty: leave the setting out
            instead

        "log_levels = \"\""
        my-pay: file.toml, line 1: validation failed: it is empty: leave the setting out
            instead

        "[redis]\nurl = \"\""
        my-pay: file.toml, line 2: it is empty: leave the setting out instead

        "[redis]\nurl_file = \"\""
        my-pay: file.toml, line 2: validation failed: it is empty: leave the setting out
            instead

        "[identity]\nkeys = \"\""
        my-pay: file.toml, line 2: it is empty: leave the setting out instead

        "[account]\ndatabase_url_file = \"\""
        my-pay: file.toml, line 2: validation failed: it is empty: leave the setting out
            instead

        "[money]\nmigration_database_url = \"\""
        my-pay: file.toml, line 2: it is empty: leave the setting out instead

        "[gateway]\ncors_origins = [\"\"]"
        my-pay: in the section `gateway`: `` is not an origin such as
            `https://app.example.com`

        "[upstreams]\nmoney = [\"\"]"
        my-pay: upstreams.money: `` is not an address (HOST:PORT)
    "#]]
    .assert_eq(&table(&cases, |content| refuse_file(content)));
}

#[test]
fn bad_variables_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |(variable, value): &(&str, &str)| {
        refusal(my_pay(folder.path(), &["config"]).env(variable, value))
    };
    let cases = [
        ("MY_PAY_LISTN", "127.0.0.1:1"),
        ("MY_PAY_LISTEN", "somewhere"),
        ("MY_PAY_RATE_LIMIT", "maybe"),
        ("MY_PAY_SERVER_CONNECTIONS_MAX", "many"),
        ("MY_PAY_SERVER_CONNECTIONS_MAX", "0"),
        ("MY_PAY_CLOCK_TODAY", "26.11.2026"),
        ("MY_PAY_CLOCK_STOPPED_MAX_SECONDS", "0"),
        ("MY_PAY_CLOCK_DIFFERENCE_MAX_SECONDS", "3601"),
        ("MY_PAY_CONFIG", "nowhere.toml"),
        ("MY_PAY_LISTN", ""),
        ("MY_PAY_DATA_DIR", " "),
        ("MY_PAY_REDIS_URL", "\t"),
    ];
    expect![[r#"
        ("MY_PAY_LISTN", "127.0.0.1:1")
        my-pay: the variable MY_PAY_LISTN is not a setting: `my-pay config` lists them

        ("MY_PAY_LISTEN", "somewhere")
        my-pay: the variable `MY_PAY_LISTEN`: invalid socket address syntax

        ("MY_PAY_RATE_LIMIT", "maybe")
        my-pay: the variable `MY_PAY_RATE_LIMIT`: unknown variant `maybe`, expected `on`
            or `off`

        ("MY_PAY_SERVER_CONNECTIONS_MAX", "many")
        my-pay: the variable `MY_PAY_SERVER_CONNECTIONS_MAX`: invalid value 'many' for
            type u64: invalid digit found in string

        ("MY_PAY_SERVER_CONNECTIONS_MAX", "0")
        my-pay: server.connections_max must be from 1 to 1000000

        ("MY_PAY_CLOCK_TODAY", "26.11.2026")
        my-pay: clock.today must be a date such as 2026-11-26

        ("MY_PAY_CLOCK_STOPPED_MAX_SECONDS", "0")
        my-pay: clock.stopped_max_seconds must be from 60 to 31536000

        ("MY_PAY_CLOCK_DIFFERENCE_MAX_SECONDS", "3601")
        my-pay: clock.difference_max_seconds must be from 1 to 3600

        ("MY_PAY_CONFIG", "nowhere.toml")
        my-pay: the configuration file nowhere.toml cannot be read: No such file or
            directory (os error 2)

        ("MY_PAY_LISTN", "")
        my-pay: the variable MY_PAY_LISTN is not a setting: `my-pay config` lists them

        ("MY_PAY_DATA_DIR", " ")
        my-pay: the variable MY_PAY_DATA_DIR has only blanks: leave it empty, which is
            as good as unset

        ("MY_PAY_REDIS_URL", "\t")
        my-pay: the variable MY_PAY_REDIS_URL has only blanks: leave it empty, which is
            as good as unset
    "#]]
    .assert_eq(&table(&cases, refuse));
}

#[test]
fn an_empty_variable_is_unset_whichever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    // Values that are not the defaults, so that an empty variable cannot hide behind one.
    let file = "data_dir = \"elsewhere\"\nlog_levels = \"debug\"\n\
                [tracing]\notlp_endpoint = \"http://collector:4318\"\n\
                [redis]\nurl = \"redis://cache\"\n\
                [identity]\nkeys_file = \"keys\"\n\
                [upstreams]\naccount = [\"a:1\"]\nmoney = [\"m:1\"]\n\
                [gateway]\ncors_origins = [\"https://app.example.com\"]\n\
                [account]\ndatabase_url = \"sqlite:a.db\"\npassword_threads_max = 3\n\
                [money]\ndatabase_url_file = \"url\"\n";
    fs::write(folder.path().join("file.toml"), file).unwrap();
    let print = |arguments: &[&str], variables: &[&str]| {
        let mut command = my_pay(folder.path(), arguments);
        command.envs(variables.iter().map(|name| (name, "")));
        let ended = Process::start(&mut command).wait(PATIENCE);
        assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{variables:?}");
        ended.stdout
    };
    let variables = my_pay::config::Config::variables();
    assert!(variables.contains(&"MY_PAY_CONFIG") && variables.len() > 40, "{variables:?}");
    for arguments in [&["config"][..], &["config", "--config", "file.toml"]] {
        let expected = print(arguments, &[]);
        assert_eq!(print(arguments, &variables), expected, "all of them");
        for variable in &variables {
            assert_eq!(print(arguments, &[variable]), expected, "{variable}");
        }
    }
}

#[test]
fn services_start_with_every_variable_empty() {
    let folder = tempfile::tempdir().unwrap();
    let variables = my_pay::config::Config::variables();
    let others = ["OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_HEADERS"];
    let mut command = Program::command(folder.path());
    let ours = ["MY_PAY_ACCOUNT_PASSWORD_MEMORY_KIB", "MY_PAY_ACCOUNT_PASSWORD_ITERATIONS"];
    let empty = variables.iter().filter(|name| !ours.contains(name)).chain(&others);
    command.envs(empty.map(|name| (name, "")));
    let ended = Program::start(&mut command).stop();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(folder.path().join("data/money.db").is_file());
    // What is needed is missed in the same words as if the variables were not there.
    let mut gateway = my_pay(folder.path(), &["gateway"]);
    let said = refusal(gateway.envs(variables.iter().map(|name| (name, ""))));
    assert_eq!(said, refusal(&mut my_pay(folder.path(), &["gateway"])));
}

#[test]
fn a_configuration_file_that_cannot_be_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |path: &&str| refusal(my_pay(folder.path(), &["up"]).args(["--config", path]));
    expect![[r#"
        "nowhere.toml"
        my-pay: the configuration file nowhere.toml cannot be read: No such file or
            directory (os error 2)

        "."
        my-pay: the configuration file . cannot be read: Is a directory (os error 21)
    "#]]
    .assert_eq(&table(&["nowhere.toml", "."], refuse));
}

#[test]
fn bad_flags_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |arguments: &&[&str]| {
        let ended = run_my_pay(folder.path(), arguments);
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(2), ""));
        ended.stderr
    };
    let cases: [&[&str]; 9] = [
        &["config", "--lisen", "127.0.0.1:1"],
        &["up", "--listen", "somewhere"],
        &["up", "--rate-limit", "maybe"],
        &["admin", "account", "enable", "ann"],
        &["admin", "account", "enable", "10001", "--reason", " "],
        &["up", "--data-dir", ""],
        &["up", "--config", ""],
        &["money", "--database-url", ""],
        &["account", "--redis-url", ""],
    ];
    expect![[r#"
        ["config", "--lisen", "127.0.0.1:1"]
        error: unexpected argument '--lisen' found

          tip: a similar argument exists: '--listen'

        Usage: my-pay config --listen <ADDR>

        For more information, try '--help'.

        ["up", "--listen", "somewhere"]
        error: invalid value 'somewhere' for '--listen <ADDR>': invalid socket address syntax

        For more information, try '--help'.

        ["up", "--rate-limit", "maybe"]
        error: invalid value 'maybe' for '--rate-limit <SWITCH>'
          [possible values: on, off]

        For more information, try '--help'.

        ["admin", "account", "enable", "ann"]
        error: invalid value 'ann' for '<ID>': a whole number from 1 to 2^53 - 1 is needed

        For more information, try '--help'.

        ["admin", "account", "enable", "10001", "--reason", " "]
        error: invalid value ' ' for '--reason <TEXT>': must have at least 1 character

        For more information, try '--help'.

        ["up", "--data-dir", ""]
        error: a value is required for '--data-dir <DIR>' but none was supplied

        For more information, try '--help'.

        ["up", "--config", ""]
        error: a value is required for '--config <FILE>' but none was supplied

        For more information, try '--help'.

        ["money", "--database-url", ""]
        error: invalid value '' for '--database-url <URL>': it is empty: leave the setting out instead

        For more information, try '--help'.

        ["account", "--redis-url", ""]
        error: invalid value '' for '--redis-url <URL>': it is empty: leave the setting out instead

        For more information, try '--help'.
    "#]]
    .assert_eq(&table(&cases, refuse));
}

#[test]
fn the_reference_documents_every_setting() {
    let reference = my_pay::config::Config::reference();
    expect_file!["../../../../../docs/configuration.toml"].assert_eq(&reference);
}

#[test]
fn the_reference_is_a_file_of_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let defaults = run_my_pay(folder.path(), &["config"]).stdout;
    let reference = my_pay::config::Config::reference();
    // Settings are commented out without a space after the sign; one without a default has no
    // value.
    let with_values: String = reference
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .filter(|line| !line.ends_with(" ="))
        .fold(String::new(), |text, line| text + line + "\n");
    for content in [reference, with_values] {
        fs::write(folder.path().join("reference.toml"), content).unwrap();
        let read = run_my_pay(folder.path(), &["config", "--config", "reference.toml"]);
        assert_eq!((read.stderr.as_str(), read.stdout.as_str()), ("", defaults.as_str()));
    }
}
