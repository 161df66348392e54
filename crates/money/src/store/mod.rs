//! Where money is kept. The engine writes through [`LaneStore`] and everything else reads through
//! [`Reads`]; every database implements both and passes the same conformance suite. All SQL of the
//! service is below this module.

pub mod audit;
mod books;
mod durable;
pub mod mysql;
mod operations;
pub mod sqlite;
mod stripes;
mod totals;
mod words;

use ledger::{
    AccountId, IdempotencyKey, Loaded, Transaction, TransactionId, Transfer, TransferId, Wallet,
    WalletId, WalletStatus,
};
use prometheus_client::registry::Registry;
use service::{
    BoxFuture,
    installation::Installation,
    store::{
        counter::Counter,
        owner::{MONEY_TABLES, Migrations, Schema},
    },
};

pub(crate) use self::durable::DurableReads;
pub use self::{
    books::{BookedTransfer, BooksPage, BooksQuery, Leg},
    operations::Operations,
    totals::{CurrencyTotal, Totals},
};
use self::{mysql::MySqlStore, sqlite::SqliteStore};

/// The counters of ids, on every database.
const COUNTERS: &[Counter] = &[
    Counter { name: "wallet", table: "wallets", column: "id" },
    Counter { name: "transaction", table: "transactions", column: "id" },
];

/// The database of a money service.
#[derive(Debug, Clone)]
pub enum Database {
    /// Embedded, for one process.
    Sqlite(SqliteStore),
    /// MySQL, MariaDB or TiDB, for any number of processes.
    MySql(MySqlStore),
}

impl Database {
    /// The installation that the database belongs to: the recorded one, or else `account`, which
    /// is the account service's and is recorded.
    pub async fn settle_installation(
        &self,
        account: Installation,
    ) -> Result<Installation, StoreError> {
        match self {
            Self::Sqlite(store) => store.settle_installation(account).await,
            Self::MySql(store) => store.settle_installation(account).await,
        }
    }

    /// Makes the metrics of its connections readable, if it has any.
    pub fn register_metrics(&self, registry: &mut Registry) {
        match self {
            Self::Sqlite(_) => {}
            Self::MySql(store) => store.register_metrics(registry),
        }
    }
}

