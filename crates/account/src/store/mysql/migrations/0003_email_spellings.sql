-- Earlier versions compared addresses by letter case only. Those that may now compare otherwise are listed here until
-- the program has computed what it compares now (`respelling.rs`).
CREATE TABLE IF NOT EXISTS email_respellings (
    account_id BIGINT NOT NULL PRIMARY KEY
);

INSERT INTO email_respellings (account_id)
SELECT id FROM accounts
WHERE CHAR_LENGTH(email) <> LENGTH(email) OR email LIKE '%"%' OR LOWER(email) LIKE '%xn--%';
