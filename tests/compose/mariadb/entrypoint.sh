#!/bin/sh
# Initializes an empty data folder like the official image: system tables, root's password, the database and its user.
set -eu
data=/var/lib/mysql
serve="mariadbd --no-defaults --user=mysql --datadir=$data --socket=/run/mysqld/mysqld.sock"

# The newer names, and passwords in files.
[ -z "${MARIADB_ROOT_PASSWORD_FILE:-}" ] || MYSQL_ROOT_PASSWORD=$(cat "$MARIADB_ROOT_PASSWORD_FILE")
MYSQL_DATABASE=${MYSQL_DATABASE:-$MARIADB_DATABASE}

if [ ! -d "$data/mysql" ]; then
    [ "$(id -u)" != 0 ] || chown mysql:mysql "$data"
    mariadb-install-db --no-defaults --user=mysql --datadir="$data" --auth-root-authentication-method=normal \
        --skip-test-db >/dev/null
    {
        echo "FLUSH PRIVILEGES;"
        echo "CREATE DATABASE \`$MYSQL_DATABASE\`;"
        [ -z "${MYSQL_USER:-}" ] || echo "CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD';
            GRANT ALL ON \`$MYSQL_DATABASE\`.* TO '$MYSQL_USER'@'%';"
        echo "CREATE USER 'root'@'%' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';
            GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;
            CREATE USER 'healthcheck'@'localhost';
            ALTER USER 'root'@'localhost' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';"
    } | $serve --bootstrap >/dev/null 2>&1
fi
# shellcheck disable=SC2086 # word splitting is intended
exec $serve --port=3306 --bind-address=0.0.0.0 "$@"
