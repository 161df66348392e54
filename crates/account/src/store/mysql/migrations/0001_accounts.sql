-- The same tables as on SQLite. Times are microseconds since 1970-01-01T00:00:00Z. What must match byte by
-- byte is binary, because every collation takes trailing spaces, or more than that, for equal.

-- People. `email` is as they wrote it; `email_normalised` is what makes it unique.
-- A closed account is never valid, so `is_valid = 1` alone means: in good standing.
CREATE TABLE IF NOT EXISTS accounts (
    id BIGINT NOT NULL PRIMARY KEY,
    name VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    email VARCHAR(320) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    email_normalised VARBINARY(640) NOT NULL,
    password_hash VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    is_valid TINYINT NOT NULL,
    closed_at BIGINT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE KEY accounts_by_email (email_normalised),
    CONSTRAINT accounts_id_exact CHECK (id BETWEEN 10001 AND 9007199254740991),
    CONSTRAINT accounts_valid_known CHECK (is_valid IN (0, 1)),
    CONSTRAINT accounts_closed_not_valid CHECK (closed_at IS NULL OR is_valid = 0)
);

-- One row a pair of tokens. A session is a chain of rows, each rotated into the next; only the newest,
-- neither rotated nor revoked, is alive. Older ones stay until their refresh token would have expired,
-- so that its second use is noticed. Tokens are SHA-256 digests. The indexes by account and by end lead
-- straight to what is alive, and to what can be purged.
CREATE TABLE IF NOT EXISTS auth_tokens (
    id BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL,
    session_id BIGINT NOT NULL,
    session_started_at BIGINT NOT NULL,
    access_token BINARY(32) NOT NULL,
    expired_at BIGINT NOT NULL,
    refresh_token BINARY(32) NOT NULL,
    refresh_expired_at BIGINT NOT NULL,
    rotated_at BIGINT NULL,
    revoked_at BIGINT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE KEY auth_tokens_by_access (access_token),
    UNIQUE KEY auth_tokens_by_refresh (refresh_token),
    KEY auth_tokens_by_account (account_id, revoked_at, rotated_at),
    KEY auth_tokens_by_end (refresh_expired_at),
    CONSTRAINT auth_tokens_refresh_longer CHECK (refresh_expired_at >= expired_at)
);

-- The feed that the money service pulls. Rows are never changed.
CREATE TABLE IF NOT EXISTS account_changes (
    sequence BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL,
    standing VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT account_changes_standing_known CHECK (standing IN ('active', 'suspended', 'closed'))
);

-- Where the next block of ids starts. Accounts start at 10001 because ids up to 10000 belong to the
-- money service's system accounts.
CREATE TABLE IF NOT EXISTS id_blocks (
    name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    next_value BIGINT NOT NULL,
    CONSTRAINT id_blocks_exact CHECK (next_value BETWEEN 1 AND 9007199254740992)
);
INSERT INTO id_blocks (name, next_value) VALUES
    ('account_changes', 1), ('accounts', 10001), ('auth_tokens', 1)
    ON DUPLICATE KEY UPDATE next_value = next_value;
