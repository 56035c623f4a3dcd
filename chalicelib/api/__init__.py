"""HTTP: request bodies, responses, the WSGI adapter, gunicorn's worker. Formats results of use cases; calls none.

Imports `service` and `stores`; `app` and `wsgi` import it.
"""
