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

# Users and groups of the containers: compose gives each service of ours its own.
gateway=10001
account=10002
money=10003
services=10000
database=999
redis=999

echo "k1:$(head -c 32 /dev/urandom | base64)" | keep identity-keys "0:$services"
random | keep database-root "$database:$database"
for user in account account_owner money money_owner exporter; do
    random | keep "database-$user" "$database:$database"
done
for service in account money; do
    eval "group=\$$service"
    url="mysql://$service:$(cat database-$service)@database:3306/my_pay_$service"
    echo "$url" | keep "$service-database-url" "0:$group"
    url="mysql://${service}_owner:$(cat database-${service}_owner)@database:3306/my_pay_$service"
    echo "$url" | keep "$service-migration-url" "0:$group"
done
cat <<CNF | keep exporter.cnf "0:65534"
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
echo "{\"redis://redis:6379\": \"$(cat redis-password)\"}" | keep redis-exporter.json "0:65534"
random | keep grafana-password 472:0
# Folders can be entered; what is in them is guarded one by one.
chmod 755 /secrets
echo "the secrets are there"
