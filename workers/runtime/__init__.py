"""Running jobs: receiving, leases, heartbeats, thread pools. Knows carts only by id; handlers are passed in."""
