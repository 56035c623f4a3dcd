"""The database connection, the models and the migrations. Only stores import the models.

Imports `config` and `errors`; the stores, the sweep, the service and the wiring import it.
"""
