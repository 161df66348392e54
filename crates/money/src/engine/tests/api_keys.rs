//! Idempotency keys of API keys, which no lock covers: one may be used for several accounts at once,
//! at several instances and lanes.

use ledger::{ApiKeyId, Asker, Rejection};
use tokio::task::JoinSet;

use super::{
    Answer,
    instances::{World, deposit},
};
use crate::store::mysql::MySqlStore;

/// Fifty requests with one key over two accounts at once: no lock covers the key, so the database's
/// own rule finds the second one, and it is decided again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_an_api_keys_one_key_for_two_accounts_moves_money_once() {
    // Instances, and lanes of each.
    for (instances, lanes) in [(2, 1), (1, 3), (2, 2)] {
        let world = World::new(instances, lanes).await;
        let people = [world.person(10_001).await, world.person(10_002).await];
        for round in 0..10 {
            let mut tasks = JoinSet::new();
            for n in 0..50_usize {
                let wallet = &people[n / 2 % 2];
                let mut command = deposit(wallet, &round.to_string(), 5);
                command.key.asker = Asker::ApiKey(ApiKeyId(7));
                let engine = world.engine(n);
                tasks.spawn(async move {
                    (command.account_id, engine.move_money(command).await.unwrap())
                });
            }
            let answers = tasks.join_all().await;
            let movements = answers.iter().filter_map(|(account_id, answer)| match answer {
                Answer::Decided { replayed: false, .. } => Some(*account_id),
                Answer::Decided { .. } | Answer::Refused(_) => None,
            });
            let moved: Vec<_> = movements.collect();
            assert_eq!(moved.len(), 1, "{answers:?}");
            for (account_id, answer) in answers {
                match answer {
                    Answer::Decided { transfer, .. } => {
                        assert_eq!((account_id, transfer.account_id), (moved[0], moved[0]));
                    }
                    Answer::Refused(rejection) => {
                        assert_eq!(rejection, Rejection::IdempotencyKeyReused);
                        assert_ne!(account_id, moved[0]);
                    }
                }
            }
        }
        let reads = MySqlStore::new(world.database.clone(), 1).reads();
        let mut sum = 0;
        for wallet in &people {
            sum += reads.wallet(wallet.id).await.unwrap().unwrap().balance;
        }
        assert_eq!(sum, 50);
        world.end().await;
    }
}

/// Many keys of an API key at once, each for two accounts, at two instances that take them in
/// opposite orders: batches insert the same keys, and each of them is tried again in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_many_keys_for_two_accounts_moves_money_once_for_each() {
    const KEYS: usize = 400;
    let world = World::new(2, 2).await;
    let people = [world.person(10_001).await, world.person(10_002).await];
    let mut tasks = JoinSet::new();
    for n in 0..KEYS {
        for (instance, key) in [n, KEYS - 1 - n].into_iter().enumerate() {
            let mut command = deposit(&people[instance], &key.to_string(), 1);
            command.key.asker = Asker::ApiKey(ApiKeyId(7));
            let engine = world.engine(instance);
            tasks.spawn(async move { engine.move_money(command).await });
        }
    }
    let mut moved = 0;
    for answer in tasks.join_all().await {
        match answer.unwrap() {
            Answer::Decided { replayed: false, .. } => moved += 1,
            Answer::Refused(Rejection::IdempotencyKeyReused) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(moved, KEYS);
    world.end().await;
}
