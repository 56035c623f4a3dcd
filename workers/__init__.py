"""The container side: stages files from the archive onto the volume and bundles them into the store."""
