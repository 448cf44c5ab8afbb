"""Tests against the real parts: Postgres, Redis, Celery and the small model."""
