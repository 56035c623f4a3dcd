"""Whom to tell that a cart has ended: what a cart's row records of it, and which addresses a webhook may have. Pure.

The API, the stores and the workers import it.
"""