/// The schema that these migrations make.
const fn schema(migrations: Migrations) -> Schema {
    Schema { service: "money", first_tables: MONEY_TABLES, migrations }
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written, and trying again may help: load and decide again.
    #[error("the money database did not take it ({})", .0.as_str())]
    Again(Reason, #[source] Cause),
    /// The database refused what was to be written, by a rule of its own. Nothing was written.
    #[error("the money database refused what was to be written")]
    Refused(#[source] Cause),
    /// The database did not do it, and nothing was written.
    #[error("the money database failed")]
    Failed(#[source] Cause),
    /// The commit was sent and no answer came: it may be on disk or not.
    #[error("the outcome of a commit is unknown")]
    OutcomeUnknown(#[source] Cause),
}

impl StoreError {
    /// What the database said, whatever follows from it.
    fn into_cause(self) -> Cause {
        match self {
            Self::Again(_, cause)
            | Self::Refused(cause)
            | Self::Failed(cause)
            | Self::OutcomeUnknown(cause) => cause,
        }
    }
}

/// Why the same may succeed in a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Another writer was in the way.
    Busy,
    /// The database chose this writer among several that waited for each other.
    Deadlock,
    /// A row was locked for too long.
    LockTimeout,
    /// Another writer had inserted the same key.
    DuplicateKey,
    /// The server refuses writes. A new connection may reach another one.
    ReadOnly,
    /// The connection was lost before the commit, or could not be made.
    Disconnected,
    /// The database cannot do it now.
    Unavailable,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Busy,
        Self::Deadlock,
        Self::LockTimeout,
        Self::DuplicateKey,
        Self::ReadOnly,
        Self::Disconnected,
        Self::Unavailable,
    ];

    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Deadlock => "deadlock",
            Self::LockTimeout => "lock_timeout",
            Self::DuplicateKey => "duplicate_key",
            Self::ReadOnly => "read_only",
            Self::Disconnected => "disconnected",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What the database said.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What ids are reserved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdKind {
    /// Wallets.
    Wallet,
    /// Legs of transfers.
    Transaction,
}

/// What a batch must know before it decides.
#[derive(Debug, Default)]
pub struct Footprint<'a> {
    /// Wallets by id: ascending, each once.
    pub wallets: Vec<WalletId>,
    /// Accounts whose wallets are all needed: ascending, each once.
    pub owners: Vec<AccountId>,
    /// Keys that may have been decided before.
    pub keys: Vec<&'a IdempotencyKey>,
    /// Accounts whose standing is needed, and must not change until the commit: ascending, each
    /// once. With it comes the newest attempt to close the account that was refused.
    pub standings: Vec<AccountId>,
    /// Whether the place in the account feed is needed, and must not change until the commit.
    pub feed_position: bool,
    /// Whether it is needed which of the owners' wallets operators have frozen.
    pub frozen: bool,
}

/// What a batch decides on.
#[derive(Debug)]
pub struct Books {
    /// For the ledger.
    pub loaded: Loaded,
    /// How far the account feed has been followed; 0 at first, or if it was not asked for.
    pub feed_sequence: i64,
}

/// Everything that a batch writes.
#[derive(Debug, Default)]
pub struct Effects<'a> {
    /// New wallets.
    pub opened: Vec<Wallet>,
    /// Wallets whose balance or status changed, ascending, each once. May include new ones.
    pub changed: Vec<&'a Wallet>,
    /// Decided transfers, completed and failed.
    pub transfers: Vec<Transfer>,
    /// Legs of the completed ones.
    pub transactions: Vec<Transaction>,
    /// New standings of accounts.
    pub standings: Vec<(AccountId, WalletStatus)>,
    /// The newest attempts to close accounts' wallets that were refused.
    pub refused_closings: Vec<(AccountId, i64)>,
    /// How far the account feed has been followed.
    pub feed_sequence: Option<i64>,
    /// Whether to change a row that means nothing, to show that the database takes writes. An
    /// embedded database does; whether a server takes writes is asked by [`Reads::ping`].
    pub probe: bool,
}

impl Effects<'_> {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        let Self {
            opened,
            changed,
            transfers,
            transactions,
            standings,
            refused_closings,
            feed_sequence,
            probe,
        } = self;
        opened.is_empty()
            && changed.is_empty()
            && transfers.is_empty()
            && transactions.is_empty()
            && standings.is_empty()
            && refused_closings.is_empty()
            && feed_sequence.is_none()
            && !probe
    }
}

/// Makes commits durable, beside the writer and not in its way. A database whose commits are
/// durable by themselves has nothing left to do here.
pub trait Flush: Send {
    /// Returns when all that was committed before the call is on disk. May block.
    fn flush(&mut self) -> Result<(), StoreError>;
}

/// One writer's connection. Calls come in the order begin, load, persist, commit; after an error
/// comes `rollback`. What is left open all the same is rolled back by the next call that begins a
/// transaction, or by the database when the connection ends.
pub trait LaneStore: Send {
    /// Makes this connection's commits durable.
    type Flusher: Flush + 'static;

    /// Whether a batch costs round trips to a server, so that a larger one is worth a moment.
    const IS_REMOTE: bool;

    /// The flusher, for a thread of its own.
    fn flusher(&self) -> std::io::Result<Self::Flusher>;

    /// Reserves `count` ids, in a transaction of its own, and returns the first. Ids may be lost,
    /// never given twice.
    fn reserve_ids(
        &mut self,
        kind: IdKind,
        count: i64,
    ) -> impl Future<Output = Result<i64, StoreError>> + Send;

