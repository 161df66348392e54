#!/bin/sh
# Makes every secret of the stack, once: random passwords, the keys of identities, and the URLs that
# contain them, each readable by the one service that needs it. They live in the volume `secrets`
# and nowhere else; what is there already is left alone.
set -eu
cd /secrets
umask 077

random() {
    head -c 24 /dev/urandom | base64 | tr '+/' '-_'
}

# NAME OWNER: writes standard input to the file, unless it is there.
keep() {
    if [ -e "$1" ]; then
        cat >/dev/null
    else
        cat >"$1.new"
        chown "$2" "$1.new"
        chmod 440 "$1.new"
        mv "$1.new" "$1"
    fi
}

# Users of the containers, as docker-compose.yml names them; each is a group of its own, and the
# services have one in common.
services=10000
account=10002
money=10003
redis=10004
database_exporter=10005
redis_exporter=10006
migrate_account=10012
migrate_money=10013
# Those of the images.
database=999
grafana=472

# database_url USER SERVICE
database_url() {
    echo "mysql://$1:$(cat "database-$1")@database:3306/my_pay_$2"
}

echo "k1:$(head -c 32 /dev/urandom | base64)" | keep identity-keys "0:$services"
random | keep database-root "$database:0"
for user in account account_owner money money_owner exporter; do
    random | keep "database-$user" 0:0
done
database_url account account | keep account-database-url "0:$account"
database_url money money | keep money-database-url "0:$money"
database_url account_owner account | keep account-migration-url "0:$migrate_account"
database_url money_owner money | keep money-migration-url "0:$migrate_money"
cat <<CNF | keep exporter.cnf "0:$database_exporter"
[client]
host=database
port=3306
user=exporter
password=$(cat database-exporter)
CNF
random | keep redis-password "$redis:$redis"
# Everything in Redis may be lost, so nothing is written to disk.
cat <<CONF | keep redis.conf "$redis:$redis"
requirepass $(cat redis-password)
save ""
appendonly no
maxmemory 200mb
maxmemory-policy volatile-ttl
CONF
echo "redis://:$(cat redis-password)@redis:6379" | keep redis-url "0:$services"
echo "{\"redis://redis:6379\": \"$(cat redis-password)\"}" | keep redis-exporter.json "0:$redis_exporter"
random | keep grafana-password "$grafana:0"
# Folders can be entered; what is in them is guarded one by one.
chmod 755 /secrets
echo "the secrets are there"
