"""Files on the volume: their names, hashes, checksums and the space they take. Imports only `errors`.

The worker stores, staging and bundling import it.
"""
