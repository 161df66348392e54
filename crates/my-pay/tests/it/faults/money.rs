//! Money services that are killed, or freeze and wake up late.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use testing::MariaDb;

use super::{SETTINGS, Scene, inside::Inside, person_with, until};
use crate::{
    crash::load::is_replay,
    support::{
        Client, Person, Response,
        cluster::{Cluster, Shape},
        eventually,
        process::{PATIENCE, Process},
    },
};

/// Longer than a lock's expiry (1 s here) and than the database leaves an idle transaction open
/// (3 s).
const FROZEN: Duration = Duration::from_millis(4_500);

/// How soon the others have done something: the database's 3 s, and time for a busy machine. The
/// frozen one is not resumed before.
const GOING_ON: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn killed_money_services_lose_nothing() {
    let mut scene = Scene::start().await;
    let load = scene.start_load();
    for n in 0..scene.cluster.moneys.len() {
        load.wait_for_outcomes(100).await;
        scene.random_moment().await;
        scene.cluster.moneys[n].kill();
        let took = load.wait_for_outcomes(200).await;
        eprintln!("200 outcomes in {took:?} without {}", scene.cluster.moneys[n].name);
        scene.cluster.moneys[n].start_again();
        scene.cluster.moneys[n].wait_until_ready().await;
    }
    load.wait_for_outcomes(200).await;
    scene.end(load).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_money_service_that_wakes_up_late_corrupts_nothing() {
    let mut scene = Scene::start().await;
    let load = scene.start_load();
    for n in 0..2 {
        load.wait_for_outcomes(100).await;
        scene.random_moment().await;
        let started = Instant::now();
        scene.cluster.moneys[n].suspend();
        // What the frozen one holds must become free, and the others go on.
        let took = load.wait_for_outcomes(200).await;
        eprintln!("200 outcomes in {took:?} beside a frozen money service");
        assert!(took < GOING_ON, "the others went on while one was frozen: {took:?}");
        until(started, FROZEN).await;
        scene.cluster.moneys[n].resume();
        scene.cluster.moneys[n].wait_until_ready().await;
    }
    load.wait_for_outcomes(200).await;
    scene.end(load).await;
}

/// How long the row of a wallet is held: shorter than others wait for it, and long enough to freeze
/// one of them.
const ROW_HELD: Duration = Duration::from_secs(4);

/// Somebody else's transaction, which holds the row of a person's wallet for a while from now on.
fn hold_row(mariadb: &MariaDb, wallet_id: i64) -> Process {
    let address = mariadb.address();
    let seconds = ROW_HELD.as_secs();
    let mut holder = Process::start(
        Command::new("mariadb")
            .args(["--no-defaults", "--batch", "--skip-column-names", "--unbuffered"])
            .args(["--user=root", "--protocol=tcp", "--skip-ssl"])
            .arg(format!("--host={}", address.ip()))
            .arg(format!("--port={}", address.port()))
            .arg("--execute")
            .arg(format!(
                "BEGIN; SELECT 'held' FROM money.wallets WHERE id = {wallet_id} FOR UPDATE; \
                 DO SLEEP({seconds}); COMMIT"
            )),
    );
    holder.wait_for(|line| (line.trim() == "held").then_some(()));
    holder
}

/// Whether somebody waits for a row.
fn is_waited_for(mariadb: &MariaDb) -> bool {
    let waits = mariadb.execute("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'");
    waits.trim().split('\t').next_back() != Some("0")
}

/// Frozen in the middle of a batch, for certain: when it begins to wait for a row. It gets the row
/// while it is frozen, and holds it, and its lock in Redis, until both are taken from it.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_lock_holder_that_wakes_up_late_decides_anew() {
    let shape = Shape { gateways: 1, accounts: 1, moneys: 2 };
    let mut cluster = Cluster::start_with(shape, &SETTINGS).await;
    let (ann, bob) =
        (person_with(&cluster, "Ann", 100).await, person_with(&cluster, "Bob", 1).await);
    let (inside, frozen) = (Inside::new(), cluster.moneys[0].client());
    let mut holder = hold_row(&cluster.mariadb, ann.wallet_id);
    let first = tokio::spawn({
        let (inside, ann, bob) = (inside.clone(), ann.clone(), bob.clone());
        async move { inside.transfer(&frozen, [&ann, &bob], "first", 60).await }
    });
    eventually(ROW_HELD, async || is_waited_for(&cluster.mariadb)).await;
    cluster.moneys[0].suspend();
    assert!(holder.is_running(), "it was frozen in time");
    assert_eq!(holder.wait(PATIENCE).code(), Some(0));
    // The other one needs the wallet, and gets it in the end: the money is spent another way.
    let started = Instant::now();
    let other = cluster.moneys[1].client();
    let second = until_told(&inside, &other, [&ann, &bob], "second").await;
    eprintln!("the frozen holder was in the way for {:?}", started.elapsed());
    assert_eq!((second.status, second.body["balance"].as_i64()), (201, Some(40)));
    // So is the first request, which a client has sent again.
    let again = until_told(&inside, &other, [&ann, &bob], "first").await;
    assert_eq!((again.status, again.code()), (422, "insufficient_balance"));
    assert!(!is_replay(&again), "the frozen one had not committed");
    cluster.moneys[0].resume();
    let first = first.await.unwrap().unwrap();
    assert_eq!((first.status, first.code()), (422, "insufficient_balance"));
    assert_eq!(first.body["transferId"], again.body["transferId"]);
    assert_eq!((ann.balance().await, bob.balance().await), (40, 61));
    cluster.wait_until_ready().await;
    cluster.stop().await;
}

/// Sends 60 won until it is told what became of them.
async fn until_told(inside: &Inside, money: &Client, parties: [&Person; 2], key: &str) -> Response {
    let mut told = None;
    eventually(GOING_ON, async || {
        let answer = inside.transfer(money, parties, key, 60).await.unwrap();
        let is_told = answer.status != 503;
        told = Some(answer);
        is_told
    })
    .await;
    told.expect("it was told")
}
