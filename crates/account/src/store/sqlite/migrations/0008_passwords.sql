-- Attempts at the password of one email, known or not, by SHA-256 of the address as it is compared. A right password
-- removes the row, and so does a reset. An old row counts no more.
CREATE TABLE login_attempts (
    email_digest BLOB NOT NULL PRIMARY KEY CHECK (length(email_digest) = 32),
    attempts INTEGER NOT NULL CHECK (attempts BETWEEN 1 AND 4294967295),
    newest_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Leads straight to what can be purged.
CREATE INDEX login_attempts_by_time ON login_attempts (newest_at);

-- Tokens with which the owner of an account sets a new password, as SHA-256 digests. `ended_at` is when one was used, or
-- when it was replaced or made void; rows stay a day, so that an account's tokens of the last hour can be counted.
CREATE TABLE password_resets (
    token_digest BLOB NOT NULL PRIMARY KEY CHECK (length(token_digest) = 32),
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    created_at INTEGER NOT NULL,
    expired_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX password_resets_by_account ON password_resets (account_id, created_at);
CREATE INDEX password_resets_by_time ON password_resets (created_at);
