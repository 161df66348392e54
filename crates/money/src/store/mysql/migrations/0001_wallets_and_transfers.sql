-- The same tables as on SQLite. Amounts and balances are integers in the currency's minor unit. Times are
-- microseconds since 1970-01-01T00:00:00Z. Accounts up to 9999 are the system's: the other side of deposits
-- and withdrawals. Text that must match byte by byte is binary, because every collation of MySQL and
-- MariaDB takes trailing spaces, or more than that, for equal.

CREATE TABLE IF NOT EXISTS wallets (
    id BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL,
    currency CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    balance BIGINT NOT NULL,
    status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    newest_transaction_id BIGINT NULL,
    transaction_count BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE KEY wallets_by_account (account_id, currency),
    CONSTRAINT wallets_person_not_negative CHECK (balance >= 0 OR account_id <= 9999),
    CONSTRAINT wallets_balance_exact CHECK (balance <= 9007199254740991),
    CONSTRAINT wallets_status_known CHECK (status IN ('active', 'frozen', 'closed'))
);

-- One row a leg, append-only. Rows are found by id alone: a wallet names its newest transaction and each
-- transaction the one before it, so history needs no index whose pages are touched in random order.
CREATE TABLE IF NOT EXISTS transactions (
    id BIGINT NOT NULL PRIMARY KEY,
    wallet_id BIGINT NOT NULL,
    receiver_wallet_id BIGINT NOT NULL,
    transfer_id BINARY(16) NOT NULL,
    transaction_type VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    transaction_status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    direction VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount BIGINT NOT NULL,
    balance_after BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    previous_transaction_id BIGINT NULL,
    summary VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT transactions_amount_positive CHECK (amount BETWEEN 1 AND 9007199254740991),
    CONSTRAINT transactions_direction_known CHECK (direction IN ('debit', 'credit'))
);

-- Every few hundredth transaction of a wallet, by time: where a walk through its history may start.
CREATE TABLE IF NOT EXISTS transaction_marks (
    wallet_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    transaction_id BIGINT NOT NULL,
    PRIMARY KEY (wallet_id, created_at, sequence)
);

-- Every decided command, completed or failed, by its UUIDv7, which grows: rows are appended.
CREATE TABLE IF NOT EXISTS transfers (
    id BINARY(16) NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL,
    idempotency_key VARBINARY(128) NOT NULL,
    transfer_type VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    transfer_status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    rejection VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    debit_transaction_id BIGINT NULL,
    sender_wallet_id BIGINT NULL,
    receiver_wallet_id BIGINT NULL,
    amount BIGINT NOT NULL,
    currency CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    summary VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    balance_after BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT transfers_completed CHECK
        ((transfer_status = 'completed') = (debit_transaction_id IS NOT NULL)),
    CONSTRAINT transfers_failed CHECK ((transfer_status = 'failed') = (rejection IS NOT NULL))
);

-- Key first: clients whose keys grow with time (UUIDv7) append here instead of scattering.
CREATE TABLE IF NOT EXISTS idempotency_keys (
    idempotency_key VARBINARY(128) NOT NULL,
    account_id BIGINT NOT NULL,
    transfer_id BINARY(16) NOT NULL,
    PRIMARY KEY (idempotency_key, account_id)
);

-- Accounts that have opened a wallet or changed their standing, and how far the account feed has been
-- followed to know it. A row is locked by whoever opens a wallet, so that the account's standing cannot
-- change meanwhile.
CREATE TABLE IF NOT EXISTS account_standings (
    account_id BIGINT NOT NULL PRIMARY KEY,
    status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
);
CREATE TABLE IF NOT EXISTS feed_positions (
    feed VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL
);
INSERT INTO feed_positions (feed, sequence) VALUES ('accounts', 0)
    ON DUPLICATE KEY UPDATE sequence = sequence;

-- The next id of each kind that is not reserved yet.
CREATE TABLE IF NOT EXISTS id_blocks (
    name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    next_value BIGINT NOT NULL
);
INSERT INTO id_blocks (name, next_value) VALUES ('stripe', 1), ('transaction', 1), ('wallet', 1)
    ON DUPLICATE KEY UPDATE next_value = next_value;
