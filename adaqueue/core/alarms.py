"""Which of a night's figures are out of the bounds that its suite gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from adaqueue.core.suites import Alarms, Limit

ROUTING = "routing"
"""Kind of a set of two decoders."""

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
    what = "random routing's strong calls" if data.get("kind") == ROUTING else "uniform's samples"
    for limit in limits:
        row, key = (data.get("equal_reward_budget") or {}).get(limit.policy, {}), _key(data, limit)
        share = row.get(key)
        if share is None or share > limit.bound:
            missing = "more than was drawn" if key in row else "nobody knows how many"
            told = missing if share is None else f"{share:.0%}"
            where = f"{limit.policy} needs {told} of {what} at B={key}"
            yield f"{where}, at most {limit.bound:.0%} is allowed"


def _smallest(limits: Sequence[Limit], data: Mapping[str, Any], read: Read, what: str) -> Iterator[str]:
    for limit in limits:
        value = read(data, limit)
        if value is None or value < limit.bound:
            told = "nothing that was measured" if value is None else f"{value:.3f}"
            where = f"{limit.policy} has {what} {told} at B={_key(data, limit)}"
            yield f"{where}, at least {limit.bound:g} is asked for"


def _reward(data: Mapping[str, Any], limit: Limit) -> float | None:
    """The reward on the draws that score; of what they do not tell, as of chats, that of the live run."""
    reward = _cell(data, "policies", limit).get("reward")
    return _cell(data, "live", limit).get("reward") if reward is None else reward


def _success(data: Mapping[str, Any], limit: Limit) -> float | None:
    return _cell(data, "live", limit).get("success")


def _cell(data: Mapping[str, Any], where: str, limit: Limit) -> Mapping[str, Any]:
    return (data.get(where) or {}).get(limit.policy, {}).get(_key(data, limit)) or {}


def _key(data: Mapping[str, Any], limit: Limit) -> str:
    """The budget as the set's figures name it: a share of calls, or a number of samples."""
    return str(float(limit.budget)) if data.get("kind") == ROUTING else f"{limit.budget:g}"
