//! Closing wallets in the midst of movements: all of them or none, and never with money in them.

use ledger::{
    AccountId, Closing, ClosingDecision, Command, Movement, OpeningRejection, Outcome, Rejection,
    Wallet,
};
use service::{
    clock::Timestamp,
    contract::account_feed::{AccountChange, Standing},
};

use super::*;

const ANN: AccountId = AccountId(10_001);

fn attempt(attempt: i64) -> Closing {
    Closing { account_id: ANN, attempt }
}

/// Sends 1 won.
fn send(from: &Wallet, to: &Wallet, key: &str) -> Command {
    let movement = Movement::Transfer { sender: Some(from.id), receiver: to.id };
    Command { movement, amount: Amount::new(1).unwrap(), ..deposit(from, key) }
}

fn outcome(answer: Result<Answer, EngineError>) -> Outcome {
    match answer.unwrap() {
        Answer::Decided { transfer, .. } => transfer.outcome,
        Answer::Refused(rejection) => panic!("refused: {rejection:?}"),
    }
}

#[tokio::test]
async fn wallets_with_money_stay_open_and_empty_ones_close() {
    let world = World::new(EngineConfig::default());
    let (ann, bob) = (world.open(ANN.0).await, world.open(10_002).await);
    balance(world.engine.move_money(deposit(&ann, "in")).await);
    let ClosingDecision::Refused { holding } =
        world.engine.close_wallets(attempt(1)).await.unwrap()
    else {
        panic!("it holds money")
    };
    let held: Vec<_> = holding.iter().map(|wallet| (wallet.id, wallet.balance)).collect();
    assert_eq!(held, [(ann.id, 3)]);
    let movement = Movement::Withdrawal { wallet: None };
    balance(world.engine.move_money(Command { movement, ..deposit(&ann, "out") }).await);
    assert_eq!(world.engine.close_wallets(attempt(2)).await, Ok(ClosingDecision::Closed));
    assert_eq!(world.engine.close_wallets(attempt(2)).await, Ok(ClosingDecision::Closed));
    balance(world.engine.move_money(deposit(&bob, "in")).await);
    let sent = world.engine.move_money(send(&bob, &ann, "late")).await;
    assert_eq!(outcome(sent), Outcome::Failed(Rejection::ReceiverWalletClosed));
    let opened = world.engine.open_wallet(ANN, Currency::from_code("USD").unwrap()).await.unwrap();
    assert_eq!(opened, Err(OpeningRejection::AccountDisabled));
    world.end(3).await;
}

/// The feed is read in its own time: what it tells of before the closing arrives after it.
#[tokio::test]
async fn no_later_change_of_the_feed_opens_closed_wallets() {
    let world = World::new(EngineConfig::default());
    let (ann, bob) = (world.open(ANN.0).await, world.open(10_002).await);
    balance(world.engine.move_money(deposit(&bob, "in")).await);
    assert_eq!(world.engine.close_wallets(attempt(1)).await, Ok(ClosingDecision::Closed));
    let created_at = Timestamp::from_micros(1);
    for (sequence, standing) in (1..).zip([Standing::Suspended, Standing::Active]) {
        let change = AccountChange { sequence, account_id: ANN.0, standing, created_at };
        world.engine.apply_change(change).await.unwrap();
        let sent = world.engine.move_money(send(&bob, &ann, &sequence.to_string())).await;
        assert_eq!(outcome(sent), Outcome::Failed(Rejection::ReceiverWalletClosed));
    }
    world.end(1).await;
}

#[tokio::test]
async fn a_lost_commit_of_a_closing_is_resolved_by_asking_again() {
    let world = World::new(EngineConfig::default());
    world.open(ANN.0).await;
    world.faults.commit_is_lost_after_it_was_made.store(true, Ordering::SeqCst);
    let lost = world.engine.close_wallets(attempt(1)).await;
    assert_eq!(lost, Err(EngineError::OutcomeUnknown));
    assert_eq!(world.engine.close_wallets(attempt(1)).await, Ok(ClosingDecision::Closed));
    world.end(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_closing_and_receiving_ends_clean() {
    let world = World::new(EngineConfig { batch_jobs_max: 8, ..EngineConfig::default() });
    let bob = world.open(20_001).await;
    balance(world.engine.move_money(deposit(&bob, "in")).await);
    let (mut closed, mut completed) = (0, 1);
    for account in 10_001..10_101 {
        let wallet = world.open(account).await;
        let [to_close, to_send] = [world.engine.clone(), world.engine.clone()];
        let closing = Closing { account_id: AccountId(account), attempt: 1 };
        let back = deposit(&bob, &format!("back {account}"));
        let command = send(&bob, &wallet, &account.to_string());
        let closing = tokio::spawn(async move { to_close.close_wallets(closing).await });
        let sending = tokio::spawn(async move { to_send.move_money(command).await });
        let decision = closing.await.unwrap().unwrap();
        match (decision, outcome(sending.await.unwrap())) {
            (ClosingDecision::Closed, Outcome::Failed(Rejection::ReceiverWalletClosed)) => {
                closed += 1;
            }
            (ClosingDecision::Refused { holding }, Outcome::Completed { .. }) => {
                assert_eq!(holding[0].balance, 1);
                completed += 1;
            }
            unclean => panic!("{unclean:?}"),
        }
        balance(world.engine.move_money(back).await);
        completed += 1;
    }
    assert_eq!(closed + completed, 201);
    world.end(completed).await;
}
