"""Delivers what is in the outbox: webhooks, mail, SNS and EventBridge. Only workers have a way out, so only they do it.

workers.graph imports it.
"""
