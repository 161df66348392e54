-- What operators did with wallets, and why, one row an operation. Rows are never changed, and the newest one of a wallet
-- says whether an operator has frozen it. Who asked is either an API key or a user of the operating system who ran a
-- command.
CREATE TABLE wallet_operations (
    wallet_id INTEGER NOT NULL,
    sequence INTEGER NOT NULL CHECK (sequence >= 1),
    action TEXT NOT NULL CHECK (action IN ('freeze', 'unfreeze')),
    reason TEXT NOT NULL,
    api_key_id INTEGER,
    user_name TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (wallet_id, sequence),
    CHECK ((api_key_id IS NULL) <> (user_name IS NULL))
) STRICT, WITHOUT ROWID;
