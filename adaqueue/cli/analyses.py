"""The analyses of `evaluate` as JSON holds them: average budgets and limits as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from adaqueue.core.evaluation import Evaluation, Predictor, Tranche
from adaqueue.core.optimism import Optimism, Pair
from adaqueue.core.replays import Needed, Reached
from adaqueue.core.transfer import Transfer
from adaqueue.core.usage import ERRORS, Errors, Usage


def analyses(found: Evaluation) -> dict[str, Any]:
    """Returns what is known of a set beyond rewards and savings; a key is absent where it has no meaning."""
    data: dict[str, Any] = {"distribution": _without_none(asdict(found.distribution))}
    if found.predictions is not None:
        data["calibration"] = [asdict(own) for own in found.predictions.calibration]
        data["points"] = [list(point) for point in found.predictions.points]
    if found.usage:
        data |= _usage(found.usage)
    if found.tranches:
        data["tranches"] = {name: _tranche(own) for name, own in found.tranches.items()}
    return data


def _tranche(found: Tranche) -> dict[str, Any]:
    return {
        "queries": found.queries,
        "chosen_on": found.chosen_on,
        "policies": rewards(found.policies),
        "equal_reward_budget": shares(found.needed),
    }


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


def transfer(found: Transfer) -> dict[str, Any]:
    """Returns the figures of what was fitted on other sets."""
    return {
        "from": list(found.sources),
        "queries": found.queries,
        "left_out": found.left_out,
        "policies": rewards(found.policies),
        "equal_reward_budget": shares(found.needed),
        "predictor": None if found.predictor is None else quality(found.predictor),
    }


def optimism(found: Optimism) -> dict[str, Any]:
    """Returns honest figures beside careless ones, and on how many queries the careless probe was fitted."""

    def pairs(rows: Mapping[str, Mapping[int, Pair]]) -> dict[str, Any]:
        return {name: {str(b): asdict(pair) for b, pair in row.items()} for name, row in rows.items()}

    return {
        "fitted_on": found.fitted,
        "policies": pairs(found.rewards),
        "equal_reward_budget": pairs(found.shares),
    }


def rewards(rows: Mapping[str, Mapping[int, Reached]]) -> dict[str, Any]:
    """Returns rewards with their intervals, by policy and average budget."""
    return {name: {str(b): asdict(cell) for b, cell in row.items()} for name, row in rows.items()}


def shares(rows: Mapping[str, Mapping[int, Needed]]) -> dict[str, dict[str, float | None]]:
    """Returns shares of uniform's samples, by policy and average budget."""
    return {name: {str(b): cell.share for b, cell in row.items()} for name, row in rows.items()}


def quality(predictor: Predictor) -> dict[str, float | None]:
    """Returns a probe's figures; None for what has no meaning."""
    return {name: value if math.isfinite(value) else None for name, value in asdict(predictor).items()}
