#!/bin/sh
# Makes what compose.production.yml reads and is not in the repository: .env, and the folder site/ with random passwords.
# It changes nothing that exists, so it may be run again. Usage: sh infra/compose/new_site.sh CART_HOST STORE_HOST
set -eu
umask 077
[ $# = 2 ] || { sed -n 's/^# .*Usage: /usage: /p' "$0" >&2; exit 2; }
cd "$(dirname "$0")/../.."
. infra/compose/site_folder.sh
site=$(site_folder)
variables=${ENV_FILE:-.env}

random() { # 32 random bytes in hexadecimal
    od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n'
}
new() { # new FILE: writes stdin to FILE, unless it exists; it is there whole or not at all
    if [ -e "$1" ]; then cat >/dev/null; else cat >"$1.new" && mv "$1.new" "$1"; fi
}

mkdir -p "$site/secrets" "$site/tls" "$site/backups"
for process in root api workers sweep; do
    { random; echo; } | new "$site/secrets/database_$process"
done
printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "cart$(random | cut -c1-16)" "$(random)" |
    new "$site/secrets/store_key"
# Users in the containers read these files. Others on this machine cannot reach them: the folder is closed to them.
chmod 700 "$site" "$site/secrets" "$site/backups"
chmod 755 "$site/tls"
chmod 444 "$site"/secrets/*

new "$site/cart.env" <<'EOF'
# Other settings of the cart, one NAME=VALUE a line: docs/settings.md. Restart afterwards: docker compose up -d
EOF
new "$variables" <<EOF
COMPOSE_FILE=compose.production.yml
COMPOSE_PROJECT_NAME=cart
SITE=$site
CART_HOST=$1
STORE_HOST=$2
# How clients log in: token, oidc or "oidc,token" (docs/access.md). oidc needs OIDC_ISSUERS and OIDC_AUDIENCE in site/cart.env.
AUTH=token
# Your mail address for certificates by ACME; "/certs/cert.pem /certs/key.pem" for your own, which are then in site/tls.
TLS=
# The archive interface, as the workers' container reaches it: http://archive.example.org:8080/
ARCHIVE_INTERFACE_URL=
EOF
echo "Fill in TLS and ARCHIVE_INTERFACE_URL in $variables, then: docker compose up -d --build"
