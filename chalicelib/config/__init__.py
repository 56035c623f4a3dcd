"""Settings from the environment: parsing, container links, log format. Imports only `errors`; anyone may import it."""
