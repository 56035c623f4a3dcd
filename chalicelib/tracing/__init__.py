"""Traces: a cart is one trace from its POST to its end, sent to a collector by OpenTelemetry, if the settings say so.

OpenTelemetry is imported only then, and only by collector.py.
"""
