"""From the archive to the volume: reserve space, look up metadata, pull, verify, retry, evict, release."""
