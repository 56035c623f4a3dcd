"""The supervisor's message when the system is up: its URL and a cart to try."""

from __future__ import annotations

from pathlib import Path

TRY = """\
ready: {url}

To try it, paste into another shell:

MY_CART_UUID=$(uuidgen 2>/dev/null || python3 -c 'import uuid; print(uuid.uuid4())')
cat > /tmp/foo.json <<'EOF'
{{
  "fileids": [
    {{"id":"foo.txt", "path":"1/2/3/foo.txt", "hashtype":"md5", "hashsum":""}},
    {{"id":"bar.csv", "path":"1/2/3/bar.csv", "hashtype":"md5", "hashsum":""}},
    {{"id":"baz.ini", "path":"2/3/4/baz.ini", "hashtype":"md5", "hashsum":""}}
  ]
}}
EOF
curl -X POST --upload-file /tmp/foo.json {url}$MY_CART_UUID
until curl -s -I -X HEAD {url}$MY_CART_UUID | grep -i 'x-pacifica-status: \\(ready\\|error\\)'; do sleep 1; done
curl -L -O -J "{url}$MY_CART_UUID?filename=my_cart.tar"
tar tvf my_cart.tar
curl -X DELETE {url}$MY_CART_UUID

Logs are in {log}. Ctrl-C stops the system.
"""


def banner(url: str, log: Path) -> str:
    return TRY.format(url=url, log=log)
