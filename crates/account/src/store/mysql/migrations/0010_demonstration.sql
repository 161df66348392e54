-- One row, if the accounts are those of a demonstration (`my-pay up --demo`), which is made on SQLite
-- and may have been copied here.
CREATE TABLE IF NOT EXISTS demonstration (
    id BIGINT NOT NULL PRIMARY KEY,
    CONSTRAINT demonstration_one_row CHECK (id = 1)
);