    /// The system's account on the other side of this lane's deposits and withdrawals, in place of
    /// `full`, which has no room left. Lanes get different ones as far as there are enough, so that
    /// they do not queue for one row.
    fn take_stripe(
        &mut self,
        full: Option<AccountId>,
    ) -> impl Future<Output = Result<AccountId, StoreError>> + Send;

    /// Starts a transaction, rolling back an abandoned one.
    fn begin(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Loads and locks what the footprint names, wallets before keys, into a ledger for `stripe`.
    fn load(
        &mut self,
        stripe: AccountId,
        footprint: &Footprint<'_>,
    ) -> impl Future<Output = Result<Books, StoreError>> + Send;

    /// Writes the effects.
    fn persist(
        &mut self,
        effects: &Effects<'_>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Commits: readers see it. It is on disk once a flush that began afterwards has ended.
    fn commit(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Ends the transaction without effect, and frees what it has locked. Does nothing if there is
    /// none.
    fn rollback(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A transfer, and what its receiver needs to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferView {
    /// The transfer.
    pub transfer: Transfer,
    /// Who received it, and the balance of their wallet afterwards; none unless it is a completed
    /// transfer between two wallets.
    pub receiver: Option<ReceiverView>,
}

/// The receiver's side of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiverView {
    /// Whose wallet received.
    pub account_id: AccountId,
    /// Its balance afterwards.
    pub balance_after: i64,
}

/// Which part of a wallet's history is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Whose history.
    pub wallet_id: WalletId,
    /// The first transaction of the page, from an earlier page; the newest if none.
    pub start: Option<TransactionId>,
    /// Nothing before this time, in microseconds.
    pub from: Option<i64>,
    /// Nothing at or after this time, in microseconds.
    pub to: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// A page of a wallet's history, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryPage {
    /// The transactions.
    pub items: Vec<Transaction>,
    /// Where the next page starts, if there is more.
    pub next: Option<TransactionId>,
}

/// Joins the debit `d` of the transfer that the transaction `t` belongs to: its wallet paid. The
/// legs of a transfer have consecutive ids, the debit's first, so `d` is the row of `t` itself or
/// the row before it, on a page that has been read already.
const DEBIT: &str = "LEFT JOIN transactions AS d \
     ON d.id = t.id - (t.direction = 'credit') AND d.transfer_id = t.transfer_id";

/// What readers ask. Reads see committed money only and never wait for writers.
pub trait Reads: Send + Sync {
    /// A wallet.
    fn wallet(&self, id: WalletId) -> BoxFuture<'_, Result<Option<Wallet>, StoreError>>;

    /// An account's wallets, oldest first; an account has at most one in each currency.
    fn wallets_of(&self, account_id: AccountId) -> BoxFuture<'_, Result<Vec<Wallet>, StoreError>>;

    /// A transfer by its id.
    fn transfer(&self, id: TransferId) -> BoxFuture<'_, Result<Option<TransferView>, StoreError>>;

    /// A transfer by the key under which it was asked for.
    fn transfer_by_key(
        &self,
        key: IdempotencyKey,
    ) -> BoxFuture<'_, Result<Option<TransferView>, StoreError>>;

    /// A page of history; `None` if the start is not a transaction of the wallet.
    fn history(
        &self,
        query: HistoryQuery,
    ) -> BoxFuture<'_, Result<Option<HistoryPage>, StoreError>>;

    /// A page of the decided commands of all accounts.
    fn books(&self, query: BooksQuery) -> BoxFuture<'_, Result<BooksPage, StoreError>>;

    /// How far the account feed has been followed; 0 at first.
    fn feed_sequence(&self) -> BoxFuture<'_, Result<i64, StoreError>>;

    /// What all wallets come to, at one moment. It reads every wallet.
    fn totals(&self) -> BoxFuture<'_, Result<Totals, StoreError>>;

    /// Whether the database answers, and takes writes.
    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}

#[cfg(test)]
mod tests {
    mod books;
    pub(crate) mod conformance;
    pub(crate) mod damage;
    mod operations;
}
