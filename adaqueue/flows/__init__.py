"""The steps of a query's life as straight-line use cases over ports."""
