-- Which service and which installation the database belongs to, in one row. The id is 32 hexadecimal
-- digits, the account service's, recorded at first contact.
CREATE TABLE installation (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    service TEXT NOT NULL CHECK (service = 'money'),
    installation_id TEXT CHECK (length(installation_id) = 32)
) STRICT;
INSERT INTO installation (id, service) VALUES (1, 'money');
