"""One store per table: the only code that reads or writes it. Imports `db` and `manifest`.

The service, the sweep, the API and the workers import it.
"""
