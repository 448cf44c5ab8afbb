"""Panels of what is tried beyond the paper: limits of budgets, verifiers that err, dishonest scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from adaqueue.adapters.reports.curves import Axis, budget_axis, plot
from adaqueue.adapters.reports.drawing import Panel
from adaqueue.adapters.reports.palette import OTHERS, hue, look_of

SHADES = ("blue", "orange", "teal", "pink", "olive", "grey", "black")


def limits(policy: str, row: Mapping[str, Mapping[str, float]]) -> Panel:
    """Returns a policy's reward over the largest budget of one query, a line for each average budget."""

    def draw(into: Axes) -> None:
        for place, (budget, by_limit) in enumerate(row.items()):
            into.plot(
                [float(limit) for limit in by_limit],
                list(by_limit.values()),
                color=hue(SHADES[place % len(SHADES)]),
                marker=OTHERS[place % len(OTHERS)].mark,
                label=f"B = {budget}",
            )
        budget_axis(into, sorted({float(limit) for by_limit in row.values() for limit in by_limit}))
        into.set_xlabel("largest budget of one query, b_max")
        into.set_ylabel("success")

    said = "; ".join(f"B = {b}: {', '.join(f'{v:.3f}' for v in by.values())}" for b, by in row.items())
    return Panel(policy, f"Success over b_max. {said}.", draw, len(row))


def errors(found: Sequence[Mapping[str, Any]], key: str, budget: str, labels: Axis) -> Panel:
    """Returns what policies reach where the verifier errs, a place on x for each pair of error rates.

    Args:
        found: `false_accepts`, `false_rejects` and, under the key, policy -> budget -> value.
        key: what is drawn.
        budget: for which.
        labels: title and y label.
    """
    policies = list(found[0][key])

    def draw(into: Axes) -> None:
        places = [float(place) for place in range(len(found))]
        for place, policy in enumerate(policies):
            plot(into, policy, places, [_value(item[key][policy].get(budget)) for item in found], place)
        names = [f"{item['false_accepts']:.0%}\n{item['false_rejects']:.0%}" for item in found]
        into.set_xticks(places, names)
        into.set_xlabel("false accepts, above false rejects")
        into.set_ylabel(labels[1])

    told = "; ".join(
        f"{item['false_accepts']:.0%} and {item['false_rejects']:.0%}: "
        + ", ".join(f"{name} {_value(item[key][name].get(budget)):.3f}" for name in policies)
        for item in found
    )
    return Panel(labels[0], f"{labels[1]}, by false accepts and false rejects. {told}.", draw, len(policies))


def honesty(rows: Mapping[str, Mapping[str, Mapping[str, float | None]]], labels: Axis) -> Panel:
    """Returns each policy decided on held-out draws, and decided on the very draws that score it."""

    def draw(into: Axes) -> None:
        for place, (policy, row) in enumerate(rows.items()):
            x, tone = [float(b) for b in row], hue(look_of(policy, place).tone)
            for key, dash in (("honest", "-"), ("same_draws", ":")):
                y = [_value(cell[key]) for cell in row.values()]
                into.plot(x, y, color=tone, linestyle=dash, marker="o", label=f"{policy}, {_spoken(key)}")
        budget_axis(into, sorted({float(b) for row in rows.values() for b in row}))
        into.set_xlabel("average budget B, samples a query")
        into.set_ylabel(labels[1])

    said = f"{labels[1]} of {', '.join(rows)}, decided on other draws and on the draws that score."
    return Panel(labels[0], said, draw, 2 * len(rows))


def _spoken(key: str) -> str:
    return key.replace("_", " ")


def _value(value: float | None) -> float:
    return float("nan") if value is None else value
