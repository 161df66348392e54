-- The limit of a balance is a person's. A system wallet is the other side of deposits and withdrawals, and holds
-- whatever they come to.
ALTER TABLE wallets DROP CONSTRAINT wallets_balance_exact;
ALTER TABLE wallets ADD CONSTRAINT wallets_person_balance_exact
    CHECK (balance <= 9007199254740991 OR account_id <= 9999);
