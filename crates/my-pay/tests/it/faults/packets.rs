//! A database server that takes little at once (`max_allowed_packet`): 64 KiB carries full batches
//! of the longest transfers, and a server that takes less than is needed is refused at start.

use serde_json::json;
use testing::MariaDb;
use tokio::task::JoinSet;

use super::person_with;
use crate::support::{
    cluster::{Cluster, IDENTITY_KEY, Shape},
    process::{PATIENCE, Process, my_pay},
};

const TRANSFERS: usize = 1_500;

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_transfers_fit_a_server_that_takes_64_kib() {
    let mariadb = MariaDb::start_with(&["--max-allowed-packet=65536"]);
    let shape = Shape { gateways: 1, accounts: 1, moneys: 1 };
    let cluster = Cluster::start_on(mariadb, shape, &[]).await;
    let amount = i64::try_from(TRANSFERS).unwrap();
    let (ann, bob) =
        (person_with(&cluster, "Ann", amount).await, person_with(&cluster, "Bob", 1).await);
    let mut transfers = JoinSet::new();
    for n in 0..TRANSFERS {
        let (ann, receiver) = (ann.clone(), bob.wallet_id);
        transfers.spawn(async move {
            let summary = "\u{1f4b8}".repeat(200);
            let body = json!({"receiverWalletId": receiver, "amount": 1, "summary": summary});
            // As long as a key may be.
            ann.move_money("transfers", &format!("{n:0>128}"), &body).await
        });
    }
    let answers = transfers.join_all().await;
    for answer in answers {
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    assert_eq!((ann.balance().await, bob.balance().await), (0, amount + 1));
    cluster.stop().await;
}

#[test]
fn a_server_that_takes_too_little_is_refused_at_start() {
    let mariadb = MariaDb::start_with(&["--max-allowed-packet=8192"]);
    let folder = tempfile::tempdir().unwrap();
    for service in ["account", "money"] {
        mariadb.create_database(service);
        let url = mariadb.url(service);
        for arguments in [&[service, "--listen", "127.0.0.1:0"][..], &["migrate", service]] {
            let mut command = my_pay(folder.path(), arguments);
            command.env("MY_PAY_IDENTITY_KEYS", IDENTITY_KEY);
            command.env("MY_PAY_UPSTREAMS_ACCOUNT", "127.0.0.1:1");
            command.env("MY_PAY_UPSTREAMS_MONEY", "127.0.0.1:1");
            command.env(format!("MY_PAY_{}_DATABASE_URL", service.to_uppercase()), &url);
            let ended = Process::start(&mut command).wait(PATIENCE);
            assert_eq!(ended.code(), Some(1), "{arguments:?}: {ended:?}");
            let said = "the database takes packets of at most 8192 bytes, and 16384 are needed: \
                        raise the server's variable max_allowed_packet";
            assert!(ended.stderr.contains(said), "{arguments:?}: {ended:?}");
        }
    }
}
