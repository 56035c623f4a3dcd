"""HTTP: requests and answers, the ASGI and WSGI applications over the routes. Formats results of use cases; calls none.

Imports `service`, `stores` and, to prepare a server, `db`; `app`, `asgi` and `wsgi` import it.
"""
