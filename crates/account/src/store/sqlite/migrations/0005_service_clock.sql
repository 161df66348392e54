-- The newest time by which the service has run, so that a start with a wrong clock is noticed.
CREATE TABLE service_clock (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    newest_at INTEGER NOT NULL
) STRICT;

INSERT INTO service_clock (id, newest_at)
SELECT 1, MAX(newest_at) FROM (
    SELECT MAX(created_at) AS newest_at FROM accounts
    UNION ALL SELECT MAX(created_at) AS newest_at FROM auth_tokens
) AS newest
HAVING MAX(newest_at) IS NOT NULL;
