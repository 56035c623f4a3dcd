"""The benchmark: compares the cart with its peer and with the floor. See `python -m bench --help`."""
