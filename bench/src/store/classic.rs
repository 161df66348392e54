//! The classic way to move money in a relational database, as well as it can be done: one
//! transaction a transfer, both wallets locked in ascending order, prepared statements, the same
//! rows as the engine writes.

use std::sync::atomic::{AtomicI64, Ordering};

use mysql_async::{Conn, params, prelude::Queryable};

/// What a transfer needs besides its wallets.
#[derive(Debug)]
pub(crate) struct Classic {
    /// Far above what the engine hands out.
    next_id: AtomicI64,
}

/// A wallet as the transaction sees it.
struct Wallet {
    id: i64,
    account_id: i64,
    balance: i64,
    newest_transaction_id: Option<i64>,
    transaction_count: i64,
    updated_at: i64,
}

impl Classic {
    pub(crate) fn new() -> Self {
        Self { next_id: AtomicI64::new(1 << 50) }
    }

    /// Moves `amount` from one wallet to another.
    pub(crate) async fn transfer(
        &self,
        conn: &mut Conn,
        sender: i64,
        receiver: i64,
        amount: i64,
    ) -> mysql_async::Result<()> {
        let debit_id = self.next_id.fetch_add(2, Ordering::Relaxed);
        let transfer_id = crate::compare::uuid_v7();
        conn.query_drop("START TRANSACTION").await?;
        let wallets: Vec<(i64, i64, i64, Option<i64>, i64, i64)> = conn
            .exec(
                "SELECT id, account_id, balance, newest_transaction_id, transaction_count,
                     updated_at FROM wallets WHERE id IN (?, ?) ORDER BY id FOR UPDATE",
                (sender, receiver),
            )
            .await?;
        let wallet = |wanted: i64| {
            let found = wallets.iter().find(|wallet| wallet.0 == wanted).expect("it is there");
            let (id, account_id, balance, newest_transaction_id, transaction_count, updated_at) =
                *found;
            Wallet { id, account_id, balance, newest_transaction_id, transaction_count, updated_at }
        };
        let (from, to) = (wallet(sender), wallet(receiver));
        assert!(from.balance >= amount, "every wallet is well funded");
        let now = from.updated_at.max(to.updated_at) + 1;
        let key = transfer_id.hyphenated().to_string();
        let transfer_bytes = transfer_id.as_bytes().to_vec();
        conn.exec_drop(
            "INSERT INTO idempotency_keys (idempotency_key, account_id, transfer_id)
             VALUES (?, ?, ?)",
            (&key, from.account_id, &transfer_bytes),
        )
        .await?;
        conn.exec_drop(
            "INSERT INTO transfers (id, account_id, idempotency_key, transfer_type,
                 transfer_status, debit_transaction_id, sender_wallet_id, receiver_wallet_id,
                 amount, currency, balance_after, created_at)
             VALUES (:id, :account, :key, 'transfer', 'completed', :debit, :sender, :receiver,
                 :amount, 'KRW', :balance, :now)",
            params! {
                "id" => &transfer_bytes, "account" => from.account_id, "key" => &key,
                "debit" => debit_id, "sender" => sender, "receiver" => receiver,
                "amount" => amount, "balance" => from.balance - amount, "now" => now,
            },
        )
        .await?;
        insert_legs(conn, &from, &to, debit_id, &transfer_bytes, amount, now).await?;
        update(conn, &from, from.balance - amount, debit_id, now).await?;
        update(conn, &to, to.balance + amount, debit_id + 1, now).await?;
        conn.query_drop("COMMIT").await
    }
}

async fn insert_legs(
    conn: &mut Conn,
    from: &Wallet,
    to: &Wallet,
    debit_id: i64,
    transfer_id: &[u8],
    amount: i64,
    now: i64,
) -> mysql_async::Result<()> {
    conn.exec_drop(
        "INSERT INTO transactions (id, wallet_id, receiver_wallet_id, transfer_id,
             transaction_type, transaction_status, direction, amount, balance_after, sequence,
             previous_transaction_id, created_at, updated_at)
         VALUES (:debit, :sender, :receiver, :transfer, 'transfer', 'completed', 'debit', :amount,
                 :from_balance, :from_sequence, :from_previous, :now, :now),
             (:debit + 1, :receiver, :receiver, :transfer, 'transfer', 'completed', 'credit',
                 :amount, :to_balance, :to_sequence, :to_previous, :now, :now)",
        params! {
            "debit" => debit_id, "sender" => from.id, "receiver" => to.id,
            "transfer" => transfer_id, "amount" => amount, "now" => now,
            "from_balance" => from.balance - amount,
            "from_sequence" => from.transaction_count + 1,
            "from_previous" => from.newest_transaction_id,
            "to_balance" => to.balance + amount,
            "to_sequence" => to.transaction_count + 1,
            "to_previous" => to.newest_transaction_id,
        },
    )
    .await
}

async fn update(
    conn: &mut Conn,
    wallet: &Wallet,
    balance: i64,
    newest: i64,
    now: i64,
) -> mysql_async::Result<()> {
    conn.exec_drop(
        "UPDATE wallets SET balance = ?, newest_transaction_id = ?, transaction_count = ?,
             updated_at = ? WHERE id = ?",
        (balance, newest, wallet.transaction_count + 1, now, wallet.id),
    )
    .await
}
