"""Figures that the documentation claims, each printed as a table by `python -m benchmarks.NAME`."""
