"""One store per table, the only code that writes it; jobs have two, one for workers and one for the sweep.

`endings`, the sweep, the service, the API and the workers import it.
"""
