-- API keys of companies' backends. `scopes` are names, separated by one space. `created_by`, `rotated_by` and
-- `revoked_by` are the key that did it; where they are NULL, an operator's command did. Rows are never deleted, because
-- other tables name keys by their ids.
CREATE TABLE IF NOT EXISTS api_keys (
    id BIGINT NOT NULL PRIMARY KEY,
    name VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    scopes VARCHAR(1000) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at BIGINT NOT NULL,
    created_by BIGINT NULL,
    expires_at BIGINT NULL,
    rotated_at BIGINT NULL,
    rotated_by BIGINT NULL,
    revoked_at BIGINT NULL,
    revoked_by BIGINT NULL,
    last_used_at BIGINT NULL,
    CONSTRAINT api_keys_id_exact CHECK (id BETWEEN 1 AND 9007199254740991),
    CONSTRAINT api_keys_expires_later CHECK (expires_at > created_at),
    CONSTRAINT api_keys_rotated CHECK (rotated_by IS NULL OR rotated_at IS NOT NULL),
    CONSTRAINT api_keys_revoked CHECK (revoked_by IS NULL OR revoked_at IS NOT NULL)
);

-- The secrets of keys that are not revoked, as SHA-256 digests: the newest, and after a rotation the one before it,
-- which has an end.
CREATE TABLE IF NOT EXISTS api_key_secrets (
    digest BINARY(32) NOT NULL PRIMARY KEY,
    api_key_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    valid_until BIGINT NULL,
    KEY api_key_secrets_by_key (api_key_id)
);

-- Digests of tokens and keys that an operator ended. Each instance of the service follows this table and tells the
-- gateways, because a command is another process and cannot. Rows are deleted when no cache can remember the token.
CREATE TABLE IF NOT EXISTS revocations (
    sequence BIGINT NOT NULL PRIMARY KEY,
    digest BINARY(32) NOT NULL,
    created_at BIGINT NOT NULL
);

INSERT INTO id_blocks (name, next_value) VALUES ('api_keys', 1), ('revocations', 1)
    ON DUPLICATE KEY UPDATE next_value = next_value;
