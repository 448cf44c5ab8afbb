"""Figures of one night against those of the nights before: what became worse, what better, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import hypot, sqrt
from typing import Any

from adaqueue.core.suites import Measured

SURE = 2.58
"""Standard errors of a difference that is no chance: 99%. Every night has many figures."""

WIDTH = 2 * 1.96
"""Standard errors in a 95% interval."""

UNIFORM = "uniform"
LOWER = "lower"
HIGHER = "higher"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a night.

    Attributes:
        words: says it in a sentence, with `{}` for its value.
        value: None: not reached.
        error: its standard error from night to night; 0 where the same samples are replayed again.
        better: `lower` or `higher`.
        is_share: whether it is told in percent.
    """

    words: str
    value: float | None
    error: float
    better: str
    is_share: bool = True

    def told(self, value: float | None) -> str:
        """Returns a value in words."""
        if value is None:
            return "more than was drawn"
        return f"{value:.0%}" if self.is_share else f"{value:.3f}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A figure that changed, by more than chance and tolerance.

    Attributes:
        suite: and its file, where it has several.
        figure: its name.
        before: mean of the last nights; None: not reached.
        now: tonight's; None: not reached.
        low: low end of the 95% interval of the difference; None where one of both was not reached.
        high: its high end.
        is_regression: whether it became worse; else better.
        words: all of it in a sentence, with what else changed.
    """

    suite: str
    figure: str
    before: float | None
    now: float | None
    low: float | None
    high: float | None
    is_regression: bool
    words: str


def compared(
    suite: str, policies: Sequence[str], tonight: Measured, nights: Sequence[Measured], tolerance: float
) -> list[Comparison]:
    """Returns what changed against the mean of the last nights, regressions first.

    A change counts if it is larger than the tolerance, and than chance: 2.58 standard errors of the
    difference, those of tonight and of the mean combined.

    Args:
        suite: its name.
        policies: that are watched.
        tonight: what was measured.
        nights: the last ones on the same data and settings, the newest first; may be empty.
        tolerance: see `Alarms.regression`.
    """
    if not nights:
        return []
    cause = changes(nights[0].about, tonight.about)
    found = []
    for name, data in tonight.sets.items():
        where = suite if len(tonight.sets) == 1 else f"{suite}/{name}"
        earlier = [figures(night.sets.get(name, {}), policies) for night in nights]
        for key, figure in figures(data, policies).items():
            known = [night[key] for night in earlier if key in night]
            change = _change(figure, known, tolerance) if known else None
            if change is not None:
                found.append(_told(where, key, figure, change, cause))
    return sorted(found, key=lambda one: not one.is_regression)


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Returns what was not the same before, in words."""
    found = [
        f"{what} changed from {before.get(what, 'none')} to {now.get(what, 'none')}"
        for what in {**before, **now}
        if before.get(what) != now.get(what)
    ]
    return "; ".join(found) or "neither the probe in use nor the model nor a version changed"


def figures(data: Mapping[str, Any], policies: Sequence[str]) -> dict[str, Figure]:
    """Returns the figures of a set that are compared, by name.

    Args:
        data: as `adaqueue evaluate --json` writes it, or a live set's.
        policies: that are watched; uniform's reward always is.
    """
    is_live = "live" in data
    found: dict[str, Figure] = {}
    for policy in dict.fromkeys((UNIFORM, *policies)):
        found.update(_shares(data, policy, is_live))
        found.update(_means(data, policy, is_live))
    predictor = data.get("predictor") or {}
    for name in ("loss", "ece"):
        if predictor.get(name) is not None:
            words = f"the probe's {'calibration error' if name == 'ece' else name} is {{}}"
            error = _error(predictor, f"{name}_low", f"{name}_high") if is_live else 0.0
            found[f"predictor {name}"] = Figure(words, predictor[name], error, LOWER, is_share=False)
    return found


def _shares(data: Mapping[str, Any], policy: str, is_live: bool) -> Iterator[tuple[str, Figure]]:
    if policy == UNIFORM:
        return
    details = (data.get("equal_reward_details") or {}).get(policy, {})
    for budget, share in (data.get("equal_reward_budget") or {}).get(policy, {}).items():
        detail = details.get(budget, {})
        of_splits = (detail.get("deviation") or 0.0) / sqrt(max(data.get("seeds") or 1, 1))
        error = _error(detail, "low", "high") if is_live else of_splits
        words = f"{policy} needs {{}} of uniform's samples at B={budget}"
        yield f"equal reward {policy} B={budget}", Figure(words, share, error, LOWER)


def _means(data: Mapping[str, Any], policy: str, is_live: bool) -> Iterator[tuple[str, Figure]]:
    for budget, cell in (data.get("policies") or {}).get(policy, {}).items():
        words = f"{policy} reaches a reward of {{}} at B={budget}"
        error = _error(cell, "low", "high") if is_live else 0.0
        yield f"reward {policy} B={budget}", Figure(words, cell["reward"], error, HIGHER, is_share=False)
    for budget, cell in (data.get("live") or {}).get(policy, {}).items():
        words = f"{policy} really solves {{}} of the queries at B={budget}"
        yield (
            f"success {policy} B={budget}",
            Figure(words, cell["success"], _error(cell, "low", "high"), HIGHER),
        )


def _error(cell: Mapping[str, Any], low: str, high: str) -> float:
    """Returns the standard error that a 95% interval tells; 0 without one: the tolerance alone decides."""
    least, most = cell.get(low), cell.get(high)
    return 0.0 if least is None or most is None else float((most - least) / WIDTH)


@dataclass(frozen=True, slots=True)
class _Change:
    before: float | None
    error: float
    is_regression: bool


def _change(figure: Figure, known: Sequence[Figure], tolerance: float) -> _Change | None:
    reached = [one for one in known if one.value is not None]
    if 2 * len(reached) <= len(known):
        return None if figure.value is None else _Change(None, 0.0, is_regression=False)
    before = sum(one.value or 0.0 for one in reached) / len(reached)
    if figure.value is None:
        return _Change(before, 0.0, is_regression=True)
    error = hypot(figure.error, sqrt(sum(one.error**2 for one in reached)) / len(reached))
    worse = (figure.value - before) * (1 if figure.better == LOWER else -1)
    if abs(worse) <= max(tolerance, SURE * error):
        return None
    return _Change(before, error, is_regression=worse > 0)


def _told(suite: str, key: str, figure: Figure, change: _Change, cause: str) -> Comparison:
    said = figure.words.format(figure.told(figure.value))
    words = f"{said}, {figure.told(change.before)} before"
    low = high = None
    if figure.value is not None and change.before is not None:
        apart = figure.value - change.before
        low, high = apart - WIDTH / 2 * change.error, apart + WIDTH / 2 * change.error
    return Comparison(
        suite, key, change.before, figure.value, low, high, change.is_regression, f"{words}; {cause}"
    )


def as_rows(found: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Returns comparisons as plain data that JSON can hold."""
    return [asdict(one) for one in found]
