"""Panels of curves: what every policy reaches, or needs, over budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from adaqueue.adapters.reports.drawing import Panel
from adaqueue.adapters.reports.palette import hue, look_of

Row = Mapping[str, Any]
Axis = tuple[str, str]
"""Labels of x and y."""

BAND = 0.08
"""Opacity of an interval."""

NEAR = 9
"""Marks on an axis beyond which only every other one is named."""


def rewards(policies: Mapping[str, Mapping[str, Row]], title: str, labels: Axis) -> Panel:
    """Returns the performance curves: reward of every policy over budgets, with intervals.

    Args:
        policies: policy -> budget -> `reward`, `low`, `high`.
        title: of the panel.
        labels: of the axes.
    """

    def draw(into: Axes) -> None:
        for place, (policy, row) in enumerate(policies.items()):
            x = [float(budget) for budget in row]
            plot(into, policy, x, [cell["reward"] for cell in row.values()], place)
            banded = [(at, c["low"], c["high"]) for at, c in zip(x, row.values(), strict=True) if _banded(c)]
            if banded:
                at, low, high = zip(*banded, strict=True)
                tone = hue(look_of(policy, place).tone)
                into.fill_between(at, low, high, color=tone, alpha=BAND, linewidth=0)
        _frame(into, policies, labels)

    ends = {
        name: [f"{cell['reward']:.3f}" for cell in (*row.values(),)[:: max(len(row) - 1, 1)]]
        for name, row in policies.items()
    }
    return Panel(title, _said(labels, ends), draw, len(policies))


def lines(rows: Mapping[str, Mapping[str, float | None]], title: str, labels: Axis, shares: bool) -> Panel:
    """Returns a line for each policy over budgets, broken where it has no value; `shares` are percentages."""

    def draw(into: Axes) -> None:
        for place, (policy, row) in enumerate(rows.items()):
            y = [float("nan") if value is None else value for value in row.values()]
            plot(into, policy, [float(budget) for budget in row], y, place)
        _frame(into, rows, labels)
        if shares:
            into.set_ylim(bottom=0)
            into.yaxis.set_major_formatter(as_percent)

    ends = {
        name: ["not reached" if v is None else f"{v:.3g}" for v in (*row.values(),)[:: max(len(row) - 1, 1)]]
        for name, row in rows.items()
    }
    return Panel(title, _said(labels, ends), draw, len(rows))


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
        step = 1 if len(budgets) <= NEAR else 2
        into.set_xticks(budgets[::step], [f"{budget:,g}" for budget in budgets[::step]])
        into.minorticks_off()
    else:
        into.set_xlim(0, 1.02)
        into.xaxis.set_major_formatter(as_percent)


def as_percent(value: float, _: object = None) -> str:
    """Returns a tick of shares."""
    return f"{100 * value:.4g}%"


def _frame(into: Axes, rows: Mapping[str, Mapping[str, Any]], labels: Axis) -> None:
    budget_axis(into, sorted({float(budget) for row in rows.values() for budget in row}))
    into.set_xlabel(labels[0])
    into.set_ylabel(labels[1])


def _banded(cell: Row) -> bool:
    return cell.get("low") is not None and cell.get("high") is not None


def _said(labels: Axis, ends: Mapping[str, Sequence[str]]) -> str:
    told = "; ".join(f"{name} {' to '.join(values)}" for name, values in ends.items())
    return f"{labels[1]} over {labels[0]}, from the smallest to the largest: {told}."
