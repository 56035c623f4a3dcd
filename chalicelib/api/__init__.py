"""HTTP: building responses, and serving them. Knows the use cases by their results only.

Imports `service` and `stores`; `app` and `wsgi` import it.
"""
