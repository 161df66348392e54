#!/bin/sh
# A schema for each service, with one user who serves and one who may change it, and a user who
# reads statistics. What is there already stays, except that passwords become what they are in the
# volume `secrets`.
set -eu

# Says in SQL that there is such a user: NAME [CONNECTIONS].
user() {
    password=$(cat "/secrets/database-$1")
    echo "CREATE USER IF NOT EXISTS $1@'%';"
    echo "ALTER USER $1@'%' IDENTIFIED BY '$password' WITH MAX_USER_CONNECTIONS ${2-0};"
}

for service in account money; do
    echo "CREATE DATABASE IF NOT EXISTS my_pay_$service;"
    user "$service"
    user "${service}_owner"
    echo "GRANT ALL ON my_pay_$service.* TO ${service}_owner@'%';"
done >/tmp/schemas.sql
cat >>/tmp/schemas.sql <<SQL
GRANT SELECT, INSERT, UPDATE, DELETE ON my_pay_account.* TO account@'%';
GRANT SELECT, INSERT, UPDATE ON my_pay_money.* TO money@'%';
SQL
user exporter 3 >>/tmp/schemas.sql
cat >>/tmp/schemas.sql <<SQL
GRANT PROCESS, REPLICATION CLIENT, SLAVE MONITOR ON *.* TO exporter@'%';
GRANT SELECT ON performance_schema.* TO exporter@'%';
SQL

MYSQL_PWD=$(cat /secrets/database-root)
export MYSQL_PWD
mariadb --host=database --user=root </tmp/schemas.sql
echo "the schemas are there"
