"""Running jobs: receiving, leases, heartbeats, thread pools. Knows no carts: handlers are passed in.

Imports `chalicelib.stores.jobs` and `chalicelib.aws.job_queue`; everything above may import it.
"""
