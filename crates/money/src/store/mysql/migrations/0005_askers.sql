-- The API key by which a transfer was asked for. NULL: the owner of the account asked. The account acted for, which
-- owns the wallet, is `account_id`, as before. A rule on the column would make the server copy the table.
--
-- Idempotency keys belong to the one who asks. In `idempotency_keys` the column `account_id` holds the asker: the id
-- of an account, or minus the id of an API key (1 to 2^53 - 1). `asker` in store/words.rs writes it. Instances of
-- earlier versions ask for keys of accounts only, so they never meet those of API keys.
ALTER TABLE transfers ADD COLUMN api_key_id BIGINT NULL;
