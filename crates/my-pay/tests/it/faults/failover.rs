//! A database that fails over: a replica takes over, new connections reach it, and the old server
//! stays up, refuses writes, and keeps the connections that were made to it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use testing::{Forwarder, MariaDb};
use tokio::task::JoinSet;

use super::{SETTINGS, Scene};
use crate::support::{
    Person,
    cluster::{Cluster, Shape},
    eventually,
    process::PATIENCE,
};

/// Answers without a failure, one after the other, that show that all is well again.
const IN_A_ROW: usize = 200;

/// Movements of money after it, each of which is read at once.
const MOVED_AND_READ: usize = 50;

/// Readers beside the clients that move money.
const READERS: usize = 4;

/// A primary and its replica.
struct Pair {
    primary: MariaDb,
    replica: MariaDb,
}

impl Pair {
    fn start() -> Self {
        let [primary, replica] = [1, 2].map(|id| {
            let id = format!("--server-id={id}");
            MariaDb::start_with(&[&id, "--log-bin=binlog", "--binlog-format=ROW"])
        });
        primary.execute("CREATE USER copy; GRANT REPLICATION SLAVE ON *.* TO copy");
        let port = primary.address().port();
        replica.execute(&format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='copy', \
             MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1; START SLAVE"
        ));
        Self { primary, replica }
    }
}

/// Waits until the replica has everything that the primary has, and makes it a primary.
async fn promote(primary: &MariaDb, replica: &MariaDb) {
    let position = primary.execute("SELECT @@GLOBAL.gtid_binlog_pos");
    let wait = format!("SELECT MASTER_GTID_WAIT('{}', 1)", position.trim());
    eventually(PATIENCE, async || replica.execute(&wait) == "0\n").await;
    replica.execute("STOP SLAVE");
}

/// People who read their wallets all the time.
struct Readers {
    tasks: JoinSet<()>,
    stop: Arc<AtomicBool>,
    /// Answers since the last that was no wallet.
    in_a_row: Arc<AtomicUsize>,
}

impl Readers {
    fn start(people: &[Person]) -> Self {
        let (stop, in_a_row) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let read = |person: &Person| {
            let (person, stop, in_a_row) = (person.clone(), Arc::clone(&stop), in_a_row.clone());
            async move {
                let path = format!("/money/v1/wallets/{}", person.wallet_id);
                while !stop.load(Ordering::Relaxed) {
                    let answer = person.get(&path).send().await;
                    assert!(matches!(answer.status, 200 | 503), "{}", answer.body);
                    if answer.status == 200 {
                        in_a_row.fetch_add(1, Ordering::Relaxed);
                    } else {
                        in_a_row.store(0, Ordering::Relaxed);
                    }
                }
            }
        };
        let tasks = people.iter().map(read).collect();
        Self { tasks, stop, in_a_row }
    }

    async fn until_in_a_row(&self, count: usize) {
        self.in_a_row.store(0, Ordering::Relaxed);
        eventually(PATIENCE, async || self.in_a_row.load(Ordering::Relaxed) >= count).await;
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
    }
}

/// Waits until every service says this about itself.
async fn until_ready(cluster: &Cluster, is_ready: bool) {
    for node in cluster.accounts.iter().chain(&cluster.moneys) {
        eventually(PATIENCE, async || {
            let answer = node.client().get("/readyz").exchange().await.unwrap();
            answer.status == if is_ready { 200 } else { 503 }
        })
        .await;
    }
}

/// A cluster whose services reach the primary through an address that a failover moves, as users
/// who may not write to a server that is `read_only`.
async fn start(pair: Pair) -> (Scene, Forwarder, MariaDb) {
    let Pair { primary, replica } = pair;
    for schema in ["account", "money"] {
        primary.create_user(schema, schema);
    }
    let forwarder = Forwarder::start(primary.address());
    let url = |schema: &str| format!("mysql://{schema}@{}/{schema}", forwarder.address());
    let (account, money) = (url("account"), url("money"));
    let databases =
        [("MY_PAY_ACCOUNT_DATABASE_URL", &*account), ("MY_PAY_MONEY_DATABASE_URL", &*money)];
    let shape = Shape { gateways: 1, accounts: 2, moneys: 2 };
    let cluster = Cluster::start_on(primary, shape, &[&SETTINGS[..], &databases].concat()).await;
    (Scene::on(cluster).await, forwarder, replica)
}

/// Moves money and reads at once what became of it, by id and by key.
async fn move_and_read(scene: &mut Scene) {
    for n in 0..MOVED_AND_READ {
        let asked = scene.people.think_of(&mut scene.random);
        let (outcome, _) = scene.people.send(&asked).await.expect("the gateway answers");
        scene.people.check_kept(&asked, &outcome, n % 2 == 0).await;
        scene.enter(asked, outcome);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_of_the_database_is_followed_by_reads_and_writes() {
    let (mut scene, forwarder, replica) = start(Pair::start()).await;
    let readers = Readers::start(&scene.people.all()[..READERS]);
    let load = scene.start_load();
    load.wait_for_outcomes(200).await;
    // The old server refuses writes from now on, and every service says that it is not ready.
    scene.cluster.mariadb.set_read_only(true);
    until_ready(&scene.cluster, false).await;
    promote(&scene.cluster.mariadb, &replica).await;
    forwarder.lead_to(replica.address());
    let started = Instant::now();
    until_ready(&scene.cluster, true).await;
    load.wait_for_outcomes(200).await;
    eprintln!("200 outcomes within {:?} after the failover", started.elapsed());
    readers.until_in_a_row(IN_A_ROW).await;
    // No session is left at the old server, and what the new one has written is read at once.
    let sessions = "SELECT COUNT(*) FROM information_schema.processlist
        WHERE user IN ('account', 'money')";
    eventually(PATIENCE, async || scene.cluster.mariadb.execute(sessions) == "0\n").await;
    move_and_read(&mut scene).await;
    let person = Person::register(scene.cluster.client(), "Newcomer").await;
    assert_eq!(person.get("/accounts/v1/auths").send().await.status, 200);
    readers.stop().await;
    let _old = std::mem::replace(&mut scene.cluster.mariadb, replica);
    scene.end(load).await;
}
