#!/bin/sh
# The official image's has more to check; this one answers for what a client needs.
exec mariadb-admin -u"$MYSQL_USER" -p"$MYSQL_PASSWORD" ping
