//! The writer. It runs on the lane's own thread, so its futures may block: they are ready at once.

use std::{
    collections::HashSet,
    fs::File,
    path::{Path, PathBuf},
};

use ledger::{
    AccountId, Loaded, Outcome, Transaction, Transfer, Wallet, WalletId, WalletStatus, is_worn,
};
use rusqlite::{Connection, named_params, params};
use service::{
    fatal::Reporter,
    files,
    store::sqlite::{self, failure, report_if_fatal, report_if_in_doubt},
};

use super::rows;
use crate::store::{
    Books, Effects, Flush, Footprint, IdKind, LaneStore, StoreError,
    stripes::{self, Stripes},
    words,
};

/// The log grows to about this many pages of 2 KiB before it is copied into the database. Large,
/// because a wallet's page that changed a hundred times is then copied once.
const CHECKPOINT_PAGES: i32 = 32_768;

/// Page cache of the writer, in KiB. SQLite walks all of it at each commit, so more is not better.
const CACHE_KIB: i64 = 16 * 1024;

/// The stripes of the only lane.
const STRIPES: Stripes = Stripes { first: 1, step: 1 };

/// The wallets of an account whose newest operation froze them.
const FROZEN_OF_OWNER: &str = "SELECT w.id FROM wallets AS w JOIN wallet_operations AS o \
         ON o.wallet_id = w.id AND o.sequence = \
             (SELECT MAX(n.sequence) FROM wallet_operations AS n WHERE n.wallet_id = w.id) \
     WHERE w.account_id = ?1 AND o.action = 'freeze'";

/// The one writing connection.
#[derive(Debug)]
pub struct SqliteLane {
    db: Connection,
    log: PathBuf,
    fatal: Reporter,
}

/// Flushes the log. With `synchronous = FULL`, SQLite itself flushes it at the end of each commit
/// and the writer waits; with NORMAL it leaves out that flush and no other (SQLite's documentation
/// of `PRAGMA synchronous`). The lane runs on NORMAL and this makes the same flush, while the lane
/// goes on.
#[derive(Debug)]
pub struct SqliteFlusher {
    log: File,
}

impl Flush for SqliteFlusher {
    fn flush(&mut self) -> Result<(), StoreError> {
        self.log.sync_data().map_err(|error| StoreError::OutcomeUnknown(error.into()))
    }
}

impl SqliteLane {
    pub(super) fn new(path: &Path, fatal: Reporter) -> Result<Self, sqlite::Error> {
        let mut db = sqlite::connect(path)?;
        // Reading once makes the log exist; it stays until the last connection is closed.
        db.query_row("SELECT COUNT(*) FROM id_blocks", [], |_| Ok(()))?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        sqlite::checkpoint_at(&mut db, CHECKPOINT_PAGES, &fatal)?;
        db.pragma_update(None, "cache_size", -CACHE_KIB)?;
        // SQLite flushes a new log's header and name before its first frame, NORMAL or not.
        Ok(Self { db, log: files::beside(path, "-wal"), fatal })
    }

    /// What an error means for the batch. One after which the process must end is reported.
    fn judge(&self, error: rusqlite::Error) -> StoreError {
        report_if_fatal(&self.fatal, &self.db, &error);
        error.into()
    }

    fn begin_now(&self) -> rusqlite::Result<()> {
        self.rollback_now()?;
        self.db.execute_batch("BEGIN IMMEDIATE")
    }

    /// Ends a transaction without effect, if one is open: some errors end it by themselves.
    fn rollback_now(&self) -> rusqlite::Result<()> {
        if self.db.is_autocommit() {
            return Ok(());
        }
        self.db.execute_batch("ROLLBACK")
    }

    fn commit_now(&self) -> Result<(), StoreError> {
        self.db.execute_batch("COMMIT").map_err(|error| {
            report_if_in_doubt(&self.fatal, &self.db, &error);
            if failure(&error).is_certain_in_commit() {
                error.into()
            } else {
                StoreError::OutcomeUnknown(error.into())
            }
        })
    }

    fn reserve_now(&self, name: &str, count: i64) -> rusqlite::Result<i64> {
        self.db.execute(
            "UPDATE id_blocks SET next_value = next_value + :count WHERE name = :name",
            named_params! {":count": count, ":name": name},
        )?;
        let end: i64 = self.db.query_row(
            "SELECT next_value FROM id_blocks WHERE name = ?1",
            [name],
            |row| row.get(0),
        )?;
        Ok(end - count)
    }

