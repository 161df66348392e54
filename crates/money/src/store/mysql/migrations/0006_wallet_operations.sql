-- What operators did with wallets, and why, one row an operation. Rows are never changed, and the newest one of a wallet
-- says whether an operator has frozen it. Who asked is either an API key or a user of the operating system who ran a
-- command.
CREATE TABLE IF NOT EXISTS wallet_operations (
    wallet_id BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    action VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    reason VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    api_key_id BIGINT NULL,
    user_name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (wallet_id, sequence),
    CONSTRAINT wallet_operations_sequence_positive CHECK (sequence >= 1),
    CONSTRAINT wallet_operations_action_known CHECK (action IN ('freeze', 'unfreeze')),
    CONSTRAINT wallet_operations_one_operator CHECK ((api_key_id IS NULL) <> (user_name IS NULL))
);
