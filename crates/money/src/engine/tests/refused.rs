//! What the database refuses, by a rule or a trigger of its own, leaves nothing behind: no lock, no
//! open transaction, and the next request is served.

use std::time::Duration;

use ledger::{AccountId, Amount, Asker, Command, IdempotencyKey, Movement, Wallet};
use rusqlite::Connection;

use super::{Answer, EngineConfig, EngineError, World, balance, deposit};

fn transfer(sender: &Wallet, receiver: &Wallet, key: &str) -> Command {
    Command {
        key: IdempotencyKey { asker: Asker::Account(sender.account_id), key: key.to_owned() },
        account_id: sender.account_id,
        movement: Movement::Transfer { sender: Some(sender.id), receiver: receiver.id },
        amount: Amount::new(1).unwrap(),
        summary: None,
    }
}

fn beside(world: &World) -> Connection {
    let db = Connection::open(world.folder.path().join("money.db")).unwrap();
    // Whoever holds the write lock is noticed at once.
    db.busy_timeout(Duration::ZERO).unwrap();
    db
}

#[tokio::test]
async fn a_refused_batch_is_rolled_back_at_once_and_the_next_is_served() {
    let world = World::new(EngineConfig::default());
    let wallet = world.open(10_001).await;
    let db = beside(&world);
    db.execute_batch(
        "CREATE TRIGGER refuse BEFORE INSERT ON transfers WHEN NEW.idempotency_key = 'refused'
         BEGIN SELECT RAISE(ABORT, 'on purpose'); END",
    )
    .unwrap();
    for round in 1..=3 {
        let refused = world.engine.move_money(deposit(&wallet, "refused")).await;
        assert_eq!(refused, Err(EngineError::Unavailable));
        db.execute_batch("BEGIN IMMEDIATE; ROLLBACK").expect("nothing holds the write lock");
        let opened = world.open(20_000 + round).await;
        assert_eq!(balance(world.engine.move_money(deposit(&opened, "a")).await), (3, false));
    }
    world.end(3).await;
}

#[tokio::test]
async fn a_lowered_counter_costs_what_meets_it_and_nothing_else() {
    let world = World::new(EngineConfig::default());
    let (sender, receiver) = (world.open(10_001).await, world.open(10_002).await);
    assert_eq!(balance(world.engine.move_money(deposit(&sender, "a")).await), (3, false));
    let world = World::over(world.end(1).await, EngineConfig::default());
    // After the start, which would refuse them, and before the first block is reserved.
    let lower = "UPDATE id_blocks SET next_value = 1 WHERE name IN ('transaction', 'wallet')";
    assert_eq!(beside(&world).execute(lower, []).unwrap(), 2);
    // The transaction's ids are taken: refused, after the block of ids for transactions was
    // reserved and before the one for wallets is.
    let refused = world.engine.move_money(transfer(&sender, &receiver, "b")).await;
    assert_eq!(refused, Err(EngineError::Unavailable));
    beside(&world)
        .execute_batch("BEGIN IMMEDIATE; ROLLBACK")
        .expect("nothing holds the write lock");
    let refused = world.engine.open_wallet(AccountId(10_003), sender.currency).await;
    assert_eq!(refused.unwrap_err(), EngineError::Unavailable, "the wallet's id is taken");
    // The ids behind them are free, and no row is in the way of their next owners.
    let moved = world.engine.move_money(transfer(&sender, &receiver, "b")).await;
    assert!(matches!(moved, Ok(Answer::Decided { replayed: false, .. })), "{moved:?}");
    let mut opened = Err(EngineError::Unavailable);
    for _ in 0..4 {
        opened = world.engine.open_wallet(AccountId(10_003), sender.currency).await;
        if opened.is_ok() {
            break;
        }
    }
    assert_eq!(opened.unwrap().unwrap().account_id, AccountId(10_003));
    world.end(2).await;
}
