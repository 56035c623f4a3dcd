#!/bin/sh
# Restores a backup into an empty site: `make restore FROM=site/backups/...`. It stops API, workers and sweep, replaces the
# database and adds the saved bundles; after an interruption, run it again, with REPLACE=1. Ready carts without a bundle expire
# or are deleted: their owners can post them again.
set -eu
cd "$(dirname "$0")/../.."
compose=${COMPOSE:-docker compose}
from=${FROM:?FROM must be the folder of a backup}
[ -f "$from/SHA256SUMS" ] || { echo "$from is not a whole backup" >&2; exit 1; }
(cd "$from" && sha256sum --quiet -c SHA256SUMS)

command() { # command NAME...: pacifica-cartd-cmd, as the operator
    # shellcheck disable=SC2086 # $compose is several words
    $compose exec -T operator pacifica-cartd-cmd "$@"
}
sql() { # sql [DATABASE]: executes stdin
    # shellcheck disable=SC2086,SC2016
    $compose exec -T database sh -c 'MYSQL_PWD=$(cat /run/secrets/database_root) exec mariadb --no-defaults \
        --socket=/run/mysqld/mysqld.sock --user=root "$@"' sh "$@"
}

if [ -z "${REPLACE:-}" ]; then
    # No answer is not "no carts".
    carts=$(echo 'SELECT COUNT(*) FROM carts' | sql -N pacifica_cartd) || {
        echo "The database does not say whether this site has carts, and nothing was changed. Try again when the site" \
            "has started. After an interrupted restore: REPLACE=1." >&2
        exit 1
    }
    if [ "$carts" != 0 ]; then
        echo "This site has $carts carts. REPLACE=1 replaces them by those of the backup." >&2
        exit 1
    fi
fi

trap '[ $? = 0 ] || echo "The restore did not end well, and API, workers and sweep are stopped. Run it again, with REPLACE=1." >&2' EXIT
# shellcheck disable=SC2086
$compose stop api workers sweep
echo 'DROP DATABASE IF EXISTS pacifica_cartd; CREATE DATABASE pacifica_cartd;' | sql
gzip -dc "$from/database.sql.gz" | sql pacifica_cartd
command dbsync
command dbrestored
if [ -f "$from/bundles.tar" ]; then
    # shellcheck disable=SC2086
    $compose exec -T operator python3 -m infra.compose.bundle_copies load <"$from/bundles.tar"
fi
# shellcheck disable=SC2086
$compose exec -T operator python3 -m infra.compose.after_restore
# shellcheck disable=SC2086
$compose start api workers sweep
