"""Manifests: from bytes to checked entries, and which names and paths are safe. Pure: no I/O, imports only `errors`.

The service, the stores and the workers import it.
"""
