"""The periodic repair of what crashes leave behind: one file per thing that is repaired.

Imports the stores and `aws`; the service and the wiring import it.
"""
