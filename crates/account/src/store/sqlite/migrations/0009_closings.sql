-- Closings that owners have asked for. A row is written before the money service is asked to close the wallets, so
-- that a closing whose outcome is not known is settled later, by any instance. `attempt` only ever grows, so rows stay.
CREATE TABLE closings (
    account_id INTEGER NOT NULL PRIMARY KEY REFERENCES accounts (id),
    attempt INTEGER NOT NULL CHECK (attempt > 0),
    is_open INTEGER NOT NULL CHECK (is_open IN (0, 1)),
    started_at INTEGER NOT NULL,
    attempted_at INTEGER NOT NULL
) STRICT;

CREATE INDEX closings_by_attempt ON closings (is_open, attempted_at);
