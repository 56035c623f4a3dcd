"""Runs docker-compose.yml in podman; only `make test-compose` runs these tests."""
