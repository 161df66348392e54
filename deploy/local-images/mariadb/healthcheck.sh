#!/usr/bin/env bash
# The health check of the official image, as far as this project uses it.
set -euo pipefail
# A connection over TCP is taken only after the first start is over; that nobody is let in is an
# answer.
answer=$(mariadb --protocol=tcp --host=127.0.0.1 --user=nobody -e "SELECT 1" 2>&1) || true
[[ $answer == *"Access denied"* ]]
