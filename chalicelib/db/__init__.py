"""The database connection, the models and the migrations. Only stores import the models.

Imports `config` and `errors`; the stores, the sweep and the wiring import it.
"""
