# Sourced by the scripts beside it, in the root of the repository.

site_folder() { # the folder of passwords, certificates and backups: the variable SITE, or the line in .env, as for compose
    if [ -z "${SITE:-}" ] && [ -f "${ENV_FILE:-.env}" ]; then
        SITE=$(sed -n "s/^SITE=[\"']\{0,1\}\([^\"']*\)[\"']\{0,1\}\$/\1/p" "${ENV_FILE:-.env}" | tail -n 1)
    fi
    echo "${SITE:-./site}"
}
