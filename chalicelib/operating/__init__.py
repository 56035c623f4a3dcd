"""What an operator does: one class for each act, which the command line calls. An act may be repeated, or killed, at
any moment, while the service and its workers run.
"""
