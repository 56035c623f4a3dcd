#!/bin/sh
# The official image's has more to check; this one answers for what a client needs.
exec mariadb-admin --no-defaults --socket=/tmp/mysqld.sock -u"$MYSQL_USER" -p"$MYSQL_PASSWORD" ping
