//! Account services that are killed: one, and all of them.

use std::time::Duration;

use super::Scene;
use crate::support::{Person, eventually};

/// How long a token that was introspected is good without an account service, and some more.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn killed_account_services_stop_money_for_a_while_and_lose_nothing() {
    let mut scene = Scene::start().await;
    let ann = Person::register(scene.cluster.client(), "Ann").await.with_wallet().await;
    let load = scene.start_load();
    load.wait_for_outcomes(100).await;
    scene.random_moment().await;
    scene.cluster.accounts[0].kill();
    let took = load.wait_for_outcomes(200).await;
    eprintln!("200 outcomes in {took:?} with one account service");
    let bob = Person::register(scene.cluster.client(), "Bob").await.with_wallet().await;
    scene.cluster.accounts[1].kill();
    // Nobody can vouch for a token any more, sooner or later; nobody is told that it is invalid.
    let is_answered = async || {
        let path = format!("/money/v1/wallets/{}", ann.wallet_id);
        let answer = ann.get(&path).send().await;
        assert!(matches!(answer.status, 200 | 503), "{} {}", answer.status, answer.body);
        answer.status == 200
    };
    eventually(SOON, async || !is_answered().await).await;
    load.wait_for_outage(50).await;
    for account in &mut scene.cluster.accounts {
        account.start_again();
    }
    eventually(SOON, is_answered).await;
    let took = load.wait_for_outcomes(200).await;
    eprintln!("200 outcomes in {took:?} with both account services again");
    assert_eq!((ann.balance().await, bob.balance().await), (0, 0));
    scene.end(load).await;
}
