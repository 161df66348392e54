-- Earlier versions compared addresses by letter case only. Those that may now compare otherwise are listed here until
-- the program has computed what it compares now (`respelling.rs`).
CREATE TABLE email_respellings (
    account_id INTEGER NOT NULL PRIMARY KEY REFERENCES accounts (id)
) STRICT;

INSERT INTO email_respellings (account_id)
SELECT id FROM accounts
WHERE length(email) <> length(CAST(email AS BLOB)) OR email LIKE '%"%' OR email LIKE '%xn--%';
