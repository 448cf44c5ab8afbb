"""Tests of adapters share one database, emptied before each."""

from tests import kept

kept_database_url, kept_database, database = kept.kept_database_url, kept.kept_database, kept.database
