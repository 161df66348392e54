-- The limit of a balance is a person's. A system wallet is the other side of deposits and withdrawals, and holds
-- whatever they come to. SQLite changes a rule of a table by making the table again.
CREATE TABLE wallets_again (
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
    CHECK (balance <= 9007199254740991 OR account_id <= 9999),
    CHECK (status IN ('active', 'frozen', 'closed'))
);
INSERT INTO wallets_again (id, account_id, currency, balance, status, newest_transaction_id,
    transaction_count, created_at, updated_at)
SELECT id, account_id, currency, balance, status, newest_transaction_id, transaction_count,
    created_at, updated_at
FROM wallets ORDER BY id;
DROP TABLE wallets;
ALTER TABLE wallets_again RENAME TO wallets;
