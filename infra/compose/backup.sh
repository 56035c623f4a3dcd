#!/bin/sh
# Backs up a running site: `make backup`. The database is dumped in one transaction; nothing stops meanwhile. With BUNDLES=1
# the bundles are saved too. The folder has its final name only when it is whole, and none is left otherwise. Prints the
# folder.
set -eu
umask 077
cd "$(dirname "$0")/../.."
compose=${COMPOSE:-docker compose}
. infra/compose/site_folder.sh
backups=$(site_folder)/backups
mkdir -p "$backups"
exec 9>"$backups/.lock"
flock -n 9 || { echo "another backup is being made" >&2; exit 1; }
rm -rf "$backups"/*.part # of a backup that was killed
folder=$backups/$(date -u +%Y%m%dT%H%M%SZ)
part=$folder.part
trap 'rm -rf "$part"' EXIT # when the disk is full, for example
trap 'exit 1' HUP INT TERM
mkdir "$part"

# shellcheck disable=SC2086 # $compose is several words
$compose exec -T database sh -c 'MYSQL_PWD=$(cat /run/secrets/database_root) exec mariadb-dump --no-defaults \
    --socket=/run/mysqld/mysqld.sock --user=root --single-transaction --quick --hex-blob --skip-lock-tables \
    "$MARIADB_DATABASE"' | gzip >"$part/database.sql.gz"
# A pipe hides the dump's failure, but only a whole dump ends with this line.
gzip -dc "$part/database.sql.gz" | tail -n 1 | grep -q '^-- Dump completed' || {
    echo "the database was not dumped as a whole" >&2
    exit 1
}
# After the dump: each bundle that it calls ready is in the store, unless it has been deleted since.
if [ -n "${BUNDLES:-}" ]; then
    # shellcheck disable=SC2086
    $compose exec -T operator python3 -m infra.compose.bundle_copies save >"$part/bundles.tar"
fi
(cd "$part" && sha256sum -- * >SHA256SUMS)
sync
mv -T "$part" "$folder"
echo "$folder"
