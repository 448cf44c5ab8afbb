"""Tests of adapters share one database, emptied before each."""

from tests.kept import database, kept_database, kept_database_url  # noqa: F401 - pytest finds them here
