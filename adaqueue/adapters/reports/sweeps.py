"""Panels of what is tried beyond the paper: limits of budgets, verifiers that err, dishonest scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from adaqueue.adapters.reports.curves import Axis, as_percent, budget_axis, plot
from adaqueue.adapters.reports.drawing import Panel
from adaqueue.adapters.reports.palette import OTHERS, hue, look_of

ERRING = ("uniform", "uniform_early_stop", "window", "bins", "sequential", "sequential_oracle")
"""Drawn where the verifier errs; tables have the others."""

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


def errors(found: Sequence[Mapping[str, Any]], key: str, swept: str, budget: str, labels: Axis) -> Panel:
    """Returns what policies reach over one error rate of the verifier, the other as small as it was tried.

    Args:
        found: `false_accepts`, `false_rejects` and, under the key, policy -> budget -> value.
        key: what is drawn.
        swept: the rate on x.
        budget: for which.
        labels: title and y label.
    """
    other = ({"false_accepts", "false_rejects"} - {swept}).pop()
    least = min(item[other] for item in found)
    items = [item for item in found if item[other] == least]
    policies = [name for name in ERRING if name in found[0][key]] or list(found[0][key])
    values = {name: [_value(item[key][name].get(budget)) for item in items] for name in policies}

    def draw(into: Axes) -> None:
        for place, (policy, row) in enumerate(values.items()):
            plot(into, policy, [item[swept] for item in items], row, place)
        into.xaxis.set_major_formatter(as_percent)
        into.yaxis.set_major_formatter(as_percent)
        into.set_xlabel(f"{_spoken(swept)} of the verifier")
        into.set_ylabel(labels[1])

    told = "; ".join(f"{name} {', '.join(f'{value:.3f}' for value in row)}" for name, row in values.items())
    return Panel(labels[0], f"{labels[1]} over {_spoken(swept)}. {told}.", draw, len(policies))


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
        into.set_ylim(bottom=0)
        into.yaxis.set_major_formatter(as_percent)

    said = f"{labels[1]} of {', '.join(rows)}, decided on other draws and on the draws that score."
    return Panel(labels[0], said, draw, 2 * len(rows))


def _spoken(key: str) -> str:
    return key.replace("_", " ")


def _value(value: float | None) -> float:
    return float("nan") if value is None else value
