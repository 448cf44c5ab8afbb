"""Figures 3 to 6 of the paper, of any set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adaqueue.adapters.reports import curves, figure_tables, portraits
from adaqueue.adapters.reports.drawing import Figure, Panel
from adaqueue.adapters.reports.sets import BINARY, ROUTING, Figures, kind_of
from adaqueue.adapters.reports.table import Table
from adaqueue.core.chat_replay import SAME

BUDGET = "average budget B, samples a query"
STRONG = "share of queries sent to the strong decoder"
AT_ONCE = ("uniform", "window", "bins", "beta_window", "oracle")
"""The paper's policies, and ours that decide as they do: before the first sample."""

STOPPING = "uniform_early_stop"
MANY = 6
"""Policies beyond which those that stop at a success get a panel of their own."""

OWN_PANEL = ("window", "bins", "sequential")
"""The paper's two and the default; tables have the others."""

Rows = Mapping[str, Mapping[str, Any]]


def paper_figures(figures: Figures) -> Iterator[Figure]:
    """Yields the paper's figures that the set has."""
    kind = kind_of(figures)
    if kind == BINARY:
        yield _best_of_k(figures)
    elif kind == ROUTING:
        yield _routing(figures)
    else:
        yield from _chat(figures)
    if figures.get("tertiles"):
        yield _tertiles(figures)


def shown(rows: Rows) -> list[str]:
    """Returns the policies that have a panel of their own where each policy needs one."""
    return [name for name in OWN_PANEL if name in rows] or list(rows)[: len(OWN_PANEL)]


def parted(rows: Rows) -> dict[str, Rows]:
    """Returns the policies in panels by title: together if few, else by whether they stop at a success."""
    if STOPPING not in rows or len(rows) <= MANY:
        return {"": rows}
    stopping = {name: row for name, row in rows.items() if name == "uniform" or name not in AT_ONCE}
    return {
        "decided before the first sample": {name: rows[name] for name in rows if name in AT_ONCE},
        "stopping at a success": stopping,
    }


def _best_of_k(figures: Figures) -> Figure:
    caption = (
        "As the paper's Figure 3: how success is spread over the queries, predicted against true success "
        "with calibration bins, and the success of every policy over budgets."
    )
    return Figure(
        "figure-3", "Figure 3", _with_ends(caption, figures), _three(figures, "success"), _two(figures)
    )


def _routing(figures: Figures) -> Figure:
    caption = (
        "As the paper's Figure 5: how preference is spread, predicted against true preference, and the mean "
        "reward over the share of queries sent to the strong decoder."
    )
    return Figure("figure-5", "Figure 5", caption, _three(figures, "mean reward"), _two(figures))


def _chat(figures: Figures) -> Iterator[Figure]:
    caption = "As the paper's Figure 4, full: the mean reward of every policy over budgets."
    yield Figure("figure-4", "Figure 4, full", caption, _three(figures, "mean reward"), _two(figures))
    if figures.get("tranches"):
        yield _tranches(figures["tranches"])


def _tranches(parts: Rows) -> Figure:
    labels = (BUDGET, "mean reward")
    panels = [curves.rewards(part["policies"], f"Tranche: {name}", labels) for name, part in parts.items()]
    tables: list[Table] = []
    for name, part in parts.items():
        tables.append(figure_tables.reached(f"Tranche {name}: mean reward", part["policies"]))
        said = f"Tranche {name}: share of uniform's samples"
        tables.append(figure_tables.needed(said, part["equal_reward_budget"]))
    counts = ", ".join(f"{name} {part['queries']:,}" for name, part in parts.items())
    same = any(part.get("chosen_on") == SAME for part in parts.values())
    caption = f"As the paper's Figure 4, tranches: rewards that vary least and most. Queries: {counts}."
    caption += " They are chosen by the very rewards that score them: gains are partly selection." * same
    return Figure("figure-4-tranches", "Figure 4, tranches", caption, tuple(panels), tuple(tables))


def _tertiles(figures: Figures) -> Figure:
    caption = (
        "As the paper's Figure 6: which share of all samples goes to the thirds of the queries that are "
        "predicted to be hard, medium and easy, over budgets."
    )
    found = figures["tertiles"]
    panels = tuple(portraits.tertiles(name, found[name]) for name in shown(found))
    return Figure("figure-6", "Figure 6", caption, panels, (figure_tables.thirds(found),))


def _three(figures: Figures, measure: str) -> tuple[Panel, ...]:
    panels = []
    if figures.get("distribution"):
        panels.append(portraits.distribution(figures["distribution"]))
    bins = figures.get("calibration") or []
    if bins:
        of = str((figures.get("distribution") or {}).get("of", "success rate"))
        panels.append(portraits.calibration(figures.get("points") or [], bins, of))
    x = STRONG if kind_of(figures) == ROUTING else BUDGET
    for part, rows in parted(figures["policies"]).items():
        title = f"Performance, {part}" if part else "Performance"
        panels.append(curves.rewards(rows, title, (x, measure)))
    return tuple(panels)


def _two(figures: Figures) -> tuple[Table, ...]:
    spread, bins = figures.get("distribution"), figures.get("calibration")
    found = [figure_tables.bars(spread)] if spread else []
    return (*found, figure_tables.bins(bins)) if bins else tuple(found)


def _with_ends(caption: str, figures: Figures) -> str:
    return f"{caption} {portraits.ends(figures.get('distribution') or {})}".strip()
