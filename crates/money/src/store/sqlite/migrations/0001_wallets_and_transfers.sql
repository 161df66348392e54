-- Amounts and balances are integers in the currency's minor unit. Times are microseconds since
-- 1970-01-01T00:00:00Z. Accounts up to 9999 are the system's: the other side of deposits and withdrawals.

CREATE TABLE wallets (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    currency TEXT NOT NULL,
    balance INTEGER NOT NULL,
    status TEXT NOT NULL,
    newest_transaction_id INTEGER,
    transaction_count INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (account_id, currency),
    CHECK (balance >= 0 OR account_id <= 9999),
    CHECK (balance <= 9007199254740991),
    CHECK (status IN ('active', 'frozen', 'closed'))
);

-- One row a leg, append-only. Rows are found by id alone: a wallet names its newest transaction and each
-- transaction the one before it, so history needs no index whose pages are touched in random order.
CREATE TABLE transactions (
    id INTEGER PRIMARY KEY,
    wallet_id INTEGER NOT NULL,
    receiver_wallet_id INTEGER NOT NULL,
    transfer_id BLOB NOT NULL,
    transaction_type TEXT NOT NULL,
    transaction_status TEXT NOT NULL,
    direction TEXT NOT NULL,
    amount INTEGER NOT NULL,
    balance_after INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    previous_transaction_id INTEGER,
    summary TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK (amount BETWEEN 1 AND 9007199254740991),
    CHECK (direction IN ('debit', 'credit'))
);

-- Every few hundredth transaction of a wallet, by time: where a walk through its history may start.
CREATE TABLE transaction_marks (
    wallet_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    transaction_id INTEGER NOT NULL,
    PRIMARY KEY (wallet_id, created_at, sequence)
) WITHOUT ROWID;

-- Every decided command, completed or failed, by its UUIDv7, which grows: rows are appended.
CREATE TABLE transfers (
    id BLOB PRIMARY KEY,
    account_id INTEGER NOT NULL,
    idempotency_key TEXT NOT NULL,
    transfer_type TEXT NOT NULL,
    transfer_status TEXT NOT NULL,
    rejection TEXT,
    debit_transaction_id INTEGER,
    sender_wallet_id INTEGER,
    receiver_wallet_id INTEGER,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    summary TEXT,
    balance_after INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    CHECK ((transfer_status = 'completed') = (debit_transaction_id IS NOT NULL)),
    CHECK ((transfer_status = 'failed') = (rejection IS NOT NULL))
) WITHOUT ROWID;

-- Key first: clients whose keys grow with time (UUIDv7) append here instead of scattering.
CREATE TABLE idempotency_keys (
    idempotency_key TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    transfer_id BLOB NOT NULL,
    PRIMARY KEY (idempotency_key, account_id)
) WITHOUT ROWID;

-- Accounts that may not move money now, and how far the account feed has been followed to know it.
CREATE TABLE account_standings (
    account_id INTEGER PRIMARY KEY,
    status TEXT NOT NULL
);
CREATE TABLE feed_positions (
    feed TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL
) WITHOUT ROWID;

-- The next id of each kind that is not reserved yet.
CREATE TABLE id_blocks (
    name TEXT PRIMARY KEY,
    next_value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO id_blocks (name, next_value) VALUES ('wallet', 1), ('transaction', 1);
