-- What operators did with accounts, and why, one row an operation. Rows are never changed. Who asked is either an API
-- key or a user of the operating system who ran a command.
CREATE TABLE account_operations (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    sequence INTEGER NOT NULL CHECK (sequence >= 1),
    action TEXT NOT NULL CHECK (action IN ('suspend', 'enable', 'revoke_sessions')),
    reason TEXT NOT NULL,
    api_key_id INTEGER,
    user_name TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, sequence),
    CHECK ((api_key_id IS NULL) <> (user_name IS NULL))
) STRICT, WITHOUT ROWID;
