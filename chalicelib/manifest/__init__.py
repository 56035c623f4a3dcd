"""Manifests: from bytes to checked entries with safe names and paths. Pure: no I/O, imports only `errors`.

`reader` is the one way in, for a request's body and for an upload. The service, the stores and the workers import it.
"""
