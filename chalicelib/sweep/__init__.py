"""The periodic repair of what crashes leave behind: one file per repair, and `sweep`, which runs them all.

Imports the stores, `endings` and `aws`; the wiring imports it.
"""
