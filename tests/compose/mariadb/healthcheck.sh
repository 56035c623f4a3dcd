#!/bin/sh
# Checks only that a client can connect; the official image's script has more checks.
exec mariadb-admin -u"$MYSQL_USER" -p"$MYSQL_PASSWORD" ping
