"""Manifests: from bytes to checked entries with safe names and paths. Pure: no I/O, imports only `errors`.

The service, the stores and the workers import it.
"""
