"""Who is asking: from a request's credentials to a Caller. `decision` is where to begin. Knows no routes; `api` and
`wiring` import it. Only logins by JWT import jwt and requests, at the first one.
"""
