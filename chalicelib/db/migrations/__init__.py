"""Numbered migrations: each a module `mNNNN_name` with `statements(dialect) -> list[str]`. `db.schema` applies them.

MySQL commits every DDL statement by itself, so each statement must be repeatable after a crash: IF NOT EXISTS, or a
change that the runner checks first. Old code runs on a newer schema, so a migration only adds. Imports nothing of ours.
"""
