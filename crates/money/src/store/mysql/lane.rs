//! The writer. A batch is a handful of statements whatever its size. READ COMMITTED suffices: what
//! a decision depends on is locked before it is read (wallets, standings, the place in the feed),
//! and each statement sees all that was committed before it began. No lock covers an idempotency
//! key: two lanes may decide under one key at once, in different wallets. The second one to insert
//! the key waits for the first, is told of the duplicate, and loads and decides again.

use std::collections::HashSet;

use ledger::{AccountId, IdempotencyKey, Loaded, WalletId, is_worn};
use service::store::mysql::Database;

use super::{
    connection::Connection,
    effects::statements,
    rows,
    statement::{Hex, LIST_MAX, Rows, list, lists},
};
use crate::store::{
    Books, Effects, Flush, Footprint, IdKind, LaneStore, StoreError,
    stripes::{self, Stripes},
    words,
};

/// Stripes that lanes share out among them, one after the other. More lanes than this share some.
/// Each lane goes on from its own to every 64th after it.
const STRIPES: i64 = 64;

/// More than a SELECT is long without its list.
const SELECT_BYTES: usize = 1024;

/// One of any number of writers.
#[derive(Debug)]
pub struct MySqlLane {
    connection: Connection,
}

/// A commit is durable when the server answers; there is nothing left to do.
#[derive(Debug)]
pub struct AlreadyDurable;

