"""In-memory doubles of what the worker's classes take: stores, queue, bundle store, archive.

The contract tests in tests/contracts hold each of them to the real one. A double has what workers call, no more.
"""
