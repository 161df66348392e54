//! What a job touches: what the store must load for it, and what no other batch may touch
//! meanwhile.

use ledger::{AccountId, Movement, WalletId};

use super::{directory::Directory, job::Job};
use crate::store::Footprint;

/// Something that only one batch of this process works on at a time. Wallets count by their owner,
/// because a command may name its own wallet or leave it to be the only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// An account's wallets.
    Account(AccountId),
    /// A wallet whose owner is not known here yet.
    Wallet(WalletId),
    /// The place in the account feed.
    Feed,
}

/// The keys of one job.
pub(super) type Keys = [Option<Key>; 2];

/// What a job touches. The first command that names a stranger's wallet may miss that its owner is
/// busy elsewhere; the database's row locks then do the same at more cost.
pub(super) fn keys(job: &Job, directory: &Directory) -> Keys {
    match job {
        Job::Move { command, .. } => {
            let other = match command.movement {
                Movement::Deposit { .. }
                | Movement::Withdrawal { .. }
                | Movement::Payout { .. } => None,
                Movement::Transfer { receiver, .. } => {
                    Some(directory.owner_of(receiver).map_or(Key::Wallet(receiver), Key::Account))
                }
            };
            [Some(Key::Account(command.account_id)), other]
        }
        Job::Open { account_id, .. } => [Some(Key::Account(*account_id)), None],
        Job::Stand { change, .. } => {
            [Some(Key::Account(AccountId(change.account_id))), Some(Key::Feed)]
        }
        Job::Close { closing, .. } => [Some(Key::Account(closing.account_id)), None],
        Job::Probe { .. } => [None, None],
    }
}

/// The wallets that a job names or, as far as is known here, means.
pub(super) fn wallets(job: &Job, directory: &Directory) -> Vec<WalletId> {
    let (own, other) = match job {
        Job::Move { command, .. } => {
            let own = match command.movement.own_wallet() {
                Some(id) => vec![id],
                None => directory.wallets_of(command.account_id),
            };
            match command.movement {
                Movement::Deposit { .. }
                | Movement::Withdrawal { .. }
                | Movement::Payout { .. } => (own, None),
                Movement::Transfer { receiver, .. } => (own, Some(receiver)),
            }
        }
        Job::Open { .. } | Job::Probe { .. } => (Vec::new(), None),
        Job::Stand { change, .. } => (directory.wallets_of(AccountId(change.account_id)), None),
        Job::Close { closing, .. } => (directory.wallets_of(closing.account_id), None),
    };
    own.into_iter().chain(other).collect()
}

/// What the jobs need to know.
pub(super) fn footprint(jobs: &[Job], stripe: AccountId) -> Footprint<'_> {
    let mut footprint = Footprint::default();
    let mut uses_stripe = false;
    for job in jobs {
        match job {
            Job::Move { command, .. } => {
                footprint.keys.push(&command.key);
                match command.movement.own_wallet() {
                    Some(id) => footprint.wallets.push(id),
                    None => footprint.owners.push(command.account_id),
                }
                match command.movement {
                    Movement::Deposit { .. }
                    | Movement::Withdrawal { .. }
                    | Movement::Payout { .. } => uses_stripe = true,
                    Movement::Transfer { receiver, .. } => footprint.wallets.push(receiver),
                }
            }
            Job::Open { account_id, .. } => {
                footprint.owners.push(*account_id);
                footprint.standings.push(*account_id);
                uses_stripe = true;
            }
            Job::Stand { change, .. } => {
                let account_id = AccountId(change.account_id);
                footprint.owners.push(account_id);
                footprint.standings.push(account_id);
                footprint.feed_position = true;
                footprint.frozen = true;
            }
            Job::Close { closing, .. } => {
                footprint.owners.push(closing.account_id);
                footprint.standings.push(closing.account_id);
            }
            Job::Probe { .. } => {}
        }
    }
    if uses_stripe {
        footprint.owners.push(stripe);
    }
    for ids in [&mut footprint.owners, &mut footprint.standings] {
        ids.sort_unstable();
        ids.dedup();
    }
    footprint.wallets.sort_unstable();
    footprint.wallets.dedup();
    footprint
}
