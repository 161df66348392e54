-- Closings that owners have asked for. A row is written before the money service is asked to close the wallets, so
-- that a closing whose outcome is not known is settled later, by any instance. `attempt` only ever grows, so rows stay.
CREATE TABLE IF NOT EXISTS closings (
    account_id BIGINT NOT NULL PRIMARY KEY,
    attempt BIGINT NOT NULL,
    is_open TINYINT NOT NULL,
    started_at BIGINT NOT NULL,
    attempted_at BIGINT NOT NULL,
    KEY closings_by_attempt (is_open, attempted_at),
    CONSTRAINT closings_attempt_positive CHECK (attempt > 0),
    CONSTRAINT closings_open_known CHECK (is_open IN (0, 1))
);
