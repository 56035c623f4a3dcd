"""One store per table, the only code that writes it. `progress`, `cart_survey` and `audit_log` only read.

Jobs have three stores: what workers do, who is next, what the sweep sends. Carts have three: their life, what they
count for in their owner's usage, and what is left of them. Audit records have two: what was done, and what the sweep
seals and deletes. `limit_messages` words what `owner_usage` refuses.

`endings`, the sweep, `posting`, the service, the API, the workers and the operator's commands import it.
"""
