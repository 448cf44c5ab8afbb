"""Panels of curves: what every policy reaches, or needs, over budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from adaqueue.adapters.reports.drawing import Panel
from adaqueue.adapters.reports.palette import hue, look_of

Row = Mapping[str, Any]
BAND = 0.10
"""Opacity of an interval."""


def rewards(policies: Mapping[str, Mapping[str, Row]], title: str, axes: tuple[str, str]) -> Panel:
    """Returns the performance curves: reward of every policy over budgets, with intervals.

    Args:
        policies: policy -> budget -> `reward`, `low`, `high`.
        title: of the panel.
        axes: labels of x and y.
    """

    def draw(into: Axes) -> None:
        for place, (policy, row) in enumerate(policies.items()):
            x = [float(budget) for budget in row]
            plot(into, policy, x, [cell["reward"] for cell in row.values()], place)
            banded = [(at, c["low"], c["high"]) for at, c in zip(x, row.values(), strict=True) if _banded(c)]
            if banded:
                at, low, high = zip(*banded, strict=True)
                into.fill_between(
                    at, low, high, color=hue(look_of(policy, place).tone), alpha=BAND, linewidth=0
                )
        budget_axis(into, [float(budget) for budget in next(iter(policies.values()))])
        into.set_xlabel(axes[0])
        into.set_ylabel(axes[1])

    return Panel(title, _said(policies, axes), draw, len(policies))


def lines(
    rows: Mapping[str, Mapping[str, float | None]], title: str, axes: tuple[str, str], percent: bool = False
) -> Panel:
    """Returns a line for each policy over budgets, broken where there is no value."""

    def draw(into: Axes) -> None:
        for place, (policy, row) in enumerate(rows.items()):
            y = [float("nan") if value is None else value for value in row.values()]
            plot(into, policy, [float(budget) for budget in row], y, place)
        budget_axis(into, [float(budget) for budget in next(iter(rows.values()))])
        into.set_xlabel(axes[0])
        into.set_ylabel(axes[1])
        if percent:
            into.yaxis.set_major_formatter(as_percent)

    return Panel(title, f"{axes[1]} over {axes[0]}, a line for each of {', '.join(rows)}.", draw, len(rows))


def plot(into: Axes, policy: str, x: Sequence[float], y: Sequence[float], place: int = 0) -> None:
    """Draws a policy's line as it looks in every figure, the default above the others."""
    look = look_of(policy, place)
    into.plot(
        x,
        y,
        color=hue(look.tone),
        linestyle=look.dash,
        marker=look.mark,
        linewidth=look.width,
        label=policy,
        zorder=4 if look.width > 2 else 3,
    )


def budget_axis(into: Axes, budgets: Sequence[float]) -> None:
    """Marks the budgets on x: powers of two where they are samples, plain where they are shares of 1."""
    if max(budgets) > 1:
        into.set_xscale("log", base=2)
        into.set_xticks(budgets, [f"{budget:,g}" for budget in budgets])
        into.minorticks_off()
    else:
        into.set_xlim(0, 1.02)
        into.xaxis.set_major_formatter(as_percent)


def as_percent(value: float, _: object = None) -> str:
    """Returns a tick of shares."""
    return f"{100 * value:.0f}%"


def _banded(cell: Row) -> bool:
    return cell.get("low") is not None and cell.get("high") is not None


def _said(policies: Mapping[str, Mapping[str, Row]], axes: tuple[str, str]) -> str:
    ends = [
        f"{name} {row[first]['reward']:.3f} to {row[last]['reward']:.3f}"
        for name, row in policies.items()
        for first, last in [(next(iter(row)), next(reversed(list(row))))]
    ]
    return f"{axes[1]} over {axes[0]}, from the smallest to the largest: {'; '.join(ends)}."
