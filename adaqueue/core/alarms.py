"""Which of a night's figures are out of the bounds that its suite gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from adaqueue.core.suites import Alarms, Limit

Read = Callable[[Mapping[str, Any], Limit], float | None]


def alarms_of(sets: Mapping[str, Mapping[str, Any]], alarms: Alarms) -> list[str]:
    """Returns what is wrong, in words; empty: nothing.

    A figure that a bound names and that a set does not have is an alarm too: a bound that nobody checks is
    worse than none.

    Args:
        sets: figures by file.
        alarms: the bounds.
    """
    found = []
    for name, data in sets.items():
        if "error" in data:
            found.append(f"{name}: not measured: {data['error']}")
            continue
        found += [f"{name}: {words}" for words in _of_set(data, alarms)]
    return found


def _of_set(data: Mapping[str, Any], alarms: Alarms) -> Iterator[str]:
    yield from _largest(alarms.max_equal_reward_budget, data)
    yield from _smallest(alarms.min_reward, data, _reward, "a reward of")
    yield from _smallest(alarms.min_success, data, _success, "success on")
    ece = (data.get("predictor") or {}).get("ece")
    if alarms.max_ece is not None and (ece is None or ece > alarms.max_ece):
        told = "is not known" if ece is None else f"is {ece:.3f}"
        yield f"the probe's calibration error {told}, at most {alarms.max_ece:g} is allowed"


def _largest(limits: Sequence[Limit], data: Mapping[str, Any]) -> Iterator[str]:
    for limit in limits:
        row = (data.get("equal_reward_budget") or {}).get(limit.policy, {})
        share = row.get(str(limit.budget))
        if share is None or share > limit.bound:
            missing = "more than was drawn" if str(limit.budget) in row else "nobody knows how many"
            told = missing if share is None else f"{share:.0%}"
            where = f"{limit.policy} needs {told} of uniform's samples at B={limit.budget}"
            yield f"{where}, at most {limit.bound:.0%} is allowed"


def _smallest(limits: Sequence[Limit], data: Mapping[str, Any], read: Read, what: str) -> Iterator[str]:
    for limit in limits:
        value = read(data, limit)
        if value is None or value < limit.bound:
            told = "nothing that was measured" if value is None else f"{value:.3f}"
            where = f"{limit.policy} has {what} {told} at B={limit.budget}"
            yield f"{where}, at least {limit.bound:g} is asked for"


def _reward(data: Mapping[str, Any], limit: Limit) -> float | None:
    cell = (data.get("policies") or {}).get(limit.policy, {}).get(str(limit.budget))
    return None if cell is None else float(cell["reward"])


def _success(data: Mapping[str, Any], limit: Limit) -> float | None:
    cell = (data.get("live") or {}).get(limit.policy, {}).get(str(limit.budget))
    return None if cell is None else float(cell["success"])
