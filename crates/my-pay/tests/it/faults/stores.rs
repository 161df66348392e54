//! The database and Redis, killed, frozen, emptied and short of connections.

use std::time::{Duration, Instant};

use testing::MariaDb;

use super::{Scene, until};
use crate::support::{cluster::Cluster, eventually, process::PATIENCE};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_database_loses_nothing() {
    let mut scene = Scene::start().await;
    let load = scene.start_load();
    for _ in 0..2 {
        load.wait_for_outcomes(200).await;
        scene.random_moment().await;
        scene.cluster.mariadb.kill();
        // Long enough to be noticed by all.
        until(Instant::now(), Duration::from_millis(300)).await;
        scene.cluster.mariadb.restart();
        let took = load.wait_for_outcomes(200).await;
        eprintln!("200 outcomes in {took:?} after the database's restart");
    }
    scene.end(load).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_money_moves_on() {
    let mut scene = Scene::start().await;
    let load = scene.start_load();
    let outcomes = async |what: &str| {
        let took = load.wait_for_outcomes(300).await;
        eprintln!("300 outcomes in {took:?}: {what}");
        assert!(took < Duration::from_secs(40), "{what}: {took:?}");
    };
    outcomes("at first").await;
    all_say(&scene.cluster, "answers since").await;
    scene.cluster.redis.stop();
    outcomes("Redis is frozen").await;
    all_say(&scene.cluster, "going on without").await;
    scene.cluster.redis.resume();
    all_say(&scene.cluster, "answers since").await;
    outcomes("Redis is back").await;
    scene.cluster.redis.flush_all();
    outcomes("Redis has forgotten everything").await;
    scene.cluster.redis.kill();
    outcomes("Redis is dead").await;
    all_say(&scene.cluster, "going on without").await;
    scene.cluster.redis.restart();
    all_say(&scene.cluster, "answers since").await;
    outcomes("Redis is a new one").await;
    scene.end(load).await;
}

/// Waits until every money service, ready all the time, says this about Redis.
async fn all_say(cluster: &Cluster, what: &str) {
    for money in &cluster.moneys {
        eventually(PATIENCE, async || {
            let answer = money.client().get("/readyz").exchange().await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.body);
            answer.body["checks"].to_string().contains(what)
        })
        .await;
    }
}

/// Fewer than the services want: three money services have four lanes each.
const CONNECTIONS: u32 = 10;

/// How long there are no more connections than that.
const SHORTAGE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn too_few_database_connections_lose_nothing() {
    let mut scene = Scene::start().await;
    let load = scene.start_load();
    load.wait_for_outcomes(200).await;
    let refused_before = refused(&scene.cluster.mariadb);
    std::thread::scope(|scope| scope.spawn(|| run_short(&scene.cluster.mariadb)).join().unwrap());
    let took = load.wait_for_outcomes(200).await;
    eprintln!("200 outcomes in {took:?} after the shortage");
    let refused = refused(&scene.cluster.mariadb) - refused_before;
    eprintln!("{refused} connections were refused");
    assert!(refused > 0, "there were connections enough");
    scene.end(load).await;
}

/// Ends everybody's connection and lets few be made, for a while, on one connection.
fn run_short(mariadb: &MariaDb) {
    let seconds = SHORTAGE.as_secs();
    mariadb.execute(&format!(
        "DELIMITER //\n\
         BEGIN NOT ATOMIC\n\
         DECLARE before_it INT DEFAULT @@GLOBAL.max_connections;\n\
         DECLARE CONTINUE HANDLER FOR 1094 BEGIN END;\n\
         SET GLOBAL max_connections = {CONNECTIONS};\n\
         FOR other IN (SELECT id FROM information_schema.processlist\n\
             WHERE id <> CONNECTION_ID() AND user = 'root') DO\n\
             EXECUTE IMMEDIATE CONCAT('KILL ', other.id);\n\
         END FOR;\n\
         DO SLEEP({seconds});\n\
         SET GLOBAL max_connections = before_it;\n\
         END //\n"
    ));
}

/// Connections that the database has refused, because there were too many.
fn refused(mariadb: &MariaDb) -> u64 {
    let shown = mariadb.execute("SHOW GLOBAL STATUS LIKE 'Connection_errors_max_connections'");
    shown.split_whitespace().last().unwrap().parse().unwrap()
}
