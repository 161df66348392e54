//! Random command sequences against a model that is too simple to be wrong: a map from wallet to
//! balance.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{STRIPE, command, open, stamp, stand};
use crate::{
    Amount, ApiKeyId, Asker, Command, Decision, Direction, IdempotencyKey, Loaded, Movement,
    Transaction, WalletId, WalletStatus, decide,
};

const FIRST: i64 = 10_001;
const WALLETS: i64 = 5;

#[derive(Debug, Clone)]
enum Step {
    Move { account: i64, other: i64, kind: u8, amount: i64, key: u8, by_api_key: Option<i64> },
    Stand { account: i64, status: WalletStatus },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wallet = || FIRST..FIRST + WALLETS + 1;
    let by_api_key = prop_oneof![Just(None), Just(Some(1)), Just(Some(2))];
    let movement = (wallet(), wallet(), 0..4_u8, 1..200_i64, any::<u8>(), by_api_key).prop_map(
        |(account, other, kind, amount, key, by_api_key)| Step::Move {
            account,
            other,
            kind,
            amount,
            key,
            by_api_key,
        },
    );
    let status = prop_oneof![
        Just(WalletStatus::Active),
        Just(WalletStatus::Frozen),
        Just(WalletStatus::Closed)
    ];
    let stand = (FIRST..FIRST + WALLETS, status)
        .prop_map(|(account, status)| Step::Stand { account, status });
    prop::collection::vec(prop_oneof![9 => movement, 1 => stand], 1..200)
}

fn to_command(account: i64, other: i64, kind: u8, amount: i64, key: u8) -> Command {
    let own = Some(WalletId(account));
    let movement = match kind {
        0 => Movement::Deposit { wallet: own },
        1 => Movement::Withdrawal { wallet: None },
        2 => Movement::Payout { wallet: WalletId(account) },
        _ => Movement::Transfer { sender: own, receiver: WalletId(other) },
    };
    let amount = Amount::new(amount).unwrap();
    Command { amount, ..command(account, &key.to_string(), movement) }
}

/// What should happen, from balances alone. `None`: nothing moves.
fn expected(
    balances: &HashMap<i64, i64>,
    statuses: &HashMap<i64, WalletStatus>,
    command: &Command,
) -> Option<Vec<(i64, i64)>> {
    let account = command.account_id.0;
    let amount = command.amount.minor();
    let status = |id: i64| statuses.get(&id).copied().unwrap_or(WalletStatus::Active);
    let free = |id: i64| balances.contains_key(&id) && status(id) == WalletStatus::Active;
    match command.movement {
        Movement::Payout { .. } => {
            let allowed = status(account) == WalletStatus::Closed && balances[&account] >= amount;
            allowed.then(|| vec![(account, -amount)])
        }
        _ if !free(account) => None,
        Movement::Deposit { .. } => Some(vec![(account, amount)]),
        Movement::Withdrawal { .. } => {
            (balances[&account] >= amount).then(|| vec![(account, -amount)])
        }
        Movement::Transfer { receiver, .. } => {
            let allowed = receiver.0 != account && free(receiver.0) && balances[&account] >= amount;
            allowed.then(|| vec![(account, -amount), (receiver.0, amount)])
        }
    }
}

fn signed(leg: &Transaction) -> i64 {
    match leg.direction {
        Direction::Debit => -leg.amount.minor(),
        Direction::Credit => leg.amount.minor(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn money_is_conserved_and_follows_the_model(steps in steps()) {
        let mut loaded = Loaded::new(STRIPE);
        for account in FIRST..FIRST + WALLETS {
            open(&mut loaded, account, "KRW", 0);
        }
        let mut balances: HashMap<i64, i64> = (FIRST..FIRST + WALLETS).map(|id| (id, 0)).collect();
        let mut statuses = HashMap::new();
        let mut answered: HashMap<IdempotencyKey, (Command, Decision)> = HashMap::new();
        let mut history: HashMap<WalletId, Vec<Transaction>> = HashMap::new();

        for (n, step) in steps.into_iter().enumerate() {
            let command = match step {
                // Closed is for good.
                Step::Stand { account, .. }
                    if statuses.get(&account) == Some(&WalletStatus::Closed) => continue,
                Step::Stand { account, status } => {
                    stand(&mut loaded, account, status);
                    statuses.insert(account, status);
                    continue;
                }
                Step::Move { account, other, kind, amount, key, by_api_key } => {
                    let mut command = to_command(account, other, kind, amount, key);
                    if let Some(id) = by_api_key {
                        command.key.asker = Asker::ApiKey(ApiKeyId(id));
                    }
                    command
                }
            };
            let decision = decide(&mut loaded, &command, stamp(10 + n as i64));
            if let Some((first, answer)) = answered.get(&command.key) {
                // A key that has answered: the same answer, or a refusal, and nothing moves.
                match (&decision, answer) {
                    (Decision::Replayed(again), Decision::Completed(posting)) => {
                        prop_assert_eq!(&**again, &posting.transfer);
                    }
                    (Decision::Replayed(again), Decision::Failed(transfer)) => {
                        prop_assert_eq!(again, transfer);
                    }
                    (Decision::Refused(_), _) => prop_assert_ne!(first, &command),
                    other => prop_assert!(false, "{:?}", other),
                }
                continue;
            }
            let moves = expected(&balances, &statuses, &command);
            match &decision {
                Decision::Completed(posting) => {
                    prop_assert!(moves.is_some(), "moved what the model refuses: {:?}", command);
                    prop_assert_eq!(signed(&posting.debit) + signed(&posting.credit), 0);
                    for leg in [&posting.debit, &posting.credit] {
                        history.entry(leg.wallet_id).or_default().push(leg.clone());
                    }
                }
                Decision::Failed(_) | Decision::Refused(_) => {
                    prop_assert!(moves.is_none(), "refused what the model allows: {:?}", command);
                }
                Decision::Replayed(_) => prop_assert!(false, "replayed a new key"),
            }
            for (id, change) in moves.unwrap_or_default() {
                *balances.get_mut(&id).unwrap() += change;
            }
            if matches!(decision, Decision::Completed(_) | Decision::Failed(_)) {
                answered.insert(command.key.clone(), (command, decision));
            }
        }

        let system = loaded.wallets_of(STRIPE)[0];
        let mut sum = 0;
        for (id, balance) in balances.iter().map(|(id, balance)| (WalletId(*id), Some(*balance)))
            .chain([(system, None)])
        {
            let wallet = loaded.wallet(id).unwrap();
            let legs = history.remove(&id).unwrap_or_default();
            sum += wallet.balance;
            if let Some(balance) = balance {
                prop_assert_eq!(wallet.balance, balance);
                prop_assert!(wallet.balance >= 0);
            }
            prop_assert_eq!(legs.iter().map(signed).sum::<i64>(), wallet.balance);
            prop_assert_eq!(legs.len() as i64, wallet.transaction_count);
            let mut previous = None;
            let mut running = 0;
            for (index, leg) in legs.iter().enumerate() {
                running += signed(leg);
                prop_assert_eq!(leg.balance_after, running);
                prop_assert_eq!(leg.previous, previous);
                prop_assert_eq!(leg.sequence, index as i64 + 1);
                previous = Some(leg.id);
            }
            prop_assert_eq!(wallet.newest_transaction, previous);
        }
        prop_assert_eq!(sum, 0);
    }
}
