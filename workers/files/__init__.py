"""Files on the volume: their names, hashes, checksums and the space they take. Knows no rows."""
