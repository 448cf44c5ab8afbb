"""A place for systems of a test module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.live import passable_folder


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A temporary folder; whatever still runs in it at the end is killed."""
    with passable_folder() as folder:
        yield folder
