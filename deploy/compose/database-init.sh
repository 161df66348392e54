#!/bin/bash
# At the first start of the database, for the image's entry point to run: a schema for each service,
# with one user who serves and one who may change it, and a user who reads statistics.
password() {
    cat "/secrets/database-$1"
}

docker_process_sql <<SQL
CREATE DATABASE my_pay_account;
CREATE USER account_owner@'%' IDENTIFIED BY '$(password account_owner)';
GRANT ALL ON my_pay_account.* TO account_owner@'%';
CREATE USER account@'%' IDENTIFIED BY '$(password account)';
GRANT SELECT, INSERT, UPDATE, DELETE ON my_pay_account.* TO account@'%';
CREATE DATABASE my_pay_money;
CREATE USER money_owner@'%' IDENTIFIED BY '$(password money_owner)';
GRANT ALL ON my_pay_money.* TO money_owner@'%';
CREATE USER money@'%' IDENTIFIED BY '$(password money)';
GRANT SELECT, INSERT, UPDATE ON my_pay_money.* TO money@'%';
CREATE USER exporter@'%' IDENTIFIED BY '$(password exporter)' WITH MAX_USER_CONNECTIONS 3;
GRANT PROCESS, REPLICATION CLIENT, SLAVE MONITOR ON *.* TO exporter@'%';
GRANT SELECT ON performance_schema.* TO exporter@'%';
SQL
