"""The sets of figures that a report shows, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]
"""The figures of one set, as `adaqueue evaluate --json` writes them."""

BINARY, REAL, ROUTING = "binary", "real", "routing"
PREFERRED_BUDGETS = ("4", "0.5")


def sets_of(data: Figures) -> dict[str, Figures]:
    """Returns each set's figures by its name, from the figures of one set or of several."""
    if "sets" in data:
        return dict(data["sets"])
    file = (data.get("source") or {}).get("file")
    return {Path(file).name if file else str(data.get("domain") or "recorded outcomes"): data}


def kind_of(figures: Figures) -> str:
    """Returns whether rewards are verdicts (binary), grades (real), or of two decoders (routing)."""
    if "kind" in figures:
        return str(figures["kind"])
    policies = figures.get("policies", {})
    if "random" in policies:
        return ROUTING
    return BINARY if "uniform_early_stop" in policies else REAL


def budgets_of(figures: Figures) -> list[str]:
    """Returns the average budgets, or shares of strong calls, in the order given."""
    return list(next(iter(figures.get("policies", {}).values()), {}))


def headline_budget(figures: Figures) -> str:
    """Returns the budget that the headline is about, the same for every set that has it."""
    budgets = budgets_of(figures)
    for preferred in PREFERRED_BUDGETS:
        if preferred in budgets:
            return preferred
    return budgets[len(budgets) // 2]
