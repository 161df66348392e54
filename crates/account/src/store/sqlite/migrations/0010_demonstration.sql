-- One row, if the accounts are those of a demonstration (`my-pay up --demo`). It is never deleted.
CREATE TABLE demonstration (
    id INTEGER PRIMARY KEY CHECK (id = 1)
) STRICT;

-- Earlier versions left no mark. Addresses below example.com are no real people's.
INSERT INTO demonstration (id)
SELECT 1 WHERE EXISTS (SELECT 1 FROM accounts) AND NOT EXISTS (
    SELECT 1 FROM accounts
    WHERE email_normalised NOT IN ('ann@example.com', 'bob@example.com')
);
