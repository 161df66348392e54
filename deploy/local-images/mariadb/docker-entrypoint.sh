#!/usr/bin/env bash
# The first start of the official image, as far as this project uses it: an empty data folder gets
# root's password; later starts get nothing.
set -euo pipefail

if [[ ${1-} != mariadbd ]]; then exec "$@"; fi
shift
options=(--user=mysql --datadir=/var/lib/mysql --socket=/run/mysqld/mysqld.sock
    --pid-file=/run/mysqld/mysqld.pid --skip-name-resolve --bind-address=0.0.0.0 "$@")

wait_for_server() {
    local tries
    for ((tries = 0; tries < 600; tries++)); do
        if mariadb --socket=/run/mysqld/mysqld.sock -uroot -e "SELECT 1" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "error: the server does not start" >&2
    exit 1
}

# A first start that was cut off is begun again.
marker=/var/lib/mysql/.first-start
if [[ -e $marker ]]; then find /var/lib/mysql -mindepth 1 -delete; fi
if [[ ! -d /var/lib/mysql/mysql ]]; then
    touch "$marker"
    if [[ -n ${MARIADB_ROOT_PASSWORD_FILE-} ]]; then
        MARIADB_ROOT_PASSWORD=$(<"$MARIADB_ROOT_PASSWORD_FILE")
    fi
    : "${MARIADB_ROOT_PASSWORD:?a password for root is needed}"
    chown mysql:mysql /var/lib/mysql
    mariadb-install-db --user=mysql --datadir=/var/lib/mysql --skip-test-db \
        --auth-root-authentication-method=normal >/dev/null
    mariadbd "${options[@]}" --skip-networking &
    server=$!
    wait_for_server
    mariadb --socket=/run/mysqld/mysqld.sock -uroot <<SQL
DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost';
FLUSH PRIVILEGES;
CREATE USER root@'%' IDENTIFIED BY '$MARIADB_ROOT_PASSWORD';
GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
ALTER USER root@localhost IDENTIFIED BY '$MARIADB_ROOT_PASSWORD';
SQL
    kill -TERM "$server"
    wait "$server"
    rm "$marker"
fi
exec mariadbd "${options[@]}"
