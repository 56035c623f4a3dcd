"""Runs the whole system on one machine, with stand-ins for AWS and the archive."""
