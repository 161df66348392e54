-- People. `email` is as they wrote it; `email_normalised` is what makes it unique.
-- A closed account is never valid, so `is_valid = 1` alone means: in good standing.
CREATE TABLE accounts (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id BETWEEN 10001 AND 9007199254740991),
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    email_normalised TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    is_valid INTEGER NOT NULL CHECK (is_valid IN (0, 1)),
    closed_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK (closed_at IS NULL OR is_valid = 0)
) STRICT;

-- One row a pair of tokens. A session is a chain of rows, each rotated into the next; only the newest,
-- neither rotated nor revoked, is alive. Older ones stay until their refresh token would have expired,
-- so that its second use is noticed. Tokens are SHA-256 digests.
CREATE TABLE auth_tokens (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id BETWEEN 1 AND 9007199254740991),
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    session_id INTEGER NOT NULL,
    session_started_at INTEGER NOT NULL,
    access_token BLOB NOT NULL UNIQUE CHECK (length(access_token) = 32),
    expired_at INTEGER NOT NULL,
    refresh_token BLOB NOT NULL UNIQUE CHECK (length(refresh_token) = 32),
    refresh_expired_at INTEGER NOT NULL CHECK (refresh_expired_at >= expired_at),
    rotated_at INTEGER,
    revoked_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Leads straight to what is alive of an account, however many rows were rotated.
CREATE INDEX auth_tokens_by_account ON auth_tokens (account_id, revoked_at, rotated_at);
-- Leads straight to what can be purged.
CREATE INDEX auth_tokens_by_end ON auth_tokens (refresh_expired_at);

-- The feed that the money service pulls. Rows are never changed.
CREATE TABLE account_changes (
    sequence INTEGER NOT NULL PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    standing TEXT NOT NULL CHECK (standing IN ('active', 'suspended', 'closed')),
    created_at INTEGER NOT NULL
) STRICT;

-- Where the next block of ids starts. Accounts start at 10001 because ids up to 10000 belong to the
-- money service's system accounts.
CREATE TABLE id_blocks (
    name TEXT NOT NULL PRIMARY KEY,
    next_value INTEGER NOT NULL CHECK (next_value BETWEEN 1 AND 9007199254740992)
) STRICT;

INSERT INTO id_blocks (name, next_value) VALUES ('accounts', 10001);
INSERT INTO id_blocks (name, next_value) VALUES ('auth_tokens', 1);
INSERT INTO id_blocks (name, next_value) VALUES ('account_changes', 1);
