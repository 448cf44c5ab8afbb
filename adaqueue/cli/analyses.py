"""The analyses of `evaluate` as JSON holds them: average budgets and limits as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from adaqueue.core.evaluation import Evaluation
from adaqueue.core.usage import ERRORS, Errors, Usage


def analyses(found: Evaluation) -> dict[str, Any]:
    """Returns what is known of a set beyond rewards and savings; a key is absent where it has no meaning."""
    data: dict[str, Any] = {"distribution": _without_none(asdict(found.distribution))}
    if found.predictions is not None:
        data["calibration"] = [asdict(own) for own in found.predictions.calibration]
        data["points"] = [list(point) for point in found.predictions.points]
    if found.usage:
        data |= _usage(found.usage)
    return data


def _without_none(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}


def _usage(usage: Mapping[str, Mapping[int, Usage]]) -> dict[str, Any]:
    def each(value: Callable[[Usage], Any]) -> dict[str, dict[str, Any]]:
        return {name: {str(b): value(cell) for b, cell in row.items()} for name, row in usage.items()}

    known = any(cell.tokens is not None for row in usage.values() for cell in row.values())
    return {
        "tertiles": each(lambda cell: list(cell.thirds)),
        **({"tokens": each(lambda cell: cell.tokens)} if known else {}),
        "rounds": each(lambda cell: cell.rounds),
        "b_max": each(lambda cell: {str(limit): reward for limit, reward in cell.limited.items()}),
        "verifier_errors": [_erring(usage, errors) for errors in ERRORS],
    }


def _erring(usage: Mapping[str, Mapping[int, Usage]], errors: Errors) -> dict[str, Any]:
    answered, right = (
        {name: {str(b): cell.erring[errors][place] for b, cell in row.items()} for name, row in usage.items()}
        for place in range(2)
    )
    accepts, rejects = errors
    return {
        "false_accepts": accepts,
        "false_rejects": rejects,
        "policies": answered,
        "accepted_right": right,
    }
