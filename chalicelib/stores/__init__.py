"""One store per table: the only code that writes it. Imports `db`, `manifest` and `job_message`.

`endings`, the sweep, the service, the API and the workers import it.
"""
