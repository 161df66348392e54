//! Rolling restarts: every instance of every service, one after the other, and no request fails.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    Scene,
    load::{Doors, Load},
};
use crate::support::{
    Person,
    cluster::{Node, Shape},
};

/// Clients that use all the rest of the product.
const VISITORS: usize = 4;

/// How late a balancer notices that a gateway says it will stop; less than the drain delay.
const NOTICED: Duration = Duration::from_millis(400);

/// Visitors at work.
struct Visitors {
    tasks: JoinSet<usize>,
    stop: Arc<AtomicBool>,
}

impl Visitors {
    fn start(doors: &Doors) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let visitor = |_| visit_until(doors.clone(), Arc::clone(&stop));
        Self { tasks: (0..VISITORS).map(visitor).collect(), stop }
    }

    /// Ends their visits, of which none may have gone wrong.
    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        let visits: usize = self.tasks.join_all().await.into_iter().sum();
        eprintln!("{visits} visits");
        assert!(visits >= VISITORS);
    }
}

async fn visit_until(doors: Doors, stop: Arc<AtomicBool>) -> usize {
    let mut visits = 0;
    while !stop.load(Ordering::Relaxed) {
        visit(&doors).await;
        visits += 1;
    }
    visits
}

/// Registers, logs in, opens a wallet, looks around and logs out.
async fn visit(doors: &Doors) {
    let here = |person: &Person| Person { client: doors.client().clone(), ..person.clone() };
    let visitor = Person::register(doors.client().clone(), "Visitor").await;
    let visitor = here(&visitor).with_wallet().await;
    for path in ["/accounts/v1/auths", "/money/v1/wallets", "/money/v1/transactions"] {
        let answer = here(&visitor).get(path).send().await;
        assert_eq!(answer.status, 200, "{path} {}", answer.body);
    }
    let body = json!({"refreshToken": visitor.refresh_token});
    let refreshed = doors.client().post("/accounts/v1/auths/refresh").json(&body).send().await;
    assert_eq!(refreshed.status, 201, "{}", refreshed.body);
    let token = refreshed.body["accessToken"].as_str().unwrap();
    let path = "/accounts/v1/auths/current";
    let ended = doors.client().call(Method::DELETE, path).token(token).send().await;
    assert_eq!(ended.status, 204, "{}", ended.body);
}

/// As a service manager does it.
async fn restart(node: &mut Node) {
    let ended = node.terminate();
    assert_eq!(ended.code(), Some(0), "{}: {ended:?}", node.name);
    node.start_again();
    node.wait_until_ready().await;
}

/// Ends what was under way, of which nothing may have failed.
async fn end(scene: Scene, load: Load, visitors: Visitors) {
    visitors.stop().await;
    let failed = scene.end(load).await;
    assert_eq!(failed, 0, "requests failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn restarting_services_one_by_one_fails_no_request() {
    let mut scene = Scene::start().await;
    let (load, visitors) = (scene.start_load(), Visitors::start(&scene.doors));
    for n in 0..scene.cluster.accounts.len() {
        load.wait_for_outcomes(100).await;
        restart(&mut scene.cluster.accounts[n]).await;
    }
    for n in 0..scene.cluster.moneys.len() {
        load.wait_for_outcomes(100).await;
        restart(&mut scene.cluster.moneys[n]).await;
    }
    load.wait_for_outcomes(100).await;
    end(scene, load, visitors).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarting_gateways_one_by_one_fails_no_request() {
    let shape = Shape { gateways: 2, accounts: 1, moneys: 1 };
    let mut scene = Scene::start_with(shape).await;
    let (load, visitors) = (scene.start_load(), Visitors::start(&scene.doors));
    for n in [0, 1] {
        load.wait_for_outcomes(100).await;
        let doors = scene.doors.clone();
        let balancer = tokio::spawn(async move {
            tokio::time::sleep(NOTICED).await;
            doors.go_to(1 - n);
        });
        restart(&mut scene.cluster.gateways[n]).await;
        balancer.await.unwrap();
    }
    load.wait_for_outcomes(100).await;
    end(scene, load, visitors).await;
}
