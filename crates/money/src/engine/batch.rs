//! Deciding a batch: what becomes of each of its jobs. No I/O.

use ledger::{
    AccountId, Closing, ClosingDecision, Decision, Loaded, Opening, Stamp, TransactionId, WalletId,
    WalletStatus, close_wallets, decide, open_system_wallet, open_wallet, set_standing,
};
use service::{clock::Timestamp, contract::account_feed::Standing};

use super::{
    ids::{IdBlock, TransferIds},
    job::{Answer, Done, Job},
};
use crate::store::{Books, Effects};

/// The ids and the time that a batch decides with.
pub(super) struct Supplies<'a> {
    pub(super) now: Timestamp,
    pub(super) transfer_ids: TransferIds,
    pub(super) wallet_ids: &'a mut IdBlock,
    pub(super) transaction_ids: &'a mut IdBlock,
}

/// Decides the jobs in order. Returns what to write, without the changed wallets, and what to
/// answer.
pub(super) fn decide_all(
    books: &mut Books,
    jobs: &[Job],
    mut supplies: Supplies<'_>,
) -> (Effects<'static>, Vec<Done>) {
    let mut effects = Effects::default();
    let Books { loaded, feed_sequence } = books;
    let answers = jobs
        .iter()
        .map(|job| match job {
            Job::Move { command, .. } => {
                let system_wallet = open_system_wallet(loaded, command, || supplies.opening());
                effects.opened.extend(system_wallet);
                let stamp = supplies.stamp();
                Done::Moved(keep(decide(loaded, command, stamp), &mut effects))
            }
            Job::Open { account_id, currency, .. } => {
                let opening = supplies.opening();
                let opened = open_wallet(loaded, *account_id, *currency, opening);
                Done::Opened(opened.map(|opened| {
                    effects.opened.extend(opened.iter().cloned());
                    opened.into_iter().next_back().expect("the person's wallet is the last")
                }))
            }
            // Every instance follows the feed; the first one to come here applies the change.
            Job::Stand { change, .. } if change.sequence <= *feed_sequence => Done::Stood,
            Job::Stand { change, .. } => {
                *feed_sequence = change.sequence;
                let account_id = AccountId(change.account_id);
                let status = wallet_status(change.standing);
                let status = set_standing(loaded, account_id, status, supplies.now.as_micros());
                effects.standings.push((account_id, status));
                effects.feed_sequence = Some(change.sequence);
                Done::Stood
            }
            Job::Close { closing, .. } => {
                Done::Closed(close(loaded, *closing, supplies.now, &mut effects))
            }
            Job::Probe { .. } => {
                effects.probe = true;
                Done::Probed
            }
        })
        .collect();
    (effects, answers)
}

fn close(
    loaded: &mut Loaded,
    closing: Closing,
    now: Timestamp,
    effects: &mut Effects<'_>,
) -> ClosingDecision {
    let account_id = closing.account_id;
    let decision = close_wallets(loaded, closing, now.as_micros());
    match &decision {
        ClosingDecision::Closed => effects.standings.push((account_id, WalletStatus::Closed)),
        ClosingDecision::Refused { .. } => {
            effects.refused_closings.push((account_id, loaded.refused_closing(account_id)));
        }
    }
    decision
}

/// What an account's standing means for its wallets.
fn wallet_status(standing: Standing) -> WalletStatus {
    match standing {
        Standing::Active => WalletStatus::Active,
        Standing::Suspended => WalletStatus::Frozen,
        Standing::Closed => WalletStatus::Closed,
    }
}

fn keep(decision: Decision, effects: &mut Effects<'_>) -> Answer {
    match decision {
        Decision::Completed(posting) => {
            assert_eq!(posting.debit.amount, posting.credit.amount, "debits equal credits");
            effects.transactions.extend([posting.debit, posting.credit]);
            effects.transfers.push(posting.transfer.clone());
            Answer::Decided { transfer: Box::new(posting.transfer), replayed: false }
        }
        Decision::Failed(transfer) => {
            effects.transfers.push((*transfer).clone());
            Answer::Decided { transfer, replayed: false }
        }
        Decision::Replayed(transfer) => Answer::Decided { transfer, replayed: true },
        Decision::Refused(rejection) => Answer::Refused(rejection),
    }
}

impl Supplies<'_> {
    fn stamp(&mut self) -> Stamp {
        Stamp {
            now: self.now.as_micros(),
            transfer_id: self.transfer_ids.take(),
            debit_id: TransactionId(self.transaction_ids.take_pair()),
        }
    }

    fn opening(&mut self) -> Opening {
        let first = self.wallet_ids.take_pair();
        Opening {
            wallet_id: WalletId(first),
            system_wallet_id: WalletId(first + 1),
            now: self.now.as_micros(),
        }
    }
}
