"""The benchmark: the cart beside its peer and beside the floor. `python -m bench --help` says how."""
