#!/bin/sh
# Checks only that a client can connect; the official image's script has more checks.
exec mariadb-admin --no-defaults -uhealthcheck ping
