"""What only the containers of docker-compose.yml and compose.production.yml run."""
