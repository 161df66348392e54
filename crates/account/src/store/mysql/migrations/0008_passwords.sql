-- Attempts at the password of one email, known or not, by SHA-256 of the address as it is compared. A right password
-- removes the row, and so does a reset. An old row counts no more.
CREATE TABLE IF NOT EXISTS login_attempts (
    email_digest BINARY(32) NOT NULL PRIMARY KEY,
    attempts BIGINT NOT NULL,
    newest_at BIGINT NOT NULL,
    KEY login_attempts_by_time (newest_at),
    CONSTRAINT login_attempts_counted CHECK (attempts BETWEEN 1 AND 4294967295)
);

-- Tokens with which the owner of an account sets a new password, as SHA-256 digests. `ended_at` is when one was used, or
-- when it was replaced or made void; rows stay a day, so that an account's tokens of the last hour can be counted.
CREATE TABLE IF NOT EXISTS password_resets (
    token_digest BINARY(32) NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expired_at BIGINT NOT NULL,
    ended_at BIGINT NULL,
    KEY password_resets_by_account (account_id, created_at),
    KEY password_resets_by_time (created_at)
);
