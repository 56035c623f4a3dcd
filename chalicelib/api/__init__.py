"""HTTP: responses, the WSGI adapter and the server's worker class. Knows the use cases by their results only.

Imports `service` and `stores`; `app` and `wsgi` import it.
"""
