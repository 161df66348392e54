-- API keys of companies' backends. `scopes` are names, separated by one space. `created_by`, `rotated_by` and
-- `revoked_by` are the key that did it; where they are NULL, an operator's command did. Rows are never deleted, because
-- other tables name keys by their ids.
CREATE TABLE api_keys (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id BETWEEN 1 AND 9007199254740991),
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by INTEGER REFERENCES api_keys (id),
    expires_at INTEGER CHECK (expires_at > created_at),
    rotated_at INTEGER,
    rotated_by INTEGER REFERENCES api_keys (id),
    revoked_at INTEGER,
    revoked_by INTEGER REFERENCES api_keys (id),
    last_used_at INTEGER,
    CHECK (rotated_by IS NULL OR rotated_at IS NOT NULL),
    CHECK (revoked_by IS NULL OR revoked_at IS NOT NULL)
) STRICT;

-- The secrets of keys that are not revoked, as SHA-256 digests: the newest, and after a rotation the one before it,
-- which has an end.
CREATE TABLE api_key_secrets (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    api_key_id INTEGER NOT NULL REFERENCES api_keys (id),
    created_at INTEGER NOT NULL,
    valid_until INTEGER
) STRICT;
CREATE INDEX api_key_secrets_by_key ON api_key_secrets (api_key_id);

-- Digests of tokens and keys that an operator ended. Each instance of the service follows this table and tells the
-- gateways, because a command is another process and cannot. Rows are deleted when no cache can remember the token.
CREATE TABLE revocations (
    sequence INTEGER NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    created_at INTEGER NOT NULL
) STRICT;

INSERT INTO id_blocks (name, next_value) VALUES ('api_keys', 1);
INSERT INTO id_blocks (name, next_value) VALUES ('revocations', 1);
