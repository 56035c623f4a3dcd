"""The supervisor's message when the system is up: its URL and a cart to try."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

TRY = """\
ready: {url}

To try it, paste into another shell:

{login}\
MY_CART_UUID=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen || python3 -c 'import uuid; print(uuid.uuid4())')
cat > /tmp/foo.json <<'EOF'
{{
  "fileids": [
    {{"id":"foo.txt", "path":"1/2/3/foo.txt", "hashtype":"md5", "hashsum":""}},
    {{"id":"bar.csv", "path":"1/2/3/bar.csv", "hashtype":"md5", "hashsum":""}},
    {{"id":"baz.ini", "path":"2/3/4/baz.ini", "hashtype":"md5", "hashsum":""}}
  ]
}}
EOF
curl {head}-X POST --upload-file /tmp/foo.json "{url}${{MY_CART_UUID:?}}"
while [ "$(curl {head}-s -o /dev/null -w '%{{http_code}}' "{url}${{MY_CART_UUID:?}}?wait=20")" = 202 ]; do sleep 1; done
curl {head}-fL -C - -o "$MY_CART_UUID.tar" "{url}${{MY_CART_UUID:?}}"
tar tvf "$MY_CART_UUID.tar"
curl {head}-X DELETE "{url}${{MY_CART_UUID:?}}"

The job queue is {queue}. Logs are in {log}. Ctrl-C stops the system.
"""


#: The login is in a file, because other users of the machine see command lines.
MAKE_TOKEN = """\
(umask 077; {database}{command} tokens add --owner "${{USER:-me}}" | sed 's/^/Authorization: Bearer /' > cart-login)
"""
GIVE_TOKEN = """\
(umask 077; printf 'Authorization: Bearer %s\\n' "${{CART_TOKEN:?}}" > cart-login)
"""


def banner(url: str, log: Path, auth: str = "none", sqlite: str | None = None, queue: str = "SQS") -> str:
    """`auth`: the setting AUTH. `sqlite`: the database's file, None for one that the caller's variables name.

    `queue`: in words.
    """
    if auth == "none":
        return TRY.format(url=url, log=log, queue=queue, login="", head="")
    database = f"SQLITE_PATH={shlex.quote(sqlite)} " if sqlite else ""
    command = shlex.quote(str(Path(sys.executable).parent / "pacifica-cartd-cmd"))
    login = (MAKE_TOKEN if "token" in auth else GIVE_TOKEN).format(database=database, command=command)
    return TRY.format(url=url, log=log, queue=queue, login=login, head="-H @cart-login ")
