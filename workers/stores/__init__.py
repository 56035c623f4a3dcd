"""The worker-only tables: windows, recalls, staged files and the space account. Imports `chalicelib.stores`, `files`.

Staging, bundling and the handlers import it.
"""
