//! The decision: one command, over what was loaded for it.

use crate::{
    AMOUNT_MAX, Asker, Command, Direction, Loaded, Movement, Outcome, Rejection, Transaction,
    TransactionId, Transfer, TransferId, TransferKind, Wallet, WalletId, WalletStatus,
};

/// The time and the ids for one decision; unused ones are lost, which is harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The time, in microseconds since 1970-01-01T00:00:00Z.
    pub now: i64,
    /// The transfer's id.
    pub transfer_id: TransferId,
    /// The debit's id; the credit takes the next one.
    pub debit_id: TransactionId,
}

/// A completed transfer with its two legs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// The transfer.
    pub transfer: Transfer,
    /// Money out of one wallet.
    pub debit: Transaction,
    /// The same money into another.
    pub credit: Transaction,
}

/// What becomes of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Money moves.
    Completed(Box<Posting>),
    /// Money does not move, and the rejection is recorded.
    Failed(Box<Transfer>),
    /// Money does not move, and nothing is recorded: there is no wallet to record it for, the key
    /// belongs to another request, the wallet of a payout is not closed, or the system's wallet is
    /// full.
    Refused(Rejection),
    /// It was decided before; this is the answer again.
    Replayed(Box<Transfer>),
}

/// Decides a command and applies it to `loaded`.
pub fn decide(loaded: &mut Loaded, command: &Command, stamp: Stamp) -> Decision {
    if let Asker::Account(asker) = command.key.asker {
        assert_eq!(asker, command.account_id, "a person acts for their own account");
    }
    if let Some(transfer) = loaded.decided(&command.key) {
        return if transfer.answers(command) {
            Decision::Replayed(Box::new(transfer.clone()))
        } else {
            Decision::Refused(Rejection::IdempotencyKeyReused)
        };
    }
    let own = match loaded.own_wallet(command.account_id, command.movement.own_wallet()) {
        Ok(own) => own.clone(),
        Err(rejection) => return Decision::Refused(rejection),
    };
    match pair(loaded, command, &own) {
        Ok(pair) => {
            let posting = post(loaded, command, stamp, &own, pair);
            loaded.add_decided(posting.transfer.clone());
            Decision::Completed(Box::new(posting))
        }
        Err(Rejection::SystemCapacityExceeded) => {
            loaded.stripe_is_full();
            Decision::Refused(Rejection::SystemCapacityExceeded)
        }
        Err(rejection) if !rejection.is_recorded() => Decision::Refused(rejection),
        Err(rejection) => {
            let transfer = record(command, stamp, &own, Outcome::Failed(rejection));
            loaded.add_decided(transfer.clone());
            Decision::Failed(Box::new(transfer))
        }
    }
}

/// The two sides of a movement that may go ahead.
#[derive(Clone, Copy)]
struct Pair {
    debited: WalletId,
    credited: WalletId,
}

/// Finds both sides and checks every rule, in the order of [`Rejection`].
fn pair(loaded: &Loaded, command: &Command, own: &Wallet) -> Result<Pair, Rejection> {
    let (debited, credited) = match command.movement {
        Movement::Deposit { .. } => {
            check_own_status(own)?;
            (loaded.system_wallet(own.currency), own)
        }
        Movement::Withdrawal { .. } => {
            check_own_status(own)?;
            (own, loaded.system_wallet(own.currency))
        }
        Movement::Payout { .. } => {
            if own.status != WalletStatus::Closed {
                return Err(Rejection::WalletNotClosed);
            }
            (own, loaded.system_wallet(own.currency))
        }
        Movement::Transfer { receiver, .. } => {
            if receiver == own.id {
                return Err(Rejection::SameWallet);
            }
            let receiver = loaded
                .wallet(receiver)
                .filter(|wallet| !wallet.account_id.is_system())
                .ok_or(Rejection::ReceiverWalletNotFound)?;
            check_own_status(own)?;
            check_receiver_status(receiver)?;
            if receiver.currency != own.currency {
                return Err(Rejection::CurrencyMismatch);
            }
            (own, receiver)
        }
    };
    let amount = command.amount.minor();
    if !debited.account_id.is_system() && debited.balance < amount {
        return Err(Rejection::InsufficientBalance);
    }
    // A system wallet has no bounds but those of the number.
    let may_hold = |balance: &i64| credited.account_id.is_system() || *balance <= AMOUNT_MAX;
    let lowered = debited.balance.checked_sub(amount);
    let raised = credited.balance.checked_add(amount).filter(may_hold);
    match (lowered, raised) {
        (Some(_), Some(_)) => Ok(Pair { debited: debited.id, credited: credited.id }),
        (_, None) if credited.id == own.id => Err(Rejection::BalanceLimitExceeded),
        (_, None) if !credited.account_id.is_system() => {
            Err(Rejection::ReceiverBalanceLimitExceeded)
        }
        _ => Err(Rejection::SystemCapacityExceeded),
    }
}

