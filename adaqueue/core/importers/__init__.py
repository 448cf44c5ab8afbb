"""Published data sets of programming tasks, record by record, as rows of code queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from adaqueue.core.importers import apps, humaneval, livecodebench, mbpp

__all__ = ["FORMATS", "Importer"]

Importer = Callable[[Mapping[str, Any], int], dict[str, Any]]
"""Makes a row of a record and its number in the file; raises BadQueryError, naming field and remedy."""

FORMATS: Mapping[str, Importer] = {
    "humaneval": humaneval.query_row,
    "mbpp": mbpp.query_row,
    "apps": apps.apps_row,
    "taco": apps.taco_row,
    "livecodebench": livecodebench.query_row,
}
