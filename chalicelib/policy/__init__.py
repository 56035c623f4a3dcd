"""Who may read which files: asks the site's service, or reads its file of groups. `posting`, `cart_views`, workers ask.

`policy.py` is what every policy answers, `asking.py` how a cart's files are asked about in bulk; the rights beside them
say when, at a POST and at a download. workers/staging/reading_rights.py says it for the workers.
"""
