"""From the archive to the volume: reserve space, look up metadata, pull, verify. Imports `archive`, `files`, `stores`.

Bundling and the handlers import it.
"""
