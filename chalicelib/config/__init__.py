"""Settings from the environment: parsing, secrets in files, container links; the log's format, without secrets.

Imports only `errors`; anyone may import it.
"""
