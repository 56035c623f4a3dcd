"""Client of the archive interface, over libcurl: metadata, recalls, file contents. Knows no carts and no volume."""