impl Flush for AlreadyDurable {
    fn flush(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl MySqlLane {
    pub(super) fn new(database: Database) -> Self {
        Self { connection: Connection::new(database) }
    }

    async fn reserve(&mut self, name: &str, count: i64) -> Result<i64, StoreError> {
        self.connection.begin().await?;
        let update =
            format!("UPDATE id_blocks SET next_value = next_value + {count} WHERE name = '{name}'");
        self.connection.execute(&update).await?;
        let select = format!("SELECT next_value FROM id_blocks WHERE name = '{name}'");
        let found = self.connection.query(&select).await?;
        let row = found.first().ok_or_else(|| StoreError::Failed("no such block of ids".into()))?;
        let end: i64 = rows::get(row, 0)?;
        match self.connection.commit().await {
            // Whether or not these ids are reserved, the next ones are others.
            Err(StoreError::OutcomeUnknown(cause)) => {
                Err(StoreError::Again(crate::store::Reason::Disconnected, cause))
            }
            committed => committed.map(|()| end - count),
        }
    }

    /// Locks the standings of accounts, also of those that have none yet: then it is recorded, so
    /// that there is a row to lock.
    async fn lock_standings(
        &mut self,
        accounts: &[AccountId],
        loaded: &mut Loaded,
    ) -> Result<(), StoreError> {
        let mut insert = Rows::new(
            "INSERT INTO account_standings (account_id, status) VALUES",
            "ON DUPLICATE KEY UPDATE account_id = account_standings.account_id",
            self.connection.statement_bytes_max(),
        );
        for account in accounts {
            insert.row(|row| {
                row.int(account.0).bytes(b"active");
            });
        }
        for statement in insert.statements() {
            self.connection.execute(&statement).await?;
        }
        for part in accounts.chunks(LIST_MAX) {
            let select = format!(
                "SELECT account_id, status, refused_closing FROM account_standings
                 WHERE account_id IN ({}) ORDER BY account_id FOR UPDATE",
                list(part.iter().map(|id| id.0))
            );
            for row in self.connection.query(&select).await? {
                let account_id = AccountId(rows::get(&row, 0)?);
                loaded.add_standing(account_id, rows::word(&row, 1, words::status_from)?);
                loaded.add_refused_closing(account_id, rows::get(&row, 2)?);
            }
        }
        Ok(())
    }

    async fn lock_feed_position(&mut self) -> Result<i64, StoreError> {
        const SELECT: &str =
            "SELECT sequence FROM feed_positions WHERE feed = 'accounts' FOR UPDATE";
        let found = self.connection.query(SELECT).await?;
        found.first().map_or(Ok(0), |row| rows::get(row, 0))
    }

    /// The ids of all wallets that are needed: ascending, each once.
    async fn wallet_ids(&mut self, footprint: &Footprint<'_>) -> Result<Vec<i64>, StoreError> {
        let mut ids: Vec<i64> = footprint.wallets.iter().map(|id| id.0).collect();
        for part in footprint.owners.chunks(LIST_MAX) {
            let select = format!(
                "SELECT id FROM wallets WHERE account_id IN ({})",
                list(part.iter().map(|id| id.0))
            );
            for row in self.connection.query(&select).await? {
                ids.push(rows::get(&row, 0)?);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Locks the wallets one after the other in ascending order, as every lane does, so lanes never
    /// wait for each other in a circle. The index is forced because a scan of the whole table,
    /// which a small table invites, would lock strangers' rows.
    async fn lock_wallets(&mut self, ids: &[i64], loaded: &mut Loaded) -> Result<(), StoreError> {
        for part in ids.chunks(LIST_MAX) {
            let select = format!(
                "SELECT {} FROM wallets FORCE INDEX (PRIMARY)
                 WHERE id IN ({}) ORDER BY id FOR UPDATE",
                rows::WALLET,
                list(part.iter().copied())
            );
            for row in self.connection.query(&select).await? {
                loaded.add_wallet(rows::wallet(&row)?);
            }
        }
        Ok(())
    }

    /// Read under the wallets' locks, so that no operator changes it in between.
    async fn load_frozen(&mut self, ids: &[i64], loaded: &mut Loaded) -> Result<(), StoreError> {
        for part in ids.chunks(LIST_MAX) {
            let select = format!(
                "SELECT o.wallet_id FROM wallet_operations AS o
                 WHERE o.wallet_id IN ({}) AND o.action = 'freeze' AND o.sequence =
                     (SELECT MAX(n.sequence) FROM wallet_operations AS n
                      WHERE n.wallet_id = o.wallet_id)",
                list(part.iter().copied())
            );
            for row in self.connection.query(&select).await? {
                loaded.add_frozen(WalletId(rows::get(&row, 0)?));
            }
        }
        Ok(())
    }

    async fn load_decided(
        &mut self,
        keys: &[&IdempotencyKey],
        loaded: &mut Loaded,
    ) -> Result<(), StoreError> {
        let pairs = keys
            .iter()
            .map(|key| format!("(X'{}',{})", Hex(key.key.as_bytes()), words::asker(key.asker)));
        let bytes_max = self.connection.statement_bytes_max() - SELECT_BYTES;
        for pairs in lists(pairs, bytes_max) {
            let select = format!(
                "SELECT {} FROM idempotency_keys AS k JOIN transfers AS t ON t.id = k.transfer_id
                 WHERE (k.idempotency_key, k.account_id) IN ({pairs})",
                rows::TRANSFER,
            );
            for row in self.connection.query(&select).await? {
                loaded.add_decided(rows::transfer(&row)?);
            }
        }
        Ok(())
    }
}

impl LaneStore for MySqlLane {
    type Flusher = AlreadyDurable;

    const IS_REMOTE: bool = true;

    fn flusher(&self) -> std::io::Result<AlreadyDurable> {
        Ok(AlreadyDurable)
    }

    async fn reserve_ids(&mut self, kind: IdKind, count: i64) -> Result<i64, StoreError> {
        let name = match kind {
            IdKind::Wallet => "wallet",
            IdKind::Transaction => "transaction",
        };
        self.reserve(name, count).await
    }

    async fn take_stripe(&mut self, full: Option<AccountId>) -> Result<AccountId, StoreError> {
        let taken = match full {
            Some(AccountId(full)) => full - 1,
            None => self.reserve("stripe", 1).await?,
        };
        self.connection.begin().await?;
        let mut worn = HashSet::new();
        for row in self.connection.query(stripes::BALANCES).await? {
            if is_worn(rows::get(&row, 1)?) {
                worn.insert(AccountId(rows::get(&row, 0)?));
            }
        }
        Ok(Stripes { first: 1 + taken % STRIPES, step: STRIPES }.choose(full, &worn))
    }

    async fn begin(&mut self) -> Result<(), StoreError> {
        self.connection.begin().await
    }

    async fn load(
        &mut self,
        stripe: AccountId,
        footprint: &Footprint<'_>,
    ) -> Result<Books, StoreError> {
        let mut loaded = Loaded::new(stripe);
        if !footprint.standings.is_empty() {
            self.lock_standings(&footprint.standings, &mut loaded).await?;
        }
        let feed_sequence =
            if footprint.feed_position { self.lock_feed_position().await? } else { 0 };
        let ids = self.wallet_ids(footprint).await?;
        self.lock_wallets(&ids, &mut loaded).await?;
        if footprint.frozen {
            self.load_frozen(&ids, &mut loaded).await?;
        }
        self.load_decided(&footprint.keys, &mut loaded).await?;
        Ok(Books { loaded, feed_sequence })
    }

    async fn persist(&mut self, effects: &Effects<'_>) -> Result<(), StoreError> {
        for statement in statements(effects, self.connection.statement_bytes_max()) {
            self.connection.execute(&statement).await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.connection.commit().await
    }

    async fn rollback(&mut self) -> Result<(), StoreError> {
        self.connection.rollback().await
    }
}
