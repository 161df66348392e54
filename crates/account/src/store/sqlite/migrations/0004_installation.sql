-- Which service and which installation the database belongs to, in one row. The id is 32 hexadecimal
-- digits.
CREATE TABLE installation (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    service TEXT NOT NULL CHECK (service = 'account'),
    installation_id TEXT CHECK (length(installation_id) = 32)
) STRICT;
INSERT INTO installation (id, service) VALUES (1, 'account');
