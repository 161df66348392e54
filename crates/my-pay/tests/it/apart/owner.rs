//! Whose a schema on MySQL is: services that run apart refuse the other service's, another
//! program's, and accounts of another installation.

use std::{process::Command, time::Duration};

use serde_json::json;
use testing::MariaDb;

use crate::support::{
    Person,
    cluster::{Cluster, IDENTITY_KEY, Shape},
    eventually,
    metrics::{Scrape, operations_address},
    process::{Ended, PATIENCE, Process, Program, my_pay},
};

const SMALL: Shape = Shape { gateways: 1, accounts: 1, moneys: 1 };

/// How soon another installation must be noticed, on a machine that does other things as well.
const SOON: Duration = Duration::from_secs(30);

/// Runs a command to its end, which must be a refusal in one line.
fn refused(command: &mut Command) -> String {
    let Ended { status, stderr, stdout } = Process::start(command).wait(PATIENCE);
    assert_eq!(status.code(), Some(1), "{command:?}: {stdout}{stderr}");
    assert_eq!(stderr.matches('\n').count(), 1, "{stderr}");
    stderr
}

/// A service's start and its migration, on this schema.
fn commands(folder: &tempfile::TempDir, service: &str, url: &str) -> [Command; 2] {
    [vec![service, "--listen", "127.0.0.1:0"], vec!["migrate", service]].map(|arguments| {
        let mut command = my_pay(folder.path(), &arguments);
        command.args(["--database-url", url]);
        command.env("MY_PAY_IDENTITY_KEYS", IDENTITY_KEY);
        command.env("MY_PAY_UPSTREAMS_ACCOUNT", "127.0.0.1:9");
        command.env("MY_PAY_UPSTREAMS_MONEY", "127.0.0.1:9");
        command
    })
}

const ENABLE: &[&str] = &["admin", "account", "enable", "10001", "--reason", "a test"];

const SCHEMAS: [(&str, &str); 2] = [
    ("account", include_str!("../../../../account/src/store/mysql/migrations/0001_accounts.sql")),
    (
        "money",
        include_str!("../../../../money/src/store/mysql/migrations/0001_wallets_and_transfers.sql"),
    ),
];

/// Schemas as version 1 made them, which recorded nothing about their owner.
fn version_1(server: &MariaDb) {
    for (service, schema) in SCHEMAS {
        let name = format!("{service}_1");
        server.create_database(&name);
        server.execute(&format!(
            "USE {name}; CREATE TABLE schema_migrations (version BIGINT NOT NULL PRIMARY KEY,
                 statements_begun BIGINT NOT NULL, statements_done BIGINT NOT NULL,
                 is_done BIGINT NOT NULL);
             INSERT INTO schema_migrations VALUES (1, 9, 9, 1); {schema}"
        ));
    }
}

#[test]
fn a_schema_of_another_service_or_program_is_refused_and_named() {
    let server = MariaDb::start();
    let folder = tempfile::tempdir().unwrap();
    version_1(&server);
    for service in ["account", "money"] {
        server.create_database(service);
        let [_, mut migrate] = commands(&folder, service, &server.url(service));
        let migrated = Process::start(&mut migrate).wait(PATIENCE);
        assert_eq!(migrated.code(), Some(0), "{migrated:?}");
    }
    server.create_database("blog");
    server.execute("CREATE TABLE blog.wallets (x BIGINT); CREATE TABLE blog.posts (x BIGINT)");
    for (service, schema, whose) in [
        ("money", "account", "of the account service, and the money service's is needed"),
        ("money", "account_1", "of the account service, and the money service's is needed"),
        ("account", "money", "of the money service, and the account service's is needed"),
        ("account", "money_1", "of the money service, and the account service's is needed"),
        ("money", "blog", "of another program, as it has the table `posts`"),
        ("account", "blog", "of another program, as it has the table `posts`"),
    ] {
        let before = server.execute(&format!("SHOW TABLES IN {schema}"));
        for mut command in commands(&folder, service, &server.url(schema)) {
            let said = refused(&mut command);
            let expected =
                format!("the schema {schema} on {} is the database {whose}", server.address());
            assert!(said.contains(&expected), "{command:?}: {said}");
        }
        assert_eq!(server.execute(&format!("SHOW TABLES IN {schema}")), before);
    }
    for (arguments, schema) in [(&["admin", "audit"][..], "account"), (ENABLE, "money")] {
        let mut command = my_pay(folder.path(), arguments);
        let said = refused(command.args(["--database-url", &server.url(schema)]));
        assert!(said.contains(&format!("is the database of the {schema} service")), "{said}");
    }
    // Their owners take the old ones.
    for service in ["account", "money"] {
        let [_, mut migrate] = commands(&folder, service, &server.url(&format!("{service}_1")));
        let migrated = Process::start(&mut migrate).wait(PATIENCE);
        assert_eq!(migrated.code(), Some(0), "{migrated:?}");
    }
}

/// An account service of another installation, with an empty schema, in the place of the cluster's.
fn start_stranger(cluster: &mut Cluster) -> Program {
    cluster.accounts[0].terminate();
    let address = cluster.accounts[0].address.to_string();
    let mut command = cluster.command(&["account", "--listen", &address]);
    Program::start(command.env("MY_PAY_ACCOUNT_DATABASE_URL", cluster.mariadb.url("stranger")))
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_another_installation_are_refused_while_running_and_at_start() {
    let variables = [("MY_PAY_SERVER_OPERATIONS_LISTEN", "127.0.0.1:0")];
    let mut cluster = Cluster::start_with(SMALL, &variables).await;
    let ann = Person::register(cluster.client(), "Ann").await.with_wallet().await;
    ann.deposit(1_000).await;
    let metrics = operations_address(cluster.moneys[0].process());
    let is_refused = || Scrape::of(metrics).count("mypay_money_feed_other_installation") == 1;
    assert!(!is_refused());
    cluster.mariadb.create_database("stranger");

    let stranger = start_stranger(&mut cluster);
    let ready = async |cluster: &Cluster| {
        cluster.moneys[0].client().get("/readyz").exchange().await.unwrap()
    };
    eventually(SOON, async || ready(&cluster).await.status == 503).await;
    let said = ready(&cluster).await.body.to_string();
    assert!(said.contains("the money database belongs to installation"), "{said}");
    assert!(is_refused());
    // Another person with Ann's id gets no further than the gateway, once that reaches the stranger.
    let login = json!({"email": "nobody@example.com", "password": "not the password"});
    let guess = || cluster.client().post("/accounts/v1/auths").json(&login);
    eventually(SOON, async || guess().send().await.status == 401).await;
    let mallory = Person::register(cluster.client(), "Mallory").await;
    assert_eq!(mallory.account_id, ann.account_id);
    let path = format!("/money/v1/wallets/{}", ann.wallet_id);
    eventually(SOON, async || mallory.get(&path).send().await.status == 503).await;

    // Neither does a money service start.
    cluster.moneys[0].terminate();
    let account = cluster.accounts[0].address.to_string();
    let mut money = cluster.command(&["money", "--listen", "127.0.0.1:0"]);
    let said = refused(money.env("MY_PAY_UPSTREAMS_ACCOUNT", &account));
    assert!(said.contains("their accounts and wallets do not fit together"), "{said}");

    assert_eq!(stranger.stop().code(), Some(0));
    cluster.accounts[0].start_again();
    cluster.moneys[0].start_again();
    cluster.wait_until_ready().await;
    let body = json!({ "amount": 1_000 });
    eventually(SOON, async || ann.move_money("withdrawals", "all", &body).await.status == 201)
        .await;
    cluster.stop().await;
}
