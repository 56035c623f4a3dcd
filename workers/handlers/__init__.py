"""One file per kind of job. A handler returns what happens to its job next. Imports everything but `wiring`."""