    fn load_now(&self, stripe: AccountId, footprint: &Footprint<'_>) -> rusqlite::Result<Books> {
        let mut loaded = Loaded::new(stripe);
        let mut by_id = self
            .db
            .prepare_cached(&format!("SELECT {} FROM wallets WHERE id = ?1", rows::WALLET))?;
        for id in &footprint.wallets {
            let mut found = by_id.query([id.0])?;
            if let Some(row) = found.next()? {
                loaded.add_wallet(rows::wallet(row)?);
            }
        }
        let mut by_owner = self.db.prepare_cached(&format!(
            "SELECT {} FROM wallets WHERE account_id = ?1 ORDER BY id",
            rows::WALLET
        ))?;
        for owner in &footprint.owners {
            let mut found = by_owner.query([owner.0])?;
            while let Some(row) = found.next()? {
                loaded.add_wallet(rows::wallet(row)?);
            }
        }
        let mut by_key = self.db.prepare_cached(&format!(
            "SELECT {} FROM idempotency_keys AS k JOIN transfers AS t ON t.id = k.transfer_id
             WHERE k.idempotency_key = ?1 AND k.account_id = ?2",
            rows::TRANSFER
        ))?;
        for key in &footprint.keys {
            let mut found = by_key.query(params![key.key, words::asker(key.asker)])?;
            if let Some(row) = found.next()? {
                loaded.add_decided(rows::transfer(row)?);
            }
        }
        let mut standing = self.db.prepare_cached(
            "SELECT status, refused_closing FROM account_standings WHERE account_id = ?1",
        )?;
        for account_id in &footprint.standings {
            let mut found = standing.query([account_id.0])?;
            if let Some(row) = found.next()? {
                loaded.add_standing(*account_id, rows::text(row, 0, words::status_from)?);
                loaded.add_refused_closing(*account_id, row.get(1)?);
            }
        }
        if footprint.frozen {
            self.load_frozen(&footprint.owners, &mut loaded)?;
        }
        let feed_sequence =
            if footprint.feed_position { rows::feed_sequence(&self.db)? } else { 0 };
        Ok(Books { loaded, feed_sequence })
    }

    fn load_frozen(&self, owners: &[AccountId], loaded: &mut Loaded) -> rusqlite::Result<()> {
        let mut frozen = self.db.prepare_cached(FROZEN_OF_OWNER)?;
        for owner in owners.iter().filter(|owner| !owner.is_system()) {
            let mut found = frozen.query([owner.0])?;
            while let Some(row) = found.next()? {
                loaded.add_frozen(WalletId(row.get(0)?));
            }
        }
        Ok(())
    }

    fn persist_now(&self, effects: &Effects<'_>) -> rusqlite::Result<()> {
        self.insert_wallets(&effects.opened)?;
        self.update_wallets(&effects.changed)?;
        self.insert_transfers(&effects.transfers)?;
        self.insert_transactions(&effects.transactions)?;
        self.save_standings(&effects.standings)?;
        self.save_refused_closings(&effects.refused_closings)?;
        if let Some(sequence) = effects.feed_sequence {
            self.db.execute(
                "INSERT INTO feed_positions (feed, sequence) VALUES ('accounts', ?1)
                 ON CONFLICT (feed) DO UPDATE SET sequence = excluded.sequence",
                [sequence],
            )?;
        }
        if effects.probe {
            // The value changes each time: SQLite writes no page whose bytes stay as they are.
            self.db.execute(
                "INSERT INTO id_blocks (name, next_value) VALUES ('probe', 1)
                 ON CONFLICT (name) DO UPDATE SET next_value = 3 - next_value",
                [],
            )?;
        }
        Ok(())
    }

