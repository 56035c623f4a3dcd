"""Shared by the API, the sweep, the command line and the workers; imports neither `app` nor `workers`."""
