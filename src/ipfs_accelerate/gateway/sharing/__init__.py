"""Several callers, one request: joined batches, single flight and the cache.

Nothing here changes what a caller gets, except that ``record`` says so.
"""
