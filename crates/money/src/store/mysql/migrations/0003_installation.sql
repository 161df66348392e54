-- Which service and which installation the database belongs to, in one row. The id is 32 hexadecimal
-- digits, the account service's, recorded at first contact.
CREATE TABLE IF NOT EXISTS installation (
    id BIGINT NOT NULL PRIMARY KEY,
    service VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    installation_id CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
    CONSTRAINT installation_one_row CHECK (id = 1),
    CONSTRAINT installation_service_known CHECK (service = 'money')
);
INSERT INTO installation (id, service) VALUES (1, 'money')
    ON DUPLICATE KEY UPDATE service = installation.service;
