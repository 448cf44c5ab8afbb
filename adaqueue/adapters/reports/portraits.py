"""Panels of the queries themselves: how hard they are, how well that was predicted, who got the samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes

from adaqueue.adapters.reports.curves import as_percent
from adaqueue.adapters.reports.drawing import Panel
from adaqueue.adapters.reports.palette import hue

THIRDS = (("hard", "black"), ("medium", "grey"), ("easy", "grid"))
"""By predicted success, with their tones: none is a policy's own."""


def distribution(found: Mapping[str, Any]) -> Panel:
    """Returns the histogram of success over queries, or of what else tells them apart."""
    edges, shares, of = found["edges"], found["share"], str(found["of"])

    def draw(into: Axes) -> None:
        widths = [right - left for left, right in pairwise(edges)]
        into.bar(edges[:-1], shares, widths, align="edge", color=hue("blue"), edgecolor=hue("ground"))
        into.set_xlabel(of)
        into.set_ylabel("share of queries")
        into.yaxis.set_major_formatter(as_percent)

    return Panel(f"Distribution of {of}", f"Histogram. {ends(found)}".strip(), draw)


def ends(found: Mapping[str, Any]) -> str:
    """Returns in words how many queries lie at the ends; nothing where there are no such ends."""
    if found.get("zero") is None or found.get("one") is None:
        return ""
    return f"{found['zero']:.1%} of the queries never succeed, {found['one']:.1%} always do."


def calibration(points: Sequence[Sequence[float]], bins: Sequence[Mapping[str, Any]], of: str) -> Panel:
    """Returns predicted against true values, with calibration bins and their intervals."""

    def draw(into: Axes) -> None:
        _diagonal(into, points, bins)
        if points:
            across, up = zip(*points, strict=True)
            into.scatter(across, up, s=7, color=hue("grey"), alpha=0.45, linewidths=0, label="queries")
        if bins:
            x = [cell["predicted"] for cell in bins]
            y = [cell["observed"] for cell in bins]
            into.plot(
                x, y, color=hue("blue"), marker="o", linewidth=1.8, label="bins, 95% interval", zorder=4
            )
            low, high = ([cell[end] for cell in bins] for end in ("low", "high"))
            into.vlines(x, low, high, color=hue("blue"), linewidth=1.4, zorder=4)
        into.set_xlabel(f"predicted {of}")
        into.set_ylabel(f"true {of}")

    said = "; ".join(f"{cell['predicted']:.2f}: {cell['observed']:.2f}" for cell in bins)
    return Panel("Predicted against true", f"Bins, predicted: true. {said}.", draw, 3)


def tertiles(policy: str, row: Mapping[str, Sequence[float]]) -> Panel:
    """Returns how a policy's samples are shared out among queries that look hard, medium and easy."""
    shares = {b: [value / (sum(spent) or 1.0) for value in spent] for b, spent in row.items()}

    def draw(into: Axes) -> None:
        floor = [0.0] * len(shares)
        places = range(len(shares))
        for third, (name, tone) in enumerate(THIRDS):
            heights = [share[third] for share in shares.values()]
            look: dict[str, Any] = {
                "color": hue(tone),
                "edgecolor": hue("quiet"),
                "linewidth": 0.6,
                "label": name,
            }
            into.bar(places, heights, 0.72, bottom=floor, **look)
            floor = [low + more for low, more in zip(floor, heights, strict=True)]
        into.set_xticks(list(places), list(shares))
        into.set_xlabel("average budget B, samples a query")
        into.set_ylabel("share of all samples")
        into.set_ylim(0, 1)
        into.yaxis.set_major_formatter(as_percent)

    said = "; ".join(f"B = {b}: {' / '.join(f'{x:.0%}' for x in share)}" for b, share in shares.items())
    return Panel(policy, f"Share of samples on hard / medium / easy queries. {said}.", draw, len(THIRDS))


def _diagonal(into: Axes, points: Sequence[Sequence[float]], bins: Sequence[Mapping[str, Any]]) -> None:
    values = [v for point in points for v in point] + [b[k] for b in bins for k in ("predicted", "observed")]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    into.plot((low, high), (low, high), color=hue("quiet"), linestyle="--", linewidth=1, label="perfect")
