#!/bin/sh
# A schema for each service, with one user who serves and one who may change it, and a user who
# reads statistics. What is there already stays, except that passwords become what they are in the
# volume `secrets`.
set -eu

password() {
    cat "/secrets/database-$1"
}

MYSQL_PWD=$(password root)
export MYSQL_PWD

# user NAME [CONNECTIONS]: says in SQL that there is such a user.
user() {
    echo "CREATE USER IF NOT EXISTS $1@'%';"
    echo "ALTER USER $1@'%' IDENTIFIED BY '$(password "$1")' WITH MAX_USER_CONNECTIONS ${2-0};"
}

{
    for service in account money; do
        echo "CREATE DATABASE IF NOT EXISTS my_pay_$service;"
        user "$service"
        user "${service}_owner"
        echo "GRANT ALL ON my_pay_$service.* TO ${service}_owner@'%';"
    done
    echo "GRANT SELECT, INSERT, UPDATE, DELETE ON my_pay_account.* TO account@'%';"
    echo "GRANT SELECT, INSERT, UPDATE ON my_pay_money.* TO money@'%';"
    user exporter 3
    echo "GRANT PROCESS, REPLICATION CLIENT, SLAVE MONITOR ON *.* TO exporter@'%';"
    echo "GRANT SELECT ON performance_schema.* TO exporter@'%';"
} | mariadb --host=database --user=root
echo "the schemas are there"
