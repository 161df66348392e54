-- The newest time by which the service has run, so that a start with a wrong clock is noticed.
CREATE TABLE service_clock (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    newest_at INTEGER NOT NULL
) STRICT;

-- Ids of transfers grow with time, so the last one is the newest.
INSERT INTO service_clock (id, newest_at)
SELECT 1, created_at FROM transfers ORDER BY id DESC LIMIT 1;