fn check_own_status(own: &Wallet) -> Result<(), Rejection> {
    match own.status {
        WalletStatus::Active => Ok(()),
        WalletStatus::Frozen => Err(Rejection::WalletFrozen),
        WalletStatus::Closed => Err(Rejection::WalletClosed),
    }
}

fn check_receiver_status(receiver: &Wallet) -> Result<(), Rejection> {
    match receiver.status {
        WalletStatus::Active => Ok(()),
        WalletStatus::Frozen => Err(Rejection::ReceiverWalletFrozen),
        WalletStatus::Closed => Err(Rejection::ReceiverWalletClosed),
    }
}

fn post(loaded: &mut Loaded, command: &Command, stamp: Stamp, own: &Wallet, pair: Pair) -> Posting {
    let debit = apply(loaded, command, stamp, pair, Direction::Debit);
    let credit = apply(loaded, command, stamp, pair, Direction::Credit);
    let outcome = Outcome::Completed { debit_id: debit.id };
    let mut transfer = record(command, stamp, own, outcome);
    let own_leg = if own.id == pair.debited { &debit } else { &credit };
    transfer.balance_after = own_leg.balance_after;
    Posting { transfer, debit, credit }
}

/// Writes one leg and moves its wallet on.
fn apply(
    loaded: &mut Loaded,
    command: &Command,
    stamp: Stamp,
    pair: Pair,
    direction: Direction,
) -> Transaction {
    let (id, wallet_id, signed) = match direction {
        Direction::Debit => (stamp.debit_id, pair.debited, -command.amount.minor()),
        Direction::Credit => {
            (TransactionId(stamp.debit_id.0 + 1), pair.credited, command.amount.minor())
        }
    };
    let wallet = loaded.change(wallet_id);
    wallet.balance = wallet.balance.checked_add(signed).expect("both sums were checked before");
    wallet.transaction_count += 1;
    // Clocks differ between machines and may step back; a wallet's history does not. Each leg
    // looks at its own wallet alone, so that no wallet carries a wrong time to another.
    wallet.updated_at = wallet.updated_at.max(stamp.now);
    let previous = wallet.newest_transaction.replace(id);
    Transaction {
        id,
        transfer_id: stamp.transfer_id,
        kind: kind(command.movement),
        wallet_id,
        sender_wallet_id: pair.debited,
        receiver_wallet_id: pair.credited,
        direction,
        amount: command.amount,
        balance_after: wallet.balance,
        sequence: wallet.transaction_count,
        previous,
        summary: command.summary.clone(),
        created_at: wallet.updated_at,
    }
}

/// The transfer as it is kept. Its balance is the own wallet's before; a posting corrects it.
fn record(command: &Command, stamp: Stamp, own: &Wallet, outcome: Outcome) -> Transfer {
    let (sender_wallet_id, receiver_wallet_id) = match command.movement {
        Movement::Deposit { .. } => (None, Some(own.id)),
        Movement::Withdrawal { .. } | Movement::Payout { .. } => (Some(own.id), None),
        Movement::Transfer { receiver, .. } => (Some(own.id), Some(receiver)),
    };
    Transfer {
        id: stamp.transfer_id,
        key: command.key.clone(),
        account_id: command.account_id,
        kind: kind(command.movement),
        outcome,
        sender_wallet_id,
        receiver_wallet_id,
        amount: command.amount,
        currency: own.currency,
        summary: command.summary.clone(),
        balance_after: own.balance,
        created_at: stamp.now,
    }
}

fn kind(movement: Movement) -> TransferKind {
    match movement {
        Movement::Deposit { .. } => TransferKind::Deposit,
        Movement::Withdrawal { .. } | Movement::Payout { .. } => TransferKind::Withdrawal,
        Movement::Transfer { .. } => TransferKind::Transfer,
    }
}