    fn insert_wallets(&self, wallets: &[Wallet]) -> rusqlite::Result<()> {
        let mut insert = self.db.prepare_cached(
            "INSERT INTO wallets (id, account_id, currency, balance, status,
                 newest_transaction_id, transaction_count, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        for wallet in wallets {
            insert.execute(params![
                wallet.id.0,
                wallet.account_id.0,
                wallet.currency.code(),
                wallet.balance,
                words::status(wallet.status),
                wallet.newest_transaction.map(|id| id.0),
                wallet.transaction_count,
                wallet.created_at,
                wallet.updated_at,
            ])?;
        }
        Ok(())
    }

    fn update_wallets(&self, wallets: &[&Wallet]) -> rusqlite::Result<()> {
        let mut update = self.db.prepare_cached(
            "UPDATE wallets SET balance = ?2, status = ?3, newest_transaction_id = ?4,
                 transaction_count = ?5, updated_at = ?6
             WHERE id = ?1",
        )?;
        for wallet in wallets {
            update.execute(params![
                wallet.id.0,
                wallet.balance,
                words::status(wallet.status),
                wallet.newest_transaction.map(|id| id.0),
                wallet.transaction_count,
                wallet.updated_at,
            ])?;
        }
        Ok(())
    }

    fn insert_transfers(&self, transfers: &[Transfer]) -> rusqlite::Result<()> {
        let mut insert_key = self.db.prepare_cached(
            "INSERT INTO idempotency_keys (idempotency_key, account_id, transfer_id)
             VALUES (?1, ?2, ?3)",
        )?;
        let mut insert = self.db.prepare_cached(
            "INSERT INTO transfers (id, account_id, idempotency_key, transfer_type,
                 transfer_status, rejection, debit_transaction_id, sender_wallet_id,
                 receiver_wallet_id, amount, currency, summary, balance_after, created_at,
                 api_key_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?;
        for transfer in transfers {
            let (status, rejection, debit_id) = match transfer.outcome {
                Outcome::Completed { debit_id } => ("completed", None, Some(debit_id.0)),
                Outcome::Failed(rejection) => ("failed", Some(rejection.code()), None),
            };
            insert_key.execute(params![
                transfer.key.key,
                words::asker(transfer.key.asker),
                transfer.id.0
            ])?;
            insert.execute(params![
                transfer.id.0,
                transfer.account_id.0,
                transfer.key.key,
                words::kind(transfer.kind),
                status,
                rejection,
                debit_id,
                transfer.sender_wallet_id.map(|id| id.0),
                transfer.receiver_wallet_id.map(|id| id.0),
                transfer.amount.minor(),
                transfer.currency.code(),
                transfer.summary,
                transfer.balance_after,
                transfer.created_at,
                words::api_key_id(transfer.key.asker),
            ])?;
        }
        Ok(())
    }

    fn insert_transactions(&self, transactions: &[Transaction]) -> rusqlite::Result<()> {
        let mut insert = self.db.prepare_cached(
            "INSERT INTO transactions (id, wallet_id, receiver_wallet_id, transfer_id,
                 transaction_type, transaction_status, direction, amount, balance_after, sequence,
                 previous_transaction_id, summary, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, 'completed', ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12)",
        )?;
        let mut insert_mark = self.db.prepare_cached(
            "INSERT INTO transaction_marks (wallet_id, created_at, sequence, transaction_id)
             VALUES (?1, ?2, ?3, ?4)",
        )?;
        for leg in transactions {
            insert.execute(params![
                leg.id.0,
                leg.wallet_id.0,
                leg.receiver_wallet_id.0,
                leg.transfer_id.0,
                words::kind(leg.kind),
                words::direction(leg.direction),
                leg.amount.minor(),
                leg.balance_after,
                leg.sequence,
                leg.previous.map(|id| id.0),
                leg.summary,
                leg.created_at,
            ])?;
            if leg.is_mark() {
                insert_mark.execute([leg.wallet_id.0, leg.created_at, leg.sequence, leg.id.0])?;
            }
        }
        Ok(())
    }

    fn save_standings(&self, standings: &[(AccountId, WalletStatus)]) -> rusqlite::Result<()> {
        let mut save = self.db.prepare_cached(
            "INSERT INTO account_standings (account_id, status) VALUES (?1, ?2)
             ON CONFLICT (account_id) DO UPDATE SET status = excluded.status",
        )?;
        for (account_id, status) in standings {
            save.execute(params![account_id.0, words::status(*status)])?;
        }
        Ok(())
    }

    fn save_refused_closings(&self, refused: &[(AccountId, i64)]) -> rusqlite::Result<()> {
        // An account that is not listed is active.
        let mut save = self.db.prepare_cached(
            "INSERT INTO account_standings (account_id, status, refused_closing)
             VALUES (?1, 'active', ?2)
             ON CONFLICT (account_id) DO UPDATE SET refused_closing = excluded.refused_closing",
        )?;
        for (account_id, attempt) in refused {
            save.execute([account_id.0, *attempt])?;
        }
        Ok(())
    }
}

impl LaneStore for SqliteLane {
    type Flusher = SqliteFlusher;

    const IS_REMOTE: bool = false;

    fn flusher(&self) -> std::io::Result<SqliteFlusher> {
        Ok(SqliteFlusher { log: File::options().read(true).write(true).open(&self.log)? })
    }

    async fn reserve_ids(&mut self, kind: IdKind, count: i64) -> Result<i64, StoreError> {
        let name = match kind {
            IdKind::Wallet => "wallet",
            IdKind::Transaction => "transaction",
        };
        self.begin_now().map_err(|error| self.judge(error))?;
        let first = self.reserve_now(name, count).map_err(|error| self.judge(error))?;
        self.commit_now()?;
        Ok(first)
    }

    async fn take_stripe(&mut self, full: Option<AccountId>) -> Result<AccountId, StoreError> {
        let mut balances = self.db.prepare(stripes::BALANCES)?;
        let mut found = balances.query([])?;
        let mut worn = HashSet::new();
        while let Some(row) = found.next()? {
            if is_worn(row.get(1)?) {
                worn.insert(AccountId(row.get(0)?));
            }
        }
        Ok(STRIPES.choose(full, &worn))
    }

    async fn begin(&mut self) -> Result<(), StoreError> {
        self.begin_now().map_err(|error| self.judge(error))
    }

    async fn load(
        &mut self,
        stripe: AccountId,
        footprint: &Footprint<'_>,
    ) -> Result<Books, StoreError> {
        self.load_now(stripe, footprint).map_err(|error| self.judge(error))
    }

    async fn persist(&mut self, effects: &Effects<'_>) -> Result<(), StoreError> {
        self.persist_now(effects).map_err(|error| self.judge(error))
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.commit_now()
    }

    async fn rollback(&mut self) -> Result<(), StoreError> {
        self.rollback_now().map_err(|error| self.judge(error))
    }
}
