"""docker-compose.yml brought up for real, by podman; run by `make test-compose` alone."""
