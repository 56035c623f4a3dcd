"""The worker process, `python -m workers`: stages files from the archive and bundles them. Never imports `app`."""
