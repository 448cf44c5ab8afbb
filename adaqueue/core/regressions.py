"""Figures of one night against those of the nights before: what became worse, what better, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import hypot, sqrt
from typing import Any

import numpy as np

from adaqueue.core.marginal import FloatArray
from adaqueue.core.suites import Measured
from adaqueue.core.watched_figures import LOWER, WIDTH, Figure, figures

SURE = 2.58
"""Standard errors of a difference that is no chance: 99%. Every night has many figures."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A figure that changed, by more than chance and tolerance.

    Attributes:
        suite: and its file, where it has several.
        figure: its name.
        before: mean of the last nights; None: not reached.
        now: tonight's; None: not reached, or not measured.
        low: low end of the 95% interval of the difference; None where one of both is not known.
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
    difference. Where both keep what each query came to, those are of the differences query by query; else
    those of tonight and of the mean combined. A figure that some night had and tonight has not is worse.

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
        now = figures(data, policies)
        earlier = [figures(night.sets.get(name, {}), policies) for night in nights]
        for key in {**now, **{key: None for night in earlier for key in night}}:
            known = [night[key] for night in earlier if key in night]
            if key not in now:
                found.append(_vanished(where, key, known, cause))
            elif known and (change := _change(now[key], known, tolerance)) is not None:
                found.append(_told(where, key, now[key], change, cause))
    return sorted(found, key=lambda one: not one.is_regression)


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Returns what was not the same before, in words."""
    found = [
        f"{what} changed from {before.get(what, 'none')} to {now.get(what, 'none')}"
        for what in {**before, **now}
        if before.get(what) != now.get(what)
    ]
    return "; ".join(found) or "neither the probe in use nor the model nor a version changed"


@dataclass(frozen=True, slots=True)
class _Change:
    before: float | None
    apart: float | None
    error: float
    is_regression: bool


def _change(figure: Figure, known: Sequence[Figure], tolerance: float) -> _Change | None:
    reached = [one for one in known if one.value is not None]
    if 2 * len(reached) <= len(known):
        return None if figure.value is None else _Change(None, None, 0.0, is_regression=False)
    before = _mean(reached)
    if figure.value is None:
        return _Change(before, None, 0.0, is_regression=True)
    apart, error = _paired(figure, reached) or (
        figure.value - (before or 0.0),
        hypot(figure.error, sqrt(sum(one.error**2 for one in reached)) / len(reached)),
    )
    if abs(apart) <= max(tolerance, SURE * error):
        return None
    return _Change(before, apart, error, is_regression=(apart > 0) is (figure.better == LOWER))


def _paired(figure: Figure, nights: Sequence[Figure]) -> tuple[float, float] | None:
    """Returns the mean difference to the nights' means, query by query, and its standard error.

    The noise of each night's samples is in the differences; that some queries are harder than others is not.

    Returns:
        None where fewer than two queries are known on both sides.
    """
    kept = [_array(one) for one in nights if one.each and len(one.each) == len(figure.each)]
    if not kept:
        return None
    known = np.array(kept)
    counts = np.isfinite(known).sum(axis=0)
    usual = np.divide(np.nansum(known, axis=0), counts, out=np.full(len(counts), np.nan), where=counts > 0)
    apart = _array(figure) - usual
    apart = apart[np.isfinite(apart)]
    if len(apart) < 2:
        return None
    return float(apart.mean()), float(apart.std(ddof=1) / sqrt(len(apart)))


def _array(figure: Figure) -> FloatArray:
    return np.array([np.nan if value is None else value for value in figure.each])


def _mean(known: Sequence[Figure]) -> float | None:
    values = [one.value for one in known if one.value is not None]
    return sum(values) / len(values) if values else None


def _told(suite: str, key: str, figure: Figure, change: _Change, cause: str) -> Comparison:
    said = figure.words.format(figure.told(figure.value))
    words = f"{said}, {figure.told(change.before)} before; {cause}"
    low = high = None
    if change.apart is not None:
        half = WIDTH / 2 * change.error
        low, high = change.apart - half, change.apart + half
    return Comparison(suite, key, change.before, figure.value, low, high, change.is_regression, words)


def _vanished(suite: str, key: str, known: Sequence[Figure], cause: str) -> Comparison:
    before = _mean(known)
    words = f"{key}: not measured tonight, {known[0].told(before)} before; {cause}"
    return Comparison(suite, key, before, None, None, None, is_regression=True, words=words)


def as_rows(found: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Returns comparisons as plain data that JSON can hold."""
    return [asdict(one) for one in found]
