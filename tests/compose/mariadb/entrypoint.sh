#!/bin/sh
# Initializes an empty data folder like the official image: system tables, root's password, the database and its user.
set -eu
data=/var/lib/mysql
serve="mariadbd --no-defaults --user=mysql --datadir=$data --socket=/run/mysqld/mysqld.sock"

if [ ! -d "$data/mysql" ]; then
    chown mysql:mysql "$data"
    mariadb-install-db --no-defaults --user=mysql --datadir="$data" --auth-root-authentication-method=normal \
        --skip-test-db >/dev/null
    $serve --bootstrap >/dev/null 2>&1 <<SQL
FLUSH PRIVILEGES;
CREATE DATABASE \`$MYSQL_DATABASE\`;
CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD';
GRANT ALL ON \`$MYSQL_DATABASE\`.* TO '$MYSQL_USER'@'%';
ALTER USER 'root'@'localhost' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';
SQL
fi
# shellcheck disable=SC2086 # word splitting is intended
exec $serve --port=3306 --bind-address=0.0.0.0
