-- The newest attempt to close the account's wallets that was refused because they held money; 0 if there was none.
-- An attempt up to this one closes nothing any more, however late its message arrives.
ALTER TABLE account_standings ADD COLUMN refused_closing INTEGER NOT NULL DEFAULT 0;
