//! What the services that run apart cannot start without, each said in one line; and their secrets.

use std::fs;

use expect_test::expect;

use super::refusal;
use crate::support::process::{PATIENCE, Process, my_pay};

const KEYS: (&str, &str) =
    ("MY_PAY_IDENTITY_KEYS", "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");

/// What the program says to each of these lines, given these variables.
fn refusals(lines: &[&str], variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for line in lines {
        let arguments: Vec<_> = line.split(' ').collect();
        let mut command = my_pay(folder.path(), &arguments);
        text += &format!("{line}\n{}", refusal(command.envs(variables.iter().copied())));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a refusal leaves no trace");
    text
}

#[test]
fn a_command_says_what_it_needs() {
    let lines = [
        "gateway",
        "gateway --account-upstream localhost:1",
        "gateway --account-upstream localhost:1 --money-upstream localhost:2,localhost:3",
        "account",
        "money",
        "migrate",
        "migrate money",
        "migrate --database-url sqlite:a.db",
    ];
    expect![[r#"
        gateway
        my-pay: --account-upstream is needed: HOST:PORT of each instance (or the
            variable MY_PAY_UPSTREAMS_ACCOUNT)
        gateway --account-upstream localhost:1
        my-pay: --money-upstream is needed: HOST:PORT of each instance (or the variable
            MY_PAY_UPSTREAMS_MONEY)
        gateway --account-upstream localhost:1 --money-upstream localhost:2,localhost:3
        my-pay: identity keys are needed: set MY_PAY_IDENTITY_KEYS or
            MY_PAY_IDENTITY_KEYS_FILE
        account
        my-pay: identity keys are needed: set MY_PAY_IDENTITY_KEYS or
            MY_PAY_IDENTITY_KEYS_FILE
        money
        my-pay: identity keys are needed: set MY_PAY_IDENTITY_KEYS or
            MY_PAY_IDENTITY_KEYS_FILE
        migrate
        my-pay: --database-url is needed: `sqlite:PATH` or `mysql://…` (or the
            variable MY_PAY_ACCOUNT_DATABASE_URL)
        migrate money
        my-pay: --database-url is needed: `sqlite:PATH` or `mysql://…` (or the
            variable MY_PAY_MONEY_DATABASE_URL)
        migrate --database-url sqlite:a.db
        my-pay: --database-url names one database: say `migrate account` or `migrate
            money`
    "#]]
    .assert_eq(&refusals(&lines, &[]));
    let lines = [
        "account --listen 127.0.0.1:0",
        "account --listen 127.0.0.1:0 --money-upstream localhost:1",
        "money --listen 127.0.0.1:0",
    ];
    expect![[r#"
        account --listen 127.0.0.1:0
        my-pay: --money-upstream is needed: HOST:PORT of each instance (or the variable
            MY_PAY_UPSTREAMS_MONEY)
        account --listen 127.0.0.1:0 --money-upstream localhost:1
        my-pay: --database-url is needed: `sqlite:PATH` or `mysql://…` (or the
            variable MY_PAY_ACCOUNT_DATABASE_URL)
        money --listen 127.0.0.1:0
        my-pay: --account-upstream is needed: HOST:PORT of each instance (or the
            variable MY_PAY_UPSTREAMS_ACCOUNT)
    "#]]
    .assert_eq(&refusals(&lines, &[KEYS]));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let lines = [
        "gateway --account-upstream http://localhost:1 --money-upstream localhost:2",
        "gateway --account-upstream localhost:1,localhost:1 --money-upstream localhost:2",
        "money --account-upstream localhost",
        "account --listen 127.0.0.1:0 --money-upstream localhost:1 --database-url postgres://localhost/account",
        "account --listen 127.0.0.1:0 --money-upstream localhost:1 --database-url sqlite:",
        "account --listen 127.0.0.1:0 --money-upstream localhost:1 --database-url sqlite:a.db --redis-url memcached://localhost",
        "migrate money --database-url mysql://localhost",
        "admin audit --database-url money.db",
    ];
    expect![[r#"
        gateway --account-upstream http://localhost:1 --money-upstream localhost:2
        my-pay: upstreams.account: `http://localhost:1` is not an address (HOST:PORT)
        gateway --account-upstream localhost:1,localhost:1 --money-upstream localhost:2
        my-pay: upstreams.account names `localhost:1` twice
        money --account-upstream localhost
        my-pay: upstreams.account: `localhost` is not an address (HOST:PORT)
        account --listen 127.0.0.1:0 --money-upstream localhost:1 --database-url postgres://localhost/account
        my-pay: account.database_url must be `sqlite:PATH` or
            `mysql://USER:PASSWORD@HOST:PORT/SCHEMA`
        account --listen 127.0.0.1:0 --money-upstream localhost:1 --database-url sqlite:
        my-pay: account.database_url must be `sqlite:PATH` or
            `mysql://USER:PASSWORD@HOST:PORT/SCHEMA`
        account --listen 127.0.0.1:0 --money-upstream localhost:1 --database-url sqlite:a.db --redis-url memcached://localhost
        my-pay: redis.url: it must be like redis://HOST:PORT/DATABASE
        migrate money --database-url mysql://localhost
        my-pay: the URL of the money database is refused: the database URL names no
            schema: mysql://user:password@host:port/schema
        admin audit --database-url money.db
        my-pay: money.database_url must be `sqlite:PATH` or
            `mysql://USER:PASSWORD@HOST:PORT/SCHEMA`
    "#]]
    .assert_eq(&refusals(&lines, &[KEYS]));
    expect![[r#"
        account
        my-pay: identity.keys: the secret of identity key `k1` is not base64 (RFC 4648,
            section 4, with padding)
    "#]]
    .assert_eq(&refusals(&["account"], &[("MY_PAY_IDENTITY_KEYS", "k1:short")]));
    let elsewhere = [("MY_PAY_MONEY_DATABASE_URL", "mysql://localhost/money")];
    expect![[r#"
        up --listen 127.0.0.1:0
        my-pay: `my-pay up` keeps its data in data_dir: money.database_url is for
            `my-pay money`
    "#]]
    .assert_eq(&refusals(&["up --listen 127.0.0.1:0"], &elsewhere));
}

#[test]
fn secrets_are_masked() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = my_pay(folder.path(), &["config"]);
    let ended = Process::start(command.envs([
        KEYS,
        ("MY_PAY_ACCOUNT_DATABASE_URL", "mysql://ann:a-secret@db/account"),
        ("MY_PAY_MONEY_MIGRATION_DATABASE_URL", "mysql://root:b-secret@db/money"),
        ("MY_PAY_REDIS_URL", "redis://:c-secret@cache"),
    ]))
    .wait(PATIENCE);
    assert!(!ended.stdout.contains("secret") && !ended.stdout.contains("MDEy"), "{}", ended.stdout);
    let masked: Vec<_> = ended.stdout.lines().filter(|line| line.contains("***")).collect();
    expect![[r#"
        keys = "***"
        url = "redis://:***@cache"
        database_url = "mysql://ann:***@db/account"
        migration_database_url = "mysql://root:***@db/money""#]]
    .assert_eq(&masked.join("\n"));
}

#[test]
fn a_secret_may_be_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("keys"), format!("{}\n", KEYS.1)).unwrap();
    fs::write(path.join("url"), "sqlite:a.db\n").unwrap();
    fs::write(path.join("empty"), "\n").unwrap();
    let refuse = |variables: &[(&str, &str)]| {
        let mut command = my_pay(path, &["money", "--listen", "127.0.0.1:0"]);
        refusal(command.env("MY_PAY_UPSTREAMS_ACCOUNT", "localhost:1").envs(variables.to_vec()))
    };
    let keys = ("MY_PAY_IDENTITY_KEYS_FILE", "keys");
    let said = [
        refuse(&[("MY_PAY_IDENTITY_KEYS_FILE", "nowhere")]),
        refuse(&[("MY_PAY_IDENTITY_KEYS_FILE", "empty")]),
        refuse(&[KEYS, keys]),
        // The keys are there: what is missing is the database.
        refuse(&[keys]),
    ];
    expect![[r#"
        my-pay: the file nowhere (identity.keys_file) cannot be read: No such file or
            directory (os error 2)
        my-pay: the file empty (identity.keys_file) is empty
        my-pay: identity.keys and identity.keys_file are both given: which one counts?
        my-pay: --database-url is needed: `sqlite:PATH` or `mysql://…` (or the
            variable MY_PAY_MONEY_DATABASE_URL)
    "#]]
    .assert_eq(&said.concat());
    // A file of the database's URL, and everything is there.
    let mut command = my_pay(path, &["migrate", "money"]);
    let ended = Process::start(command.env("MY_PAY_MONEY_DATABASE_URL_FILE", "url")).wait(PATIENCE);
    assert_eq!(ended.stdout, "the money database is up to date\n", "{ended:?}");
    assert!(path.join("a.db").is_file());
}
